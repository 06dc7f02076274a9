"""What `fix` proposes, for people: the changes, the diff, the plan, the proof, and how to deliver it."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterator

from referee.model.change import Safety
from referee.model.plan import Plan, Question
from referee.model.repair import FileChange, Proof, Repair
from referee.render.plain import Paint, clean, count, no_paint, wrap

_INDENT = "      "
_EMBEDDINGS = {
    "gained": "{0.referencing} can embed {0.referenced} along {0.key}.",
    "lost": "{0.referencing} can no longer embed {0.referenced} along {0.key}.",
    "ambiguous": (
        "{0.referencing} and {0.referenced} are related by more than {0.key} now: a request that embeds one in the "
        "other without naming the key fails with PGRST201."
    ),
}
_SAFETY = {Safety.SAFE: "proven", Safety.UNSAFE: "unproven", Safety.SHOW_ONLY: "to consider"}


def render(repair: Repair, *, columns: int = 100, paint: Paint = no_paint) -> str:
    """The whole report."""
    return "\n".join(_Page(columns, paint).lines(repair)) + "\n"


def _in_short(about: str) -> str:
    """What a step does, without the query behind it and the words that lead to that."""
    first, _, query = about.partition("\n")
    return first.rpartition("; ")[0] if query and "; " in first else first


def unified(file: FileChange) -> Iterator[str]:
    """The diff of a file in the form that ``patch -p1`` reads, without line ends."""
    former = "" if file.before is None else file.before
    yield from (
        line.rstrip("\r\n")
        for line in difflib.unified_diff(
            former.splitlines(keepends=True),
            file.after.splitlines(keepends=True),
            "/dev/null" if file.before is None else f"a/{file.path}",
            f"b/{file.path}",
        )
    )


class _Page:
    def __init__(self, columns: int, paint: Paint) -> None:
        self.columns = columns
        self.paint = paint

    def lines(self, repair: Repair) -> Iterator[str]:
        yield from self._proposals(repair)
        yield from self._questions(repair.questions)
        for file in repair.files:
            yield from self._diff(file)
            yield ""
        if repair.plan is not None and repair.plan.steps:
            yield from self._plan(repair.plan)
        yield from self._proof(repair)
        yield from self._summary(repair)

    def _proposals(self, repair: Repair) -> Iterator[str]:
        safety = _SAFETY[repair.safety]
        for proposal in repair.proposals:
            word = self.paint("good", safety) if proposal.is_applied else self.paint("warning", "left")
            text = proposal.change.describe()
            rules = ", ".join(sorted({finding.rule for finding in proposal.findings}))
            first, *rest = wrap(f"{text} ({rules})", self.columns - 10, "")
            yield f"  {word}{' ' * (10 - len(safety if proposal.is_applied else 'left'))}{first}"
            yield from [" " * 12 + line for line in rest]
            if proposal.reason is not None:
                yield from wrap(f"because {proposal.reason}", self.columns, " " * 12)
        if repair.proposals:
            yield ""

    def _questions(self, questions: tuple[Question, ...]) -> Iterator[str]:
        if not questions:
            return
        yield self.paint("heading", "Questions")
        for question in questions:
            yield from wrap(question.text, self.columns, "  ")
            answer = question.answer if question.answer is not None else "open"
            source = ", as recommended" if question.answer == question.recommended else ""
            source = "" if question.answer is None else source or ", as configured"
            yield from wrap(f"answer: {answer}{source}. {question.reason}", self.columns, _INDENT)
            choices = f" ({', '.join(question.choices)})" if question.choices else " (any SQL expression)"
            yield from self._deciding(f"to decide otherwise{choices}:", question)
        yield ""

    def _deciding(self, head: str, question: Question) -> Iterator[str]:
        """The option is one piece that a shell takes, whatever the name in it."""
        option = clean(f"--answer {shlex.quote(f'{question.id}=...')}")
        if len(f"{_INDENT}{head} {option}") <= self.columns:
            yield f"{_INDENT}{head} {option}"
            return
        yield from wrap(head, self.columns, _INDENT)
        yield f"{_INDENT}  {option}"

    def _diff(self, file: FileChange) -> Iterator[str]:
        for line in unified(file):
            text = clean(line.replace("\t", "    "))
            if line.startswith(("+++", "---")):
                yield self.paint("heading", text)
            elif line.startswith("+"):
                yield self.paint("good", text)
            elif line.startswith("-"):
                yield self.paint("error", text)
            else:
                yield text

    def _plan(self, plan: Plan) -> Iterator[str]:
        yield self.paint("heading", "Plan")
        for number, step in enumerate(plan.steps, 1):
            locks = "; ".join([f"{lock.mode} on {lock.relation}" for lock in step.locks]) or "no table is locked"
            rows = "" if step.size is None else f"; {step.size}"
            again = "; can be repeated" if step.repeatable else ""
            first = clean(_in_short(step.about))
            yield from wrap(f"{number}. {step.phase}: {first} ({locks}{rows}{again})", self.columns, "  ")
        for hazard in dict.fromkeys(hazard for step in plan.steps for hazard in step.hazards):
            yield from wrap(f"mind: {hazard}", self.columns, "  ")
        yield ""
        yield from self._clients(plan)
        if plan.verification:
            yield self.paint("heading", "Verification: each of these finds nothing when all is well")
            yield from [f"  {clean(query)};" for query in plan.verification]
            yield ""

    def _clients(self, plan: Plan) -> Iterator[str]:
        """What those who use the API have to know."""
        if not plan.embeddings and not plan.changes_types:
            return
        yield self.paint("heading", "What clients of the API notice")
        for found in plan.embeddings:
            yield from wrap(_EMBEDDINGS[found.change].format(found), self.columns, "  ")
        if plan.changes_types:
            yield from wrap("Types generated from the schema have to be generated anew.", self.columns, "  ")
        yield ""

    def _proof(self, repair: Repair) -> Iterator[str]:
        proof: Proof | None = repair.proof
        if proof is None:
            if repair.files:
                yield self.paint("warning", "Not verified: nothing was run (--no-verify), so nothing is called safe.")
                yield ""
            return
        yield self.paint("heading", f"Proof{f', on PostgreSQL {proof.version}' if proof.version else ''}")
        for check in proof.checks:
            word = self.paint("good", "pass") if check.passed else self.paint("error", "FAIL")
            yield f"  {word}  {clean(check.name)}"
            for detail in check.details:
                yield from wrap(detail, self.columns, _INDENT)
        yield ""

    def _summary(self, repair: Repair) -> Iterator[str]:
        if not repair.files:
            left = len(repair.proposals)
            more = f"; {count(left, 'proposal')} left to you" if left else ""
            yield f"Nothing to do in {clean(repair.subject)}{more}."
            return
        way = "edited in place" if repair.way == "in-place" else "new migrations"
        cured = len({finding.fingerprint for proposal in repair.applied for finding in proposal.findings})
        text = f"{count(len(repair.applied), 'change')} for {count(cured, 'finding')}, {way} ({repair.because})."
        yield from wrap(text, self.columns, "")
        if repair.proof is not None and not repair.proof.holds:
            yield from wrap("The proof does not hold, so nothing was written.", self.columns, "")
            return
        if repair.written:
            yield "Written:"
            yield from [f"  {clean(file.path)}" for file in repair.files]
        else:
            yield "Nothing was written; --write writes it."
        if repair.commands:
            yield "Then test and deliver it:"
            yield from [f"  {clean(command)}" for command in repair.commands]
