"""What each thing of a schema is made of: the tables, columns, functions and types that its texts name.

Postgres records dependencies when it creates a thing. Here only the things that may depend on something are listed, in
the order of their creation; what they name is worked out when something is dropped or renamed, which is rare.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from referee.model.names import FunctionName, QName, quote
from referee.model.schema import Index
from referee.read.replay.state import State, TableState
from referee.sql.mentions import Mention, mentions

Path = tuple[str, ...]


class Thing(NamedTuple):
    """Anything that can be dropped. ``part`` is a column, constraint, trigger or policy of a table, or a function's
    arguments.
    """

    kind: str
    schema: str
    name: str
    part: Any = ""

    @property
    def owner(self) -> QName:
        return QName(self.schema, self.name)

    @property
    def function(self) -> FunctionName:
        return FunctionName(self.schema, self.name, self.part)

    def __str__(self) -> str:
        if self.kind in ("schema", "extension"):
            return f"{self.kind} {quote(self.name)}"
        if self.kind == "function":
            return f"function {self.function}"
        if self.part:
            return f"{self.kind} {quote(self.part)} of {self.owner}"
        return f"{self.kind} {self.owner}"


_WORD = re.compile(r"\w+")


class Uses:
    """The things that may depend on others, with the search_path under which each was made, by the words of their
    texts.
    """

    def __init__(self) -> None:
        self._fresh: list[tuple[str, QName, Any, Path]] = []
        self._by_word: dict[str, dict[Thing, Path]] = {}

    def note(self, kind: str, owner: QName, part: Any, path: Path) -> None:
        """Notes a thing that was made, changed or moved."""
        self._fresh.append((kind, owner, part, path))

    def naming(self, state: State, name: str) -> Iterator[tuple[Thing, Path]]:
        """The things whose texts may hold a name."""
        self._index(state)
        words = _WORD.findall(name.lower())
        found = self._by_word.get(words[0] if words else "", {})
        for thing, path in list(found.items()):
            if exists(state, thing):
                yield thing, path

    def _index(self, state: State) -> None:
        for kind, owner, part, path in self._fresh:
            thing, words = Thing(kind, owner[0], owner[1], part), {""}
            for text in (*texts(state, thing).values(), *types(state, thing)):
                words.update(_WORD.findall(text.lower()))
            for word in words:
                self._by_word.setdefault(word, {})[thing] = path
        self._fresh.clear()


# What a thing's texts are


def exists(state: State, thing: Thing) -> bool:
    """Whether a thing that uses others is still there."""
    if thing.kind == "view":
        return thing.owner in state.views
    if thing.kind == "function":
        return thing.function in state.functions
    if thing.kind == "type":
        return thing.owner in state.domains or thing.owner in state.composites
    table = state.tables.get(thing.owner)
    if table is None:
        view = state.views.get(thing.owner)
        return thing.kind == "trigger" and view is not None and any(t.name == thing.part for t in view.triggers)
    return thing.part in _container(table, thing.kind)


def _container(table: TableState, kind: str) -> Mapping[str, Any]:
    containers: dict[str, Mapping[str, Any]] = {
        "column": table.columns,
        "default": table.columns,
        "check": table.checks,
        "index": table.indexes,
        "trigger": table.triggers,
        "policy": table.policies,
    }
    return containers[kind]


def texts(state: State, thing: Thing) -> dict[str, str]:
    """The expressions and queries that a thing holds, by field."""
    if thing.kind == "view":
        view = state.views.get(thing.owner)
        return {"definition": view.definition} if view is not None else {}
    if thing.kind == "function":
        return _function_texts(state, thing.function)
    if thing.kind == "type":
        return _domain_texts(state, thing.owner)
    table = state.tables.get(thing.owner)
    item = _container(table, thing.kind).get(thing.part) if table is not None else None
    if table is None or item is None:
        return {}
    found = {field: getattr(item, field) for field in _TEXT_FIELDS[thing.kind]}
    if isinstance(item, Index):
        found["parts"] = table.parts.get(item.name)
    return {name: text for name, text in found.items() if text}


def texts_to_check(state: State, thing: Thing) -> dict[str, str]:
    """The texts of a thing in which names can be missing; of a function in SQL its body is one of them."""
    found = texts(state, thing)
    function = state.functions.get(thing.function) if thing.kind == "function" else None
    if function is not None and function.language == "sql":
        found["body"] = function.body
    return found


_TEXT_FIELDS: dict[str, tuple[str, ...]] = {
    "column": (),
    "default": ("default", "generated"),
    "check": ("expression",),
    "index": ("predicate",),
    "trigger": ("when",),
    "policy": ("using", "check"),
}


def _function_texts(state: State, name: FunctionName) -> dict[str, str]:
    function = state.functions.get(name)
    if function is None:
        return {}
    found: dict[str, str] = {}
    defaults, _outputs = state.signatures.get(name, ((), ()))
    for position, default in enumerate(defaults):
        if default is not None:
            found[str(position)] = default
    if function.language == "sql" and function.body.lstrip()[:6].lower() in ("begin ", "begin\n", "return"):
        found["body"] = function.body
    return found


def _domain_texts(state: State, name: QName) -> dict[str, str]:
    found = dict(state.domain_checks.get(name, {}))
    domain = state.domains.get(name)
    if domain is not None and domain.default is not None:
        found["="] = domain.default
    return found


def types(state: State, thing: Thing) -> tuple[str, ...]:
    """The printed types that a thing is made of, and for a trigger its function."""
    if thing.kind == "function":
        function = state.functions.get(thing.function)
        return () if function is None else (*function.name.arguments, function.returns.removeprefix("SETOF "))
    if thing.kind == "type":
        domain = state.domains.get(thing.owner)
        composite = state.composites.get(thing.owner)
        columns = () if composite is None else tuple([column.type for column in composite.columns])
        return columns if domain is None else (domain.base,)
    if thing.kind in ("column", "trigger"):
        table = state.tables.get(thing.owner)
        item = _container(table, thing.kind).get(thing.part) if table is not None else None
        if item is None:
            return ()
        return (item.type,) if thing.kind == "column" else (str(item.function),)
    return ()


@lru_cache(maxsize=8192)
def type_name(printed: str) -> QName | None:
    """The qualified name in a printed type; None for one of Postgres' own.

    >>> type_name('"Org\\'s"."ty""pe"[]'), type_name("character varying(10)")
    (QName(schema="Org's", name='ty"pe'), None)
    """
    match = _QUALIFIED.match(printed)
    return QName(_unquoted(match[1]), _unquoted(match[2])) if match is not None else None


_PART = r'("(?:[^"]|"")*+"|[^\W\d][\w$]*+)'
_QUALIFIED = re.compile(rf"{_PART}\.{_PART}")


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part


# What a thing uses


@dataclass
class Used:
    """What a thing names, each with the places in its texts: (field, mention)."""

    relations: dict[QName, list[tuple[str, Mention]]] = field(default_factory=dict)
    columns: dict[tuple[QName, str], list[tuple[str, Mention]]] = field(default_factory=dict)
    functions: dict[FunctionName, list[tuple[str, Mention]]] = field(default_factory=dict)
    types: dict[QName, list[tuple[str, Mention]]] = field(default_factory=dict)
    labels: dict[tuple[QName, str], list[tuple[str, Mention]]] = field(default_factory=dict)
    unknown_functions: set[tuple[str | None, str]] = field(default_factory=set)
    unknown_types: set[tuple[str | None, str]] = field(default_factory=set)


def used_by(state: State, thing: Thing, path: Path, read: Callable[[State, Thing], dict[str, str]] = texts) -> Used:
    """What a thing uses; ``path`` is the search_path under which it was made, ``read`` tells its texts."""
    used = Used()
    for printed in types(state, thing):
        name = type_name(printed)
        if name is None:
            continue
        if thing.kind == "trigger":
            used.functions.setdefault(FunctionName(*name), [])
        else:
            used.types.setdefault(name, [])
    for where, text in read(state, thing).items():
        _Resolver(state, thing, path, used).read(where, text)
    return used


def candidates(path: Path, schema: str | None, name: str) -> list[QName]:
    return [QName(schema, name)] if schema is not None else [QName(place, name) for place in path]


class _Resolver:
    """Resolves the names of one text."""

    def __init__(self, state: State, thing: Thing, path: Path, used: Used) -> None:
        self.state = state
        self.thing = thing
        self.path = path
        self.used = used
        self.own = thing.owner if thing.kind not in ("view", "function", "type") else None
        self.aliases: dict[str, list[QName]] = {}

    def read(self, where: str, text: str) -> None:
        found = mentions(text)
        for mention in found:
            if mention.kind == "relation":
                self._relation(where, mention)
        for mention in found:
            if mention.kind == "column":
                self._column(where, mention)
            elif mention.kind == "function":
                self._function(where, mention)
            elif mention.kind == "type":
                self._type(where, mention)
            elif mention.kind == "label":
                self._label(where, mention)

    def _relation(self, where: str, mention: Mention) -> None:
        for name in candidates(self.path, mention.schema, mention.name):
            if self.state.has_relation(name):
                self.used.relations.setdefault(name, []).append((where, mention))
                self.aliases.setdefault(mention.alias or mention.name, []).append(name)
                return

    def _column(self, where: str, mention: Mention) -> None:
        for table in self._tables_of(mention):
            columns = self._columns(table)
            if mention.name == "*":
                for column in columns:
                    self.used.columns.setdefault((table, column), []).append((where, mention))
            elif mention.name in columns:
                self.used.columns.setdefault((table, mention.name), []).append((where, mention))

    def _tables_of(self, mention: Mention) -> list[QName]:
        """The tables that a column may belong to."""
        if mention.table is not None:
            tables = list(self.aliases.get(mention.table, ()))
            is_row = self.thing.kind == "trigger" and mention.table in ("new", "old")
            if self.own is not None and (is_row or mention.table == self.own.name):
                tables.append(self.own)
            return tables
        scopes = [[name for alias in scope for name in self.aliases.get(alias, ())] for scope in mention.among]
        inner = [name for names in self.aliases.values() for name in names]
        if mention.name == "*":
            return scopes[0] if scopes else inner
        if self.own is not None and not mention.inside:
            return [self.own]
        for scope in scopes:
            if nearest := [name for name in scope if mention.name in self._columns(name)]:
                return nearest
        having = [name for name in inner if mention.name in self._columns(name)]
        return having or ([self.own] if self.own is not None else [])

    def _columns(self, name: QName) -> Mapping[str, Any]:
        table = self.state.tables.get(name)
        return {} if table is None else table.columns

    def _function(self, where: str, mention: Mention) -> None:
        for name in candidates(self.path, mention.schema, mention.name):
            overloads = self.state.overloads.get(name)
            if overloads:
                for overload in fitting(self.state, overloads, mention.arguments):
                    self.used.functions.setdefault(overload, []).append((where, mention))
                return
        self.used.unknown_functions.add((mention.schema, mention.name))

    def _type(self, where: str, mention: Mention) -> None:
        for name in candidates(self.path, mention.schema, mention.name):
            if self.state.has_type(name):
                self.used.types.setdefault(name, []).append((where, mention))
                return
        self.used.unknown_types.add((mention.schema, mention.name))

    def _label(self, where: str, mention: Mention) -> None:
        for name in candidates(self.path, mention.schema, mention.table or ""):
            if name in self.state.enums:
                self.used.labels.setdefault((name, mention.name), []).append((where, mention))
                return


def fitting(state: State, overloads: Iterable[FunctionName], count: int) -> list[FunctionName]:
    """The overloads that may be called with so many arguments; all of them where none seems to fit."""

    def fits(name: FunctionName) -> bool:
        defaults, _outputs = state.signatures.get(name, ((), ()))
        optional = sum(default is not None for default in defaults)
        return len(name.arguments) - optional <= count <= len(name.arguments)

    return [name for name in overloads if fits(name)] or list(overloads)
