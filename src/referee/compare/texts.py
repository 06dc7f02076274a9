"""Objects whose facts do not tell everything: which of them a comparison wants the statements of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from referee.model import change as changes
from referee.model.change import Change
from referee.model.comparison import Difference, Side
from referee.model.names import Ref
from referee.model.schema import Schema

Texts = Mapping[Ref, str]


def wanted(differences: Iterable[Difference], side: Side) -> list[Ref]:
    """The objects of one side whose statements are needed to make them on the other side."""
    found = [change for difference in differences for change in difference.towards(side)]
    return [ref for change in found if (ref := _incomplete(change)) is not None]


def incomplete(schema: Schema) -> list[Ref]:
    """All objects of the project's own whose facts may leave something out."""
    found = [
        function.ref
        for function in schema.functions.values()
        if not schema.is_managed(function.name.schema) and (function.name.arguments or "record" in function.returns)
    ]
    for table in schema.own_tables:
        found += [index.ref for index in table.indexes if None in index.columns]
        found += [trigger.ref for trigger in table.triggers if trigger.level == "statement"]
    return found


def _incomplete(change: Change) -> Ref | None:
    """The object that a change makes, where its facts may leave something out."""
    if isinstance(change, changes.CreateFunction | changes.ReplaceFunction):
        function = change.function
        return function.ref if function.name.arguments or "record" in function.returns else None
    if isinstance(change, changes.AddIndex):
        return change.index.ref
    if isinstance(change, changes.CreateTrigger | changes.ReplaceTrigger):
        return change.trigger.ref if change.trigger.level == "statement" else None
    return None


def complete(differences: Iterable[Difference], left: Texts, right: Texts) -> list[Difference]:
    """The differences with the statements in their changes, as far as they are known."""
    return [
        replace(
            difference,
            forward=tuple([_with_text(change, right) for change in difference.forward]),
            backward=tuple([_with_text(change, left) for change in difference.backward]),
        )
        for difference in differences
    ]


def _with_text(change: Change, texts: Texts) -> Change:
    ref = _incomplete(change)
    text = texts.get(ref) if ref is not None else None
    if text is not None and isinstance(
        change,
        changes.CreateFunction
        | changes.ReplaceFunction
        | changes.AddIndex
        | changes.CreateTrigger
        | changes.ReplaceTrigger,
    ):
        return replace(change, text=text)
    return change
