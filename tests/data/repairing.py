"""`referee repair --execute` as a process that can be killed: ``python -m tests.data.repairing URL``.

It works in batches of a few rows, so that a small database takes many. It prints a line when it has read and scanned
and begins to repair, and its exit status at the end.
"""

from __future__ import annotations

import sys

from referee.data import repair as engine
from referee.data.writer import Limits
from referee.workflow.config import Config
from referee.workflow.repair import RepairWish, execute, exit_status, prepare

MOST = 4
#: Long enough for the locks and restarts that a test comes up with.
WISH = RepairWish(limits=Limits(lock=0.02, patience=30))


def small_batches() -> None:
    """Makes every batch of this process small."""
    engine._FIRST_BATCH = MOST
    engine._MOST_BATCH = MOST
    engine._FIRST_ROWS = 100
    engine._MOST_ROWS = 300


def main(url: str) -> int:
    """Repairs everything. The exit status is that of the command."""
    small_batches()
    prepared = prepare(url, Config(cache=False), WISH)
    print("repairing", flush=True)
    status = exit_status(execute(prepared, WISH))
    print(status, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
