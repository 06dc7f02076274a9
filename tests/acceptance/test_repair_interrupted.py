"""Twenty kills instead of a few: see tests/workflow/test_repair_interrupted.py."""

from __future__ import annotations

from tests.workflow.test_repair_interrupted import server, test_every_row_is_right_exactly_once

__all__ = ["server", "test_every_row_is_right_exactly_once"]
