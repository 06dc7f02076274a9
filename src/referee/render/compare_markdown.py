"""A comparison as Markdown, fit for a pull request: one table, and the statements folded below it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from referee.model.comparison import Comparison, Explanation, Judged, Side, Subject, Trial
from referee.render.compare_text import (
    FOLD_NAMES,
    NOT_COMPARED,
    UNEXPLAINED,
    after,
    grouped,
    played,
    sentence,
)
from referee.render.plain import clean, count

_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~])")
_SHOWN = 50


def render(
    comparison: Comparison,
    failure: str | None = None,
    explanation: Explanation | None = None,
    trial: Trial | None = None,
) -> str:
    """The comparison; with the explanation of a failure and what playing both sides gave, where they were asked for."""
    lines = [
        f"**left**: {_escape(_subject(comparison.left))}  ",
        f"**right**: {_escape(_subject(comparison.right))}",
        "",
        *(_explanation(failure, explanation) if failure is not None else ()),
        *_table(comparison),
        *_statements(comparison),
        *(_trial(trial) if trial is not None else ()),
        *_foot(comparison),
    ]
    return "\n".join(lines) + "\n"


def _subject(subject: Subject) -> str:
    server = f", PostgreSQL {subject.server}" if subject.server is not None else ""
    return f"{subject.name} ({subject.kind} on {subject.platform}{server}, {count(subject.tables, 'table')})"


def _explanation(failure: str, explanation: Explanation | None) -> Iterator[str]:
    yield f"**failure**: {_escape(' '.join(failure.split()))}"
    yield ""
    if explanation is None:
        yield _escape(UNEXPLAINED)
    else:
        for number, step in enumerate(explanation.proof, 1):
            yield f"{number}. {_escape(step)}"
    yield ""


def _table(comparison: Comparison) -> Iterator[str]:
    if not comparison.differences:
        yield "Nothing that matters differs."
        yield ""
        return
    yield "| severity | difference | consequence | who, SQLSTATE | at fault |"
    yield "| --- | --- | --- | --- | --- |"
    for judged in comparison.differences[:_SHOWN]:
        yield f"| {' | '.join(_cells(judged))} |"
    if len(comparison.differences) > _SHOWN:
        yield ""
        yield f"{len(comparison.differences) - _SHOWN} more are in the report as JSON."
    yield ""


def _cells(judged: Judged) -> Iterator[str]:
    difference, consequence = judged.difference, judged.consequence
    yield str(judged.severity)
    yield _escape(sentence(difference.summary))
    yield f"{judged.affected}: {_escape(consequence.text)}"
    yield ", ".join(filter(None, (_escape(consequence.who), consequence.sqlstate)))
    yield f"{judged.at_fault} ({', '.join(judged.because) or 'lock'})" if judged.at_fault else ""


def _statements(comparison: Comparison) -> Iterator[str]:
    sides: tuple[Side, ...] = ("left", "right")
    for side in sides:
        statements = [
            f"{statement};"
            for judged in comparison.differences
            if judged.fix.side == side
            for statement in judged.fix.statements
        ]
        if statements:
            # A fence longer than any run of backticks inside cannot be closed by what it holds.
            text = "\n".join(clean(line) for statement in statements for line in statement.split("\n"))
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
            yield f"<details><summary>What removes it, on the {side}</summary>"
            yield ""
            yield f"{fence}sql\n{text}\n{fence}"
            yield ""
            yield "</details>"
            yield ""


def _trial(trial: Trial) -> Iterator[str]:
    yield f"{played(trial)}."
    yield ""
    if trial.differing:
        yield "| played | left | right |"
        yield "| --- | --- | --- |"
        for one in trial.differing[:_SHOWN]:
            name = f"{one.name} ({one.circumstance})" if one.circumstance else one.name
            yield f"| {_escape(name)} | {_escape(one.left)} | {_escape(one.right)} |"
        if len(trial.differing) > _SHOWN:
            yield ""
            yield f"{len(trial.differing) - _SHOWN} more are in the report as JSON."
        yield ""
        yield after(trial)
        yield from [f"- {_escape(told)}" for told in grouped(trial.left_over)[:_SHOWN]]
        yield ""
    yield from [f"- refused: {_escape(told)}" for told in trial.refused]
    yield from [f"- not built: {_escape(told)}" for told in trial.not_built]


def _foot(comparison: Comparison) -> Iterator[str]:
    for folded in comparison.folded:
        yield f"- folded: {count(folded.count, *FOLD_NAMES[folded.kind])}"
    for told in comparison.not_seen:
        yield f"- not seen: {_escape(told)}"
    if comparison.folded or comparison.not_seen:
        yield ""
    yield NOT_COMPARED


def _escape(text: str) -> str:
    return _MARKUP.sub(r"\\\1", clean(text))
