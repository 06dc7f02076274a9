"""One fault at a time, and who sees it, explains it and removes it: ``python -m bench drift``.

Bandbook as it was repaired stands in two databases, and something was done to the second. Beside `referee compare`
stands `supabase db diff --use-pg-delta --from SECOND --to FIRST`, of the Supabase CLI that `make acceptance` installs;
without it, its columns stay empty. What each of the two proposes is run as the hosted `postgres` may run it; each
then judges whether the other has removed the fault. The target: referee sees, explains and removes every fault.
"""

from __future__ import annotations

import argparse
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bandbook import migration
from tests.compare.applying import run
from tests.compare.bandbook import FAULTS, LATER, as_script
from tests.scripts import script

from referee.model.comparison import Judged
from referee.platforms import SUPABASE
from referee.postgres.scripts import run_scripts
from referee.postgres.server import Server, start_server
from referee.workflow.compare import compare

CLI = Path(__file__).parents[1] / "build/acceptance/node_modules/.bin/supabase"
MISSING = "migration missing"


@dataclass(frozen=True)
class Row:
    """One fault: what referee says of it, and what the CLI writes. ``judged`` is the gravest difference.

    ``cured`` is whether what referee proposes could be run and removed the fault in the eyes of both, ``sql_cured`` the
    same of what the CLI writes, and ``sql_left`` why not. ``sql`` and ``sql_cured`` are None without a CLI.
    """

    fault: str
    judged: Judged | None
    others: int
    cured: bool
    sql: str | None = None
    sql_cured: bool | None = None
    sql_left: str = ""


@dataclass(frozen=True)
class Field:
    """Where the faults are played: a server that listens on the loopback device, and the CLI if there is one."""

    server: Server
    password: str
    cli: Path | None

    def url(self, database: str) -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.server.port}/{database}"

    def diff(self, database: str, wanted: str) -> str:
        """The statements with which the CLI would make a database what another one is."""
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [
                    *(str(self.cli), "db", "diff", "--use-pg-delta", "--output", "diff.sql"),
                    *("--from", self.url(database), "--to", self.url(wanted)),
                ],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise RuntimeError(f"{self.cli} failed: {done.stderr}")
            file = Path(folder, "diff.sql")
            return file.read_text(encoding="utf-8").strip() if file.exists() else ""

    def left(self, database: str, wanted: str) -> str:
        """The first difference that is left, for referee or for the CLI; empty where there is none."""
        for judged in compare(self.server.url(wanted), self.server.url(database)).comparison.differences:
            return judged.difference.summary
        return self.diff(database, wanted) if self.cli is not None else ""


@contextmanager
def playing_field(cli: Path | None) -> Iterator[Field]:
    """A server of its own, for the time of a block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with start_server(SUPABASE, port=port) as server:
        password = secrets.token_hex(8)
        with server.connect("postgres", server.superuser) as session:
            session.run(f"alter role postgres password '{password}'")
        yield Field(server, password, cli)


def rows(field: Field) -> Iterator[Row]:
    """Every fault in turn."""
    server = field.server
    baseline = as_script("20251106000000", "baseline", migration("fixed_with_identity_key"))
    with server.database() as fixed, server.database() as older:
        assert not run_scripts(server, older, [baseline]).failures
        assert not run_scripts(server, fixed, [baseline, as_script("20251201000000", "later", LATER)]).failures
        for fault in FAULTS:
            with server.database(template=fixed) as faulty:
                with server.connect(faulty, server.superuser) as session:
                    session.run(fault.sql)
                yield _row(field, fault.name, fixed, faulty)
        yield _row(field, MISSING, fixed, older)


def _row(field: Field, name: str, fixed: str, faulty: str) -> Row:
    server = field.server
    with server.database(template=faulty) as mine, server.database(template=faulty) as theirs:
        result = compare(server.url(fixed), server.url(mine))
        differences = result.comparison.differences
        cured = not _run(field, mine, fixed, result.fixes("right"))
        row = Row(name, differences[0] if differences else None, len(differences) - 1, cured)
        if field.cli is None:
            return row
        sql = field.diff(theirs, fixed)
        left = _run(field, theirs, fixed, [statement.text for statement in script(sql).statements])
        return replace(row, sql=sql, sql_cured=not left, sql_left=left)


def _run(field: Field, database: str, wanted: str, statements: Sequence[str]) -> str:
    """Runs what was proposed, and says what is left or why it could not be run; empty where all is well."""
    failures = run(field.server, database, statements).failures
    return failures[0].report.message if failures else field.left(database, wanted)


def line(row: Row) -> str:
    """A row of the table."""
    judged = row.judged
    if judged is None:
        told, severity, state, fault = "nothing", "", "", ""
    else:
        told = judged.consequence.text + (f" ({row.others} more)" if row.others else "")
        severity, state = str(judged.severity), judged.consequence.sqlstate or ""
        fault = f"{judged.at_fault}: {', '.join(judged.because)}" if judged.at_fault else ""
    cells = [row.fault, told, severity, state, fault, "yes" if row.cured else "no", *_theirs(row)]
    return f"| {' | '.join([cell.replace('|', chr(92) + '|') for cell in cells])} |"


def _theirs(row: Row) -> tuple[str, str]:
    if row.sql is None:
        return "", ""
    texts = [" ".join(statement.text.split()) for statement in script(row.sql).statements]
    says = [text for text in texts if not text.lower().startswith("set ")]
    first = f"`{says[0][:60]}{'...' * (len(says[0]) > 60)}`" if says else "nothing"
    return first, "yes" if row.sql_cured else f"no: {row.sql_left}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cli", type=Path, default=CLI, help="the program of the Supabase CLI")
    options = parser.parse_args()
    cli = options.cli if options.cli.exists() else None
    print("| fault | what referee says it does | severity | SQLSTATE | at fault | removed | the CLI writes | removed |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    met = True
    with playing_field(cli) as field:
        for row in rows(field):
            print(line(row), flush=True)
            met = met and row.judged is not None and row.cured
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
