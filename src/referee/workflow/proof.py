"""The proof of a cure: on a throw-away server the findings are gone, none is new, and nothing else has changed."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from referee.errors import StatementError
from referee.fixing.migration import former_key
from referee.fixing.outcome import differences, surprises
from referee.fixing.rehearsed import Compared, compare
from referee.model import change as changes
from referee.model.change import Change
from referee.model.diagnosis import Diagnosis
from referee.model.finding import Finding
from referee.model.names import QName
from referee.model.plan import Plan
from referee.model.repair import Check, FileChange, Proof, Proposal
from referee.model.schema import ForeignKey, Schema
from referee.model.source import Source
from referee.postgres.programs import Programs
from referee.postgres.scripts import Outcome, run_scripts
from referee.postgres.server import Server, start_server
from referee.read.catalog import read_catalog
from referee.rehearse.base import GHOST, UNMIRRORED, Base, prepare
from referee.sql.questions import Questions
from referee.workflow.check import Reading
from referee.workflow.config import Config
from referee.workflow.exact import check_exact
from referee.workflow.prove import Wish, prove
from referee.workflow.scripts import script_of

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Cure:
    """What is to be proven: the project before and after, what was proposed, and the plan and its files if any.

    ``left`` are the findings whose cure a person decides, and decided against, or which rest on the cure of others:
    they may stand where others fell.
    """

    before: Reading
    after: Reading
    proposals: tuple[Proposal, ...]
    plan: Plan | None
    files: tuple[FileChange, ...]
    config: Config
    left: tuple[Finding, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(proposal.change for proposal in self.proposals)


def run_for_real(reading: Reading, config: Config, programs: Programs | None) -> Diagnosis:
    """What the migrations build on a server, and what all rules find there. Raises ServerError where none starts."""
    with _on_disk(reading) as folder:
        return check_exact(folder, _everything(reading, config), programs)


def _everything(reading: Reading, config: Config) -> Config:
    host = reading.platform.name
    return replace(config, select=None, baseline=None, exclude=(), platform=host)  # type: ignore[arg-type]


def refused(before: Diagnosis, after: Diagnosis) -> tuple[str, ...]:
    """What a server says of statements that it runs in one project and refuses in the other."""
    known = {_FOLDER.sub("", gap.message) for gap in before.gaps}
    return tuple(
        [
            _FOLDER.sub("", f"{gap.span.path if gap.span else ''}: {gap.message}")
            for gap in after.gaps
            if gap.kind == "would-fail" and _FOLDER.sub("", gap.message) not in known
        ]
    )


def prove_cure(cure: Cure, before: Diagnosis, after: Diagnosis, programs: Programs | None, tell: Tell) -> Proof:
    """Tries everything; what did not hold is in the checks. Raises ServerError where no server starts.

    ``before`` and ``after`` are what ``run_for_real`` says of the two projects.
    """
    config = _everything(cure.before, cure.config)
    with _on_disk(cure.before) as former, _on_disk(cure.after) as latter:
        worse: tuple[str, ...] = ()
        found = [
            _replays(before, after),
            _is_gone(cure, after),
            _none_is_new(cure, before, after),
            _exact(cure, before, after),
        ]
        tell("rehearsing both")
        wish = Wish(races=False)
        if before.identities.all:
            [is_] = prove(former, config, wish, programs=programs, tell=tell).rehearsals
            [would_be] = prove(latter, config, wish, programs=programs, tell=tell).rehearsals
            compared = compare(is_, would_be, before.schema, cure.changes, _is_unlinked(after))
            worse = compared.worse
            found.append(_rehearsed(compared))
    if cure.plan is not None:
        with start_server(cure.before.platform, programs) as server:
            tell("running the plan on a database with rows")
            found += _with_rows(cure, server)
    version = _version(programs)
    return Proof(version, tuple(found), worse)


def _version(programs: Programs | None) -> str:
    return programs.version if programs is not None else ""


@contextmanager
def _on_disk(reading: Reading) -> Iterator[Path]:
    """The project's files in a folder of their own, laid out as they are."""
    migrations = reading.migrations
    root = Path(migrations.root) if migrations.kind != "file" else Path(migrations.root).parent
    with tempfile.TemporaryDirectory(prefix="referee-fix-") as folder:
        base = Path(folder, "supabase") if migrations.kind == "supabase" else Path(folder)
        for source in migrations.files:
            target = base / os.path.relpath(source.path, root)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(source.text, encoding="utf-8", newline="")
        settings = root / "config.toml"
        if migrations.kind == "supabase" and settings.is_file():
            (base / "config.toml").write_bytes(settings.read_bytes())
        yield Path(folder) if migrations.kind != "file" else target


# The parts


# Where the copy of the project lies is no part of what went wrong.
_FOLDER = re.compile(r"\S*/referee-fix-\w+/")


def _replays(before: Diagnosis, after: Diagnosis) -> Check:
    failed = refused(before, after)
    return Check("the project replays from empty", not failed, failed)


def _is_gone(cure: Cure, after: Diagnosis) -> Check:
    left = {finding.fingerprint: finding for finding in after.findings}
    promised = {finding.fingerprint for proposal in cure.proposals for finding in proposal.findings}
    stays = [left[fingerprint] for fingerprint in sorted(promised & left.keys())]
    details = [f"{finding.rule} {finding.problem.object}" for finding in stays]
    return Check("the findings are gone", not stays, tuple(details))


def _none_is_new(cure: Cure, before: Diagnosis, after: Diagnosis) -> Check:
    new = new_findings(cure, before, after)
    details = [f"{finding.rule} {finding.problem.object}: {finding.problem.cause}" for finding in new.guilty]
    details += [f"{one.problem.object} waits for its rows: some refer to nothing, and stay" for one in new.waiting]
    details += [f"{one.rule} {one.problem.object}: left, as told with its proposal" for one in new.decided]
    return Check("no finding is new", not new.guilty, tuple(details))


@dataclass(frozen=True)
class NewFindings:
    """What is found after a cure and was not before. Two kinds are no fault of it.

    A new key that existing rows break stays NOT VALID, as its step says: ``waiting``. And what a cure brings to light
    and is left for a reason is left: ``decided``.
    """

    guilty: tuple[Finding, ...]
    waiting: tuple[Finding, ...]
    decided: tuple[Finding, ...]


def new_findings(cure: Cure, before: Diagnosis, after: Diagnosis) -> NewFindings:
    known = {(finding.rule, finding.problem.object) for finding in before.findings}
    fresh = [finding for finding in after.findings if (finding.rule, finding.problem.object) not in known]
    keys = {key.ref for key in _waiting(cure, before.schema, after.schema)}
    left = {(finding.rule, finding.problem.object) for finding in cure.left}
    waiting = [one for one in fresh if one.rule == "unvalidated-foreign-key" and one.problem.object in keys]
    decided = [one for one in fresh if (one.rule, one.problem.object) in left]
    guilty = [one for one in fresh if one not in waiting and one not in decided]
    return NewFindings(tuple(guilty), tuple(waiting), tuple(decided))


def _waiting(cure: Cure, before: Schema, after: Schema) -> list[ForeignKey]:
    """The new keys that are not validated, since rows that were there before break them."""
    wanted = {(change.table, change.columns) for change in cure.changes if isinstance(change, changes.AddForeignKey)}
    wanted |= {
        (change.mirror.table, change.mirror.columns)
        for change in cure.changes
        if isinstance(change, changes.AddIdentityKey)
    }
    known = {key.ref for key in before.foreign_keys()}
    keys = [key for key in after.foreign_keys() if not key.validated and key.ref not in known]
    return [key for key in keys if (key.table, key.columns) in wanted]


def _exact(cure: Cure, before: Diagnosis, after: Diagnosis) -> Check:
    found = surprises(before.schema, after.schema, cure.changes)
    return Check("the schema changed in the proposed places and nowhere else", not found, tuple(found))


def _rehearsed(compared: Compared) -> Check:
    """What failed and is cured passes, and nothing fails that had passed."""
    details = [f"{name} fails, and did not before" for name in compared.worse]
    details += [f"{name} still fails" for name in compared.stays]
    told = [f"{name} fails: a row outlives its account, which unlinked-mirror reports" for name in compared.outliving]
    told += [f"{name} fails, and could not be tried before: `referee prove` tells of it" for name in compared.untried]
    return Check("production's flows pass where they were cured", not details, (*details, *told))


def _is_unlinked(findings: Diagnosis) -> bool:
    return any(finding.rule == "unlinked-mirror" for finding in findings.findings)


# A database that is in use


def _with_rows(cure: Cure, server: Server) -> Iterator[Check]:
    old = [script_of(source) for source in cure.before.migrations.files]
    before = cure.before
    with server.database() as migrated:
        run_scripts(server, migrated, old)
        base = prepare(server, migrated, _schema(cure, server, migrated), before.identities.all, {})
        _fill(server, base)
        start, counted = _schema(cure, server, base.database), _counts(cure, server, base.database)
        outcome = _run(server, base.database, [file for file in cure.files if file.kind == "migration"])
        yield _ran("the plan runs on a database with rows", outcome)
        middle = _schema(cure, server, base.database)
        found = surprises(start, middle, cure.changes)
        yield Check("and arrives at the proposed schema", not found, tuple(found))
        yield _kept("no row is lost on the way", counted, _counts(cure, server, base.database))
        yield _verified(cure, server, base.database, start, middle)
        outcome = _run(server, base.database, [file for file in cure.files if file.kind == "rollback"])
        yield _ran("the rollback runs", outcome)
        yield _restored(start, _schema(cure, server, base.database))
        yield _kept("no row is lost on the way back", counted, _counts(cure, server, base.database))


def _restored(before: Schema, after: Schema) -> Check:
    """A key whose rows were all looked at stays valid: nothing un-validates one."""
    validated = {key.ref for key in after.foreign_keys() if key.validated}
    checked = {
        key.ref: replace(key, validated=True)
        for key in before.foreign_keys()
        if not key.validated and key.ref in validated
    }
    left = differences(before, after)
    kept = [ref for ref in left if ref in checked and former_key(after, ref) == checked[ref]]
    details = [f"{ref} is {how}" for ref, how in left.items() if ref not in kept]
    told = [f"{ref} stays valid, since its rows were looked at" for ref in kept]
    return Check("and restores the schema", not details, (*details, *told))


def _verified(cure: Cure, server: Server, database: str, start: Schema, middle: Schema) -> Check:
    """Nothing is as the plan's queries look for it, but for rows of old that a new key still waits for."""
    asked, keys = Questions(middle), _waiting(cure, start, middle)
    waiting = {asked.orphans(key).text for key in keys}
    queries = [query for query in (cure.plan.verification if cure.plan else ()) if query not in waiting]
    broken = [query for query in queries if _has_rows(server, database, query)]
    told = [f"{key.ref} stays NOT VALID while rows are there that refer to nothing" for key in keys]
    return Check("the verification queries find nothing", not broken, (*broken, *told))


def _fill(server: Server, base: Base) -> None:
    """Rows as production has them: those of an account without its row in the mirror, and mirror rows of no account."""
    with server.connect(base.database, server.superuser) as session:
        for prepared in base.prepared:
            if prepared.row is None:
                continue
            reference = prepared.reference
            with suppress(StatementError):
                session.run(prepared.row.insert())
            if reference.key.target.table == prepared.identity.source.table:
                with suppress(StatementError):
                    session.run(prepared.row.insert({reference.column: UNMIRRORED.literal}))
        for upsert in base.upserts:
            # Nobody has the account of this row; where a key keeps such rows out, there are none in production either.
            row, column = upsert.rows.get(GHOST.number), upsert.mirror.column
            if row is not None:
                with suppress(StatementError):
                    session.run(row.insert({column: GHOST.literal}))


def _run(server: Server, database: str, files: Sequence[FileChange]) -> Outcome:
    return run_scripts(server, database, [script_of(Source(file.path, file.after)) for file in files])


def _ran(name: str, outcome: Outcome) -> Check:
    details = [f"{failure.path}: {failure.report.sqlstate} {failure.report.message}" for failure in outcome.failures]
    return Check(name, not details, tuple(details))


def _schema(cure: Cure, server: Server, database: str) -> Schema:
    with server.connect(database, server.superuser) as session:
        return read_catalog(session, cure.before.platform.managed_schemas)


def _counts(cure: Cure, server: Server, database: str) -> dict[QName, int]:
    tables = [table.name for table in cure.before.replayed.schema.own_tables if table.kind == "table"]
    tables += [identity.source.table for identity in cure.before.identities.all]
    found: dict[QName, int] = {}
    with server.connect(database, server.superuser) as session:
        for table in tables:
            with suppress(StatementError):
                found[table] = int(session.value(f"select count(*) from {table}"))
    return found


def _kept(name: str, before: dict[QName, int], after: dict[QName, int]) -> Check:
    lost = [f"{table}: {count} rows, then {after.get(table, 0)}" for table, count in before.items()]
    lost = [line for line, (table, count) in zip(lost, before.items(), strict=True) if after.get(table, 0) < count]
    return Check(name, not lost, tuple(lost))


def _has_rows(server: Server, database: str, query: str) -> bool:
    with server.connect(database, server.superuser) as session:
        try:
            return session.value(f"select exists ({query})") is True
        except StatementError:
            return True
