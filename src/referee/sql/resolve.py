"""What a name in a function body means: looked up in a schema under a search_path, as Postgres does it.

pg_catalog comes first unless the path lists it; "$user" and temporary schemas are left out. A name that may come from
an extension of which referee does not know everything stays unknown: absence is claimed only where it is certain.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from referee.model.names import QName
from referee.model.schema import Function, Schema
from referee.sql import builtins
from referee.sql.tree import Call, TableUse

Kind = Literal["project", "built-in", "extension", "unknown", "missing"]

CATALOG = "pg_catalog"
_INFORMATION = "information_schema"


class Found(NamedTuple):
    """What a name means.

    kind: "project" (an object of the schema, managed ones included), "built-in" (the server's own), "extension",
    "unknown" (it may exist, outside what was read), "missing" (nothing of that name where the name is looked for).
    ``name`` is where the object lives; None for unknown and missing. ``functions`` are the overloads a call may mean.
    ``elsewhere`` lists, for a missing name, the objects of that name that the search did not reach.
    """

    kind: Kind
    name: QName | None = None
    functions: tuple[Function, ...] = ()
    elsewhere: tuple[QName, ...] = ()

    @property
    def exists(self) -> bool:
        return self.kind in ("project", "built-in", "extension")


_UNKNOWN = Found("unknown")


def effective_path(function: Function, caller_path: tuple[str, ...]) -> tuple[str, ...]:
    """The schemas that names in a function's body are looked up in: its own SET search_path, else its caller's."""
    own = function.search_path
    path = caller_path if own is None else own
    return tuple([name for name in path if name != "$user"]) if "$user" in path else path


def search_order(path: tuple[str, ...]) -> tuple[str, ...]:
    """The schemas that an unqualified name is looked up in, in order."""
    return path if CATALOG in path else (CATALOG, *path)


def resolve_table(schema: Schema, path: tuple[str, ...], use: TableUse) -> QName | None:
    """The table or view that a name means; None where nothing has that name, or nothing that referee knows."""
    return find_table(schema, path, use.schema, use.name).name


def find_table(schema: Schema, path: tuple[str, ...], named_schema: str | None, name: str) -> Found:
    """What the name of a table or view means."""
    for place in _places(path, named_schema):
        qualified = QName(place, name)
        if qualified in schema.tables or qualified in schema.views:
            return Found("project", qualified)
        if place == CATALOG and name in builtins.server_names().relations:
            return Found("built-in", qualified)
        if place == _INFORMATION and name in builtins.information_relations():
            return Found("built-in", qualified)
        for extension in _extensions_in(schema, place):
            names = builtins.extension_names(extension)
            if names is not None and name in names.relations:
                return Found("extension", qualified)
    if _may_hide(schema, path, named_schema) or _may_come(schema, named_schema, name):
        return _UNKNOWN
    elsewhere = (QName(place, name) for place in schema.namespaces)
    reached = frozenset(_places(path, named_schema))
    return Found(
        "missing",
        elsewhere=tuple(
            found
            for found in elsewhere
            if found.schema not in reached and (found in schema.tables or found in schema.views)
        ),
    )


def resolve_function(schema: Schema, path: tuple[str, ...], call: Call) -> Found:
    """What a call means, by its name and the number of its arguments; argument types are not compared.

    A call that only a wrong number of arguments keeps from every function of its name is unknown, not missing.
    """
    global _latest
    latest = _latest
    if latest is None or latest[0] is not schema:
        latest = _latest = (schema, {})
    asked = (path, call.schema, call.name, len(call.args))
    found = latest[1].get(asked)
    if found is None:
        found = latest[1][asked] = _resolve_function(schema, path, call)
    return found


# The functions of a project call the same few: the answers about the latest schema are kept.
_latest: tuple[Schema, dict[tuple[tuple[str, ...], str | None, str, int], Found]] | None = None


def _resolve_function(schema: Schema, path: tuple[str, ...], call: Call) -> Found:
    if call.schema is None and call.name in builtins.GRAMMAR_CALLS:
        return Found("built-in", QName(CATALOG, call.name))
    misfit = False
    for place in _places(path, call.schema):
        qualified = QName(place, call.name)
        overloads = schema.functions_by_name.get(qualified, ())
        fitting = tuple(function for function in overloads if _takes(function, len(call.args)))
        if fitting:
            return Found("project", qualified, fitting)
        if _brought_as_function(schema, place, call):
            return Found("built-in" if place == CATALOG else "extension", qualified)
        misfit = misfit or bool(overloads)
    if _is_cast(schema, path, call):
        return Found("built-in", QName(CATALOG, call.name))
    if misfit or _known_with_other_arguments(call) or _may_hide(schema, path, call.schema):
        return _UNKNOWN
    if _may_come(schema, call.schema, call.name):
        return _UNKNOWN
    return Found("missing", elsewhere=tuple(_functions_elsewhere(schema, path, call)))


def resolve_type(schema: Schema, path: tuple[str, ...], named_schema: str | None, name: str) -> Found:
    """What a type's name means; ``name`` is without modifiers, "[]" at its end is ignored."""
    while name.endswith("[]"):
        name = name[:-2].rstrip()
    if named_schema is None and name in (builtins.GRAMMAR_TYPES | builtins.PLPGSQL_TYPES):
        return Found("built-in", QName(CATALOG, name))
    for place in _places(path, named_schema):
        qualified = QName(place, name)
        if _is_own_type(schema, qualified):
            return Found("project", qualified)
        if place == CATALOG and (name in builtins.server_names().types or name in builtins.GRAMMAR_TYPES):
            return Found("built-in", qualified)
        for extension in _extensions_in(schema, place):
            names = builtins.extension_names(extension)
            if names is not None and name in names.types:
                return Found("extension", qualified)
    if _may_hide(schema, path, named_schema) or _may_come(schema, named_schema, name):
        return _UNKNOWN
    elsewhere = [QName(place, name) for place in schema.namespaces if _is_own_type(schema, QName(place, name))]
    return Found("missing", elsewhere=(*elsewhere, *_supplied_elsewhere(schema, path, named_schema, name)))


def _places(path: tuple[str, ...], named_schema: str | None) -> tuple[str, ...]:
    return search_order(path) if named_schema is None else (named_schema,)


def _extensions_in(schema: Schema, place: str) -> Iterator[str]:
    """The installed extensions whose objects live in a schema."""
    for extension, installed in schema.extensions.items():
        names = builtins.extension_names(extension)
        if ((names.schema if names is not None else "") or installed) == place:
            yield extension


def _may_hide(schema: Schema, path: tuple[str, ...], named_schema: str | None) -> bool:
    """Whether something that referee cannot see may have any name where it is looked for."""
    if named_schema is not None and (named_schema.startswith("pg_") or named_schema == _INFORMATION):
        return True
    if named_schema is not None and schema.is_managed(named_schema):
        return True
    for place in _places(path, named_schema):
        for extension in _extensions_in(schema, place):
            names = builtins.extension_names(extension)
            if names is None or not names.complete:
                return True
    return False


def _may_come(schema: Schema, named_schema: str | None, name: str) -> bool:
    """Whether a name may come from an extension that is installed by other means than the scripts that were read."""
    extensions = builtins.suppliers(name)
    if not extensions or any(extension in schema.extensions for extension in extensions):
        return False
    own = {names.schema for extension in extensions if (names := builtins.extension_names(extension)) is not None}
    return named_schema is None or named_schema in own or "" in own


def _takes(function: Function, count: int) -> bool:
    """Whether a call may have this many arguments. Defaults may fill the rest; an array at the end may be VARIADIC."""
    arguments = function.name.arguments
    return count <= len(arguments) or (bool(arguments) and arguments[-1].endswith("[]"))


def _brought_as_function(schema: Schema, place: str, call: Call) -> bool:
    if place == CATALOG and builtins.server_names().has_function(call.name, len(call.args)):
        return True
    for extension in _extensions_in(schema, place):
        names = builtins.extension_names(extension)
        if names is not None and names.has_function(call.name, len(call.args)):
            return True
    return False


def _is_cast(schema: Schema, path: tuple[str, ...], call: Call) -> bool:
    """``uuid(x)`` is a cast where no function of that name fits."""
    return len(call.args) == 1 and resolve_type(schema, path, call.schema, call.name).exists


def _known_with_other_arguments(call: Call) -> bool:
    return call.schema in (None, CATALOG) and call.name in builtins.server_names().functions


def _functions_elsewhere(schema: Schema, path: tuple[str, ...], call: Call) -> Iterator[QName]:
    reached = frozenset(_places(path, call.schema))
    for place in schema.namespaces:
        if place not in reached and QName(place, call.name) in schema.functions_by_name:
            yield QName(place, call.name)
    yield from _supplied_elsewhere(schema, path, call.schema, call.name)


def _supplied_elsewhere(schema: Schema, path: tuple[str, ...], named_schema: str | None, name: str) -> Iterator[QName]:
    """Where an installed extension has a name that the search did not reach."""
    reached = frozenset(_places(path, named_schema))
    for extension in builtins.suppliers(name):
        installed = schema.extensions.get(extension)
        names = builtins.extension_names(extension)
        if installed is None or names is None:
            continue
        place = names.schema or installed
        if place not in reached:
            yield QName(place, name)


def _is_own_type(schema: Schema, name: QName) -> bool:
    """Enums, domains, composites; and every table and view has a row type."""
    return (
        name in schema.enums
        or name in schema.domains
        or name in schema.composites
        or name in schema.tables
        or name in schema.views
    )
