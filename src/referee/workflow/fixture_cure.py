"""Seeds and SQL tests that fill a mirror by hand: the statement goes where a trigger fills the mirror, if that holds.

What holds is tried: seeds still load and leave every account with its row, tests that passed still pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from referee.fixing.edit import Edit, apply
from referee.model.finding import Finding
from referee.model.fixtures import DeleteFill, Fill, FixtureFile, Fixtures
from referee.model.identity import Identities, Mirror
from referee.model.names import QName
from referee.model.origins import Origins
from referee.model.repair import Check, FileChange, FixtureProposal, Proof, Repair
from referee.model.source import Source
from referee.postgres.programs import Programs
from referee.postgres.scripts import run_scripts
from referee.postgres.server import Server, start_server
from referee.read.fixtures import read_sources
from referee.sql.questions import Questions
from referee.workflow.check import Reading, diagnose, subject_of, with_fixtures
from referee.workflow.config import Config
from referee.workflow.scripts import script_of, seed_of
from referee.workflow.suites import provide_assertions, run_suite

Tell = Callable[[str], None]

RULE = "masking-fixture"
_END = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*?;", re.DOTALL)
_BLANK = re.compile(r"[ \t]*\r?\n")
_ENDS_BLANK = re.compile(r"(?:\A|\n)[ \t]*\r?\n\Z")
_REST = re.compile(r"[ \t]*(?:\r?\n|\Z)")


@dataclass(frozen=True)
class _Group:
    """Files that are tried together: all seeds, or all SQL tests."""

    name: str
    kind: str
    proposals: tuple[FixtureProposal, ...]
    before: tuple[Source, ...]
    after: tuple[Source, ...]

    @property
    def files(self) -> Iterator[FileChange]:
        for old, new in zip(self.before, self.after, strict=True):
            if old.text != new.text:
                yield FileChange(old.path, old.text, new.text)


def with_fixtures_cured(
    repair: Repair, after: Reading, config: Config, programs: Programs | None, *, verify: bool, tell: Tell
) -> Repair:
    """The repair, and the statements that its seeds and tests no longer need. ``after`` is the project with it."""
    if repair.way != "in-place" or not any(rule.id == RULE for rule in config.rules):
        return repair
    groups = [group for group in _groups(after, config) if group.proposals]
    if not groups:
        return repair
    if not verify:
        return _with(repair, groups, None)
    tell("loading seeds and running tests without what fills mirrors by hand")
    with start_server(after.platform, programs) as server:
        template = _migrated(server, after)
        checks = [_tried(server, template, group, after) for group in groups]
    held = [
        group if check.passed else replace(group, proposals=_left(group, check), after=group.before)
        for group, check in zip(groups, checks, strict=True)
    ]
    return _with(repair, held, [check for check in checks if check.passed])


def _with(repair: Repair, groups: Sequence[_Group], checks: Sequence[Check] | None) -> Repair:
    proof = repair.proof
    if checks:
        proof = Proof(proof.version if proof else "", (*(proof.checks if proof else ()), *checks))
    return replace(
        repair,
        proposals=(*repair.proposals, *(one for group in groups for one in group.proposals)),
        files=(*repair.files, *(file for group in groups for file in group.files)),
        proof=proof,
    )


def _left(group: _Group, check: Check) -> tuple[FixtureProposal, ...]:
    reason = f"it is needed: {'; '.join(check.details[:3])}"
    return tuple(replace(one, reason=one.reason or reason) for one in group.proposals)


# What can go


def _groups(after: Reading, config: Config) -> Iterator[_Group]:
    facts, fixtures = with_fixtures(after, after.replayed, config)
    rules = tuple(rule.id for rule in config.rules if rule.id == RULE)
    alone = replace(config, select=rules, baseline=None)
    found = diagnose(subject_of(after), facts, after.identities, alone, fixtures=fixtures).findings
    sources, _ = read_sources(after.migrations)
    for name, kind in (("the seed still loads", "seed"), ("the SQL tests still pass", "test")):
        texts = tuple(source for one, source in sources if one == kind)
        paths = {source.path for source in texts}
        mine = [finding for finding in found if finding.location is not None and finding.location.file in paths]
        pairs = [_proposal(finding, after.identities, fixtures, facts.origins) for finding in mine]
        edits = [edit for _, some in pairs for edit in some]
        edited = tuple(
            Source(source.path, apply(source.text, [edit for edit in edits if edit.path == source.path]))
            for source in texts
        )
        yield _Group(name, kind, tuple(proposal for proposal, _ in pairs), texts, edited)


def _proposal(
    finding: Finding, identities: Identities, fixtures: Fixtures, origins: Origins
) -> tuple[FixtureProposal, list[Edit]]:
    """What cures a finding, with its edits; none where nothing fills the mirror then."""
    assert finding.location is not None
    table, path, line = finding.problem.object.owner, finding.location.file, finding.location.line
    mirror = _mirror(identities, table)
    trigger = mirror.synced_by[0] if mirror is not None and mirror.synced_by else None
    change = DeleteFill(path, line, table, trigger if trigger is not None else finding.problem.object)
    if trigger is None:
        return FixtureProposal(change, (finding,), f"no trigger fills {table}"), []
    file = next(one for one in fixtures.files if one.path == path)
    fills = [fill for fill in file.fills if _is_of(file, fill, finding, table)]
    if any(_does_more(file, fill) for fill in fills):
        return FixtureProposal(change, (finding,), "the statement does something else as well"), []
    return FixtureProposal(change, (finding,)), [_deletion(fill, origins) for fill in fills]


def _mirror(identities: Identities, table: QName) -> Mirror | None:
    mirrors = (mirror for identity in identities.all for mirror in identity.mirrors)
    return next((mirror for mirror in mirrors if mirror.table == table), None)


def _is_of(file: FixtureFile, fill: Fill, finding: Finding, table: QName) -> bool:
    """Whether a fill is among those that a finding stands for: it names the first of each function."""
    return fill.table == table and fill.role is None and finding.problem.key == file.function_of(fill)


def _does_more(file: FixtureFile, fill: Fill) -> bool:
    return any(other.place == fill.place and other.table != fill.table for other in file.fills)


def _deletion(fill: Fill, origins: Origins) -> Edit:
    """Takes a statement out with its semicolon, and its lines where nothing else stands on them."""
    span = origins.find(fill.place)
    assert span is not None
    text = origins.sources[span.path].text
    semicolon = _END.match(text, span.end)
    end = span.end if semicolon is None else semicolon.end()
    start = span.start
    line = text.rfind("\n", 0, start) + 1
    rest = _REST.match(text, end)
    if not text[line:start].strip() and rest is not None:
        start, end = line, rest.end()
        # Of two blank lines that come together one goes, too.
        blank = _BLANK.match(text, end)
        if blank is not None and _ENDS_BLANK.search(text, 0, start):
            end = blank.end()
    return Edit(span.path, start, end, "")


# Whether it holds


def _migrated(server: Server, after: Reading) -> str:
    template = server.create_database(after.platform.default_mode)
    run_scripts(server, template, [script_of(source) for source in after.migrations.files])
    provide_assertions(server, template)
    return template


def _tried(server: Server, template: str, group: _Group, after: Reading) -> Check:
    """A group as it is and as it would be, each on a database of its own."""
    said = _loaded if group.kind == "seed" else _run
    before = said(server, template, group.before, after)
    worse = [line for line in said(server, template, group.after, after) if line not in before]
    return Check(group.name, not worse, tuple(worse))


def _loaded(server: Server, template: str, seeds: Iterable[Source], after: Reading) -> list[str]:
    """What fails in seeds, and the mirrors that lack rows behind them."""
    with server.database(template=template) as database:
        outcome = run_scripts(server, database, [seed_of(source) for source in seeds])
        found = [f"{one.path}: {one.report.sqlstate} {one.report.message}" for one in outcome.failures]
        ask = Questions(after.replayed.schema)
        with server.connect(database, server.superuser) as session:
            for identity in after.identities.all:
                for mirror in identity.mirrors:
                    question = ask.unmirrored(identity, mirror)
                    query = f"select exists (select from {question.rows} where {question.condition})"
                    if mirror.synced_by and session.value(query):
                        found.append(f"{mirror.table} lacks rows for accounts of the seed")
    return found


def _run(server: Server, template: str, tests: Sequence[Source], after: Reading) -> list[str]:
    """The assertions that fail, and what ended a file."""
    with server.database(template=template) as database:
        results = run_suite(server, database, tests)
    found = [f"{result.path}: {name}" for result in results for name in result.failed]
    return [*found, *(f"{result.path}: {result.error}" for result in results if result.error is not None)]


__all__ = ["with_fixtures_cured"]
