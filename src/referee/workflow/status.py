"""The exit status of a check."""

from __future__ import annotations

from referee.model.diagnosis import Diagnosis
from referee.workflow.config import Config


def exit_status(diagnosis: Diagnosis, config: Config) -> int:
    """0 for nothing that counts, 1 for findings at or above ``fail_on``, 2 for gaps where none may be; 2 beats 1.

    A file that was left out on purpose is named among the gaps, but nothing is unknown for it: nobody runs it. A
    migration that is a program runs, and nobody knows what it does.
    """
    if config.strict_gaps and any(gap.kind != "skipped-file" or gap.program is not None for gap in diagnosis.gaps):
        return 2
    return int(config.fail_on is not None and diagnosis.has_findings_from(config.fail_on))
