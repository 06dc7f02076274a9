"""Runs every benchmark."""

from __future__ import annotations

import sys

from bench import check

sys.exit(check.main())
