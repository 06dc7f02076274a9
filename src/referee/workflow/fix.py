"""`referee fix`: from the findings of a project to text that cures them, and the proof that it does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from referee.errors import UsageError
from referee.fixing.edit import Edit, EditConflictError, apply
from referee.fixing.in_place import Editor, NotInPlaceError, by_file
from referee.fixing.proposals import Chosen, choose, on_delete_question
from referee.fixing.suspects import absent, bringing, doubtful, stopping, suspects
from referee.fixing.sync import UndecidedError
from referee.model.change import AddForeignKey, Change, CreateSyncTrigger, RetargetForeignKey, Safety, SetOnDelete
from referee.model.diagnosis import Diagnosis
from referee.model.names import QName, Ref, Target
from referee.model.plan import Plan, Question
from referee.model.repair import FileChange, Proof, Proposal, Repair, Way
from referee.model.source import Source
from referee.postgres.programs import Programs
from referee.read.projects import Migrations
from referee.sql.clauses import UnwritableError
from referee.workflow.check import Reading, diagnose, read, read_files, subject_of
from referee.workflow.config import Config, read_config
from referee.workflow.fixture_cure import with_fixtures_cured
from referee.workflow.generators import Generator, generator_of
from referee.workflow.host import exposed_schemas
from referee.workflow.migrate import make_plan, plan_files
from referee.workflow.plan_rows import with_rows
from referee.workflow.proof import Cure, new_findings, prove_cure, refused, run_for_real
from referee.workflow.rewrite import write_all
from referee.workflow.shipped import Shipped, deployment, shipped

Tell = Callable[[str], None]

# A cure can bring to light what it hid; three rounds are more than any known project needs.
_ROUNDS = 5


@dataclass(frozen=True)
class Request:
    """What is asked for. ``way`` is None for what the project's history suggests."""

    way: Way | None = None
    write: bool = False
    verify: bool = True
    db: str | None = None
    password: str | None = None
    shipped_through: str | None = None
    answers: Mapping[str, str] = field(default_factory=dict)


def fix(
    path: str | os.PathLike[str] = ".",
    config: Config | None = None,
    request: Request | None = None,
    *,
    programs: Programs | None = None,
    tell: Tell = lambda message: None,
) -> Repair:
    """What cures the findings of the project at ``path``; written where ``request.write`` says so and all went well.

    Only the findings of the configured rules are cured, but the proof looks at those of all. Raises what ``check``
    raises, UsageError where files cannot be edited or written, and ServerError where no server starts.
    """
    config = config if config is not None else read_config(path)
    request = request or Request()
    reading = read(path, config)
    tables = [table.name for table in reading.replayed.schema.own_tables]
    history = shipped(reading.migrations, request.db, request.password, request.shipped_through, tables)
    way, because = _way(request, history, generator_of(reading.migrations))
    _must_be_editable(reading.migrations, way)
    job = _Job(reading, config, request, history, way)
    composed, proof = _proven(job, programs, tell) if request.verify else (job.compose(), None)
    repair = Repair(
        reading.migrations.name,
        way,
        because,
        composed.proposals,
        composed.files,
        composed.questions,
        composed.plan,
        proof,
        commands=deployment(reading.migrations, way) if composed.files else (),
    )
    after = _again(reading, composed.sources, config) if composed.files else reading
    repair = with_fixtures_cured(repair, after, config, programs, verify=request.verify, tell=tell)
    if not request.write or not repair.files or (repair.proof is not None and not repair.proof.holds):
        return repair
    write_all(repair.files, reading.migrations)
    return replace(repair, written=True)


@dataclass(frozen=True)
class Composed:
    """Text that brings about what was chosen. ``sources`` is the whole project with it."""

    proposals: tuple[Proposal, ...]
    questions: tuple[Question, ...]
    files: tuple[FileChange, ...] = ()
    sources: tuple[Source, ...] = ()
    plan: Plan | None = None


def _way(request: Request, history: Shipped, generator: Generator | None) -> tuple[Way, str]:
    """In place where it is known that no database has run the files, and people write them; else a migration."""
    if request.way == "in-place" and generator is not None and generator.owns_files:
        raise UsageError(
            f"{generator.tool} generates these migrations, so they are not edited: change {generator.schema} and "
            "generate them anew, or use --migration."
        )
    if request.way is not None:
        return request.way, "as asked for"
    if generator is not None and generator.owns_files:
        return "migration", f"{generator.tool} generates the files from {generator.schema}"
    if history.known and not history.paths:
        return "in-place", history.because
    return "migration", history.because


def _must_be_editable(migrations: Migrations, way: Way) -> None:
    if way == "migration" and migrations.kind == "file":
        raise UsageError(
            f"{migrations.name} is one file, and a migration goes beside others. Name the folder, or use --in-place."
        )


@dataclass
class _Job:
    """What is to be composed from. ``held`` are changes that are left out, and why."""

    reading: Reading
    config: Config
    request: Request
    history: Shipped
    way: Way
    real: Diagnosis | None = None
    """What a server says of the project as it is; None where none was asked."""
    held: dict[Change, str] = field(default_factory=dict)
    waiting: dict[str, Question] = field(default_factory=dict)
    """What has to be decided before changes that are held back can be done."""
    unsteady: set[Change] = field(default_factory=set)
    """What is proposed only since another cure changes who is taken for a copy of the users."""
    known: frozenset[tuple[str, Ref]] = frozenset()
    """What is found in the project as it is: rule and object, since what a key references may change."""

    @property
    def answers(self) -> Mapping[str, str]:
        return {**self.config.answers, **self.request.answers}

    def compose(self) -> Composed:
        """Text for all that can be done. What would stop deletions waits until a person has decided about them."""
        for _ in range(_ROUNDS):
            composed = _edit(self) if self.way == "in-place" else _plan(self)
            held = dict(self._stopping(composed))
            if not held:
                break
            self.held |= held
        asked = {question.id: question for question in composed.questions}
        return replace(composed, questions=tuple((self.waiting | asked).values()))

    def _stopping(self, composed: Composed) -> Iterator[tuple[Change, str]]:
        """What makes deleting a user come to a key that refuses and is to stay so, and why it waits."""
        brought = [
            (proposal, proposal.change.key.ref)
            for proposal in composed.proposals
            if not proposal.is_applied
            and isinstance(proposal.change, SetOnDelete)
            and not any((finding.rule, finding.problem.object) in self.known for finding in proposal.findings)
        ]
        if not brought:
            return
        after = _again(self.reading, composed.sources, self.config).replayed.schema
        wanted = [proposal.change for proposal in composed.proposals if proposal.is_applied]
        for proposal, key in brought:
            id_ = on_delete_question(key)
            because = f'the answer to "{id_}" is to leave it' if _is_decided_against(proposal) else proposal.reason
            self.waiting |= {question.id: question for question in composed.questions if question.id == id_}
            for change in stopping(after, wanted, key):
                yield change, f"{key} would stop deletions then, as long as {because}"

    def choose(self, at: Reading) -> Chosen:
        """What the findings propose; what was held back, or is about what no server has, is not applied."""
        found = diagnose(subject_of(at), at.replayed, at.identities, replace(self.config, baseline=None))
        if at is self.reading:
            self.known = frozenset([(finding.rule, finding.problem.object) for finding in found.findings])
        chosen = choose(found.findings, at.replayed.schema, self.answers)
        moved = dict(self._moved(at))
        return replace(chosen, proposals=tuple([self._steady(self._judged(one), moved) for one in chosen.proposals]))

    def _moved(self, at: Reading) -> Iterator[tuple[QName, str]]:
        """The mirrors that would be known by another column than in the project as it is, with what to say of it."""
        before = {mirror.table: mirror.target for one in self.reading.identities.all for mirror in one.mirrors}
        for mirror in [mirror for one in at.identities.all for mirror in one.mirrors]:
            former = before.get(mirror.table, mirror.target)
            if former != mirror.target:
                yield mirror.table, f"{mirror.target} looks like the users' id only once no key leads to {former}"

    def _steady(self, proposal: Proposal, moved: Mapping[QName, str]) -> Proposal:
        """A proposal, left if it takes a mirror's other column for its key since a cure took the keys of the first."""
        for finding in proposal.findings:
            problem = finding.problem
            targets = [one.table for one in (problem.target, problem.expected_target) if one is not None]
            tables = [*targets, *([problem.table] if problem.table is not None else [])]
            reason = next((moved[table] for table in tables if table in moved), None)
            if reason is not None and proposal.is_applied:
                self.unsteady.add(proposal.change)
                return replace(proposal, reason=reason)
        return proposal

    def _judged(self, proposal: Proposal) -> Proposal:
        reason = self.held.get(proposal.change)
        # What the files do not make either is made by the cure.
        if reason is None and self.real is not None and absent(self.reading.replayed.schema, proposal.change) is None:
            reason = absent(self.real.schema, proposal.change)
        return proposal if reason is None or not proposal.is_applied else replace(proposal, reason=reason)


def _proven(job: _Job, programs: Programs | None, tell: Tell) -> tuple[Composed, Proof | None]:
    """What can be done and the proof that it can. A change that the project's own migrations refuse is held back."""
    tell("composing")
    composed = job.compose()
    if not composed.files:
        return composed, None
    tell("running the migrations as they are")
    job.real = run_for_real(job.reading, job.config, programs)
    for _ in range(_ROUNDS):
        composed = job.compose()
        if not composed.files:
            return composed, None
        cure = _cure(job, composed)
        tell("running the migrations as they would be")
        after = run_for_real(cure.after, job.config, programs)
        guilty = suspects(cure.changes, refused(job.real, after))
        job.held |= {change: f"the migrations fail with it: {error}" for change, error in guilty.items()}
        if guilty:
            continue
        brought = bringing(cure.changes, new_findings(cure, job.real, after).guilty)
        job.held |= brought
        if brought:
            continue
        proof = prove_cure(cure, job.real, after, programs, tell)
        broken = doubtful(after.schema, cure.changes, proof.worse)
        job.held |= {change: f"{name} fails with it in the rehearsal" for change, name in broken.items()}
        if not broken:
            return composed, proof
    raise UsageError(f"No cure of {job.reading.migrations.name} holds. Cure its findings one by one, with --select.")


# In place


def _edit(job: _Job) -> Composed:
    """Edits until nothing more is proposed, since one cure can show what another fault had hidden."""
    proposals: dict[str, Proposal] = {}
    questions: dict[str, Question] = {}
    at, reading = job.reading, job.reading
    for _ in range(_ROUNDS):
        chosen = job.choose(at)
        questions |= {question.id: question for question in chosen.questions}
        at, found, asked = _edit_once(job, at, chosen)
        questions |= {question.id: question for question in asked}
        fresh = [one for one in found if one.is_applied]
        for one in found:
            known = proposals.get(one.change.describe())
            if known is None or not known.is_applied:
                proposals[one.change.describe()] = one
        if not fresh:
            break
    before = {source.path: source.text for source in reading.migrations.files}
    changed = [source for source in at.migrations.files if source.text != before[source.path]]
    files = tuple(FileChange(source.path, before[source.path], source.text) for source in changed)
    return Composed(tuple(proposals.values()), tuple(questions.values()), files, at.migrations.files)


def _edit_once(job: _Job, reading: Reading, chosen: Chosen) -> tuple[Reading, tuple[Proposal, ...], list[Question]]:
    editor = Editor(reading.replayed.schema, reading.replayed.origins, job.answers, job.history.paths)
    edits: list[Edit] = []
    found: list[Proposal] = []
    empty: dict[Target, str] = {}
    # What fills a mirror first: a key to one that stays empty would refuse everybody.
    for proposal in sorted(chosen.proposals, key=lambda one: not isinstance(one.change, CreateSyncTrigger)):
        proposal = _held_by_mirror(proposal, empty)
        if proposal.is_applied:
            try:
                edits += editor.edits(proposal.change)
            except (NotInPlaceError, UndecidedError, UnwritableError) as error:
                proposal = replace(proposal, reason=str(error))
                editor.questions += getattr(error, "questions", ())
        if isinstance(proposal.change, CreateSyncTrigger) and proposal.reason is not None:
            empty[proposal.change.mirror] = proposal.reason
        found.append(proposal)
    order = {proposal.change: number for number, proposal in enumerate(chosen.proposals)}
    found.sort(key=lambda proposal: order[proposal.change])
    texts = {source.path: source.text for source in reading.migrations.files}
    try:
        texts |= {path: apply(texts[path], group) for path, group in by_file(edits).items()}
    except EditConflictError as error:
        raise UsageError(f"{error} Cure one of them with --select and then the other.") from error
    sources = tuple(Source(path, text) for path, text in texts.items())
    return _again(reading, sources, job.config), tuple(found), editor.questions


def _held_by_mirror(proposal: Proposal, empty: Mapping[Target, str]) -> Proposal:
    change = proposal.change
    if not proposal.is_applied or not isinstance(change, RetargetForeignKey | AddForeignKey) or change.to not in empty:
        return proposal
    return replace(proposal, reason=f"nothing fills {change.to.table} yet: {empty[change.to]}")


def _again(reading: Reading, sources: Sequence[Source], config: Config) -> Reading:
    return read_files(replace(reading.migrations, files=tuple(sources)), config)


# A migration


def _plan(job: _Job) -> Composed:
    """Adds to the plan until the project with its files behind it has nothing more to propose."""
    proposals: dict[str, Proposal] = {}
    questions: dict[str, Question] = {}
    plan: Plan | None = None
    files: tuple[FileChange, ...] = ()
    at, reading = job.reading, job.reading
    for _ in range(_ROUNDS):
        chosen = job.choose(at)
        fresh = [one for one in chosen.proposals if one.change.describe() not in proposals]
        questions |= {question.id: question for question in chosen.questions}
        proposals |= {one.change.describe(): one for one in fresh}
        if not any(one.is_applied for one in fresh):
            break
        plan, unplanned, asked = make_plan(
            reading, tuple(proposals.values()), job.answers, exposed_schemas(reading.migrations, job.config)
        )
        questions |= {question.id: question for question in asked}
        proposals |= {one.change.describe(): one for one in unplanned}
        files = plan_files(reading.migrations, plan) if plan.steps else ()
        at = _again(reading, _with(reading, files), job.config)
    asked_all = tuple(questions.values())
    if plan is None or not plan.steps:
        return Composed(tuple(proposals.values()), asked_all)
    plan = replace(plan, questions=asked_all)
    if job.request.db is not None:
        plan = with_rows(plan, job.request.db, job.request.password)
        files = plan_files(reading.migrations, plan)
    return Composed(tuple(proposals.values()), asked_all, files, _with(reading, files), plan)


def _with(reading: Reading, files: Sequence[FileChange]) -> tuple[Source, ...]:
    """The project's files with the new ones behind them."""
    new = [Source(file.path, file.after) for file in files if file.kind == "migration"]
    return (*reading.migrations.files, *new)


# What both have in common


def _cure(job: _Job, composed: Composed) -> Cure:
    left = [one for one in composed.proposals if _is_decided_against(one) or one.change in job.unsteady]
    return Cure(
        before=job.reading,
        after=_again(job.reading, composed.sources, job.config),
        proposals=tuple([one for one in composed.proposals if one.is_applied]),
        plan=composed.plan,
        files=composed.files,
        config=job.config,
        left=tuple([finding for one in left for finding in one.findings]),
    )


def _is_decided_against(proposal: Proposal) -> bool:
    """Whether it is left since a person has to decide about it, and not because it could not be done."""
    remedies = [finding.problem.remedy for finding in proposal.findings]
    return not proposal.is_applied and all(
        remedy is not None and remedy.safety is Safety.SHOW_ONLY for remedy in remedies
    )
