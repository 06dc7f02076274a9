"""One statement while it is being read, and the small things that every reader of trees needs."""

from __future__ import annotations

from sys import intern
from typing import Any

from referee.sql.parse import Tree, char_offsets
from referee.sql.statements import TypeWritten, Written


class Context:
    """The text of one statement and where it stands in the file.

    Trees count bytes of ``text``, from ``before`` where other statements were parsed with it; records count characters
    of the file.
    """

    __slots__ = ("base", "before", "chars", "text")

    def __init__(self, text: str, base: int, before: int = 0) -> None:
        self.text = text
        self.base = base
        self.before = before
        self.chars = None if text.isascii() else char_offsets(text)

    def local(self, tree: Tree) -> int:
        """The character offset of a tree's location in the statement's text."""
        location: int = tree.get("location", 0)
        if self.chars is not None:
            return self.chars(location)
        # A node that says nothing of its place stays at the start.
        return location - self.before if location > self.before else min(location, 0)

    def written(self, relation: Tree) -> Written:
        """The name in a RangeVar."""
        schema = relation.get("schemaname")
        return Written(
            schema if schema is None else intern(schema),
            intern(relation["relname"]),
            self.base + self.local(relation),
        )


def strings(nodes: list[Tree] | None) -> tuple[str, ...]:
    """The texts of a list of String nodes, mostly names: each that occurs again is kept once."""
    if not nodes:
        return ()
    return tuple([intern(node["String"].get("sval", "")) for node in nodes])


def written_name(nodes: list[Tree] | None) -> Written:
    """The name in a list of String nodes; a third, leading part (the database) is dropped."""
    parts = strings(nodes)
    return Written(parts[-2] if len(parts) > 1 else None, parts[-1] if parts else "")


def type_written(tree: Tree) -> TypeWritten:
    """The type in a TypeName."""
    parts = strings(tree.get("names"))
    name = parts[-1] if parts else ""
    if tree.get("pct_type"):
        return TypeWritten(None, "%type")
    modifiers: tuple[str, ...] = ()
    if "typmods" in tree:
        modifiers = tuple([_modifier(node) for node in tree["typmods"]])
    return TypeWritten(parts[-2] if len(parts) > 1 else None, name, modifiers, "arrayBounds" in tree)


def _modifier(node: Tree) -> str:
    constant = node.get("A_Const")
    if constant is None:
        reference = node.get("ColumnRef")
        return strings(reference["fields"])[-1] if reference else "?"
    return constant_text(constant) or ""


def constant_text(constant: Tree) -> str | None:
    """The value of an A_Const as text; None for NULL."""
    if constant.get("isnull"):
        return None
    if "sval" in constant:
        return str(constant["sval"].get("sval", ""))
    if "ival" in constant:
        return str(constant["ival"].get("ival", 0))
    if "fval" in constant:
        return str(constant["fval"].get("fval", ""))
    if "boolval" in constant:
        return "true" if constant["boolval"].get("boolval") else "false"
    if "bsval" in constant:
        return str(constant["bsval"].get("bsval", ""))
    return None


def role_name(spec: Tree) -> str:
    """The role in a RoleSpec, wrapped or not; the special ones by their keyword."""
    spec = spec.get("RoleSpec", spec)
    kind = spec.get("roletype", "")
    if kind == "ROLESPEC_CSTRING":
        return str(spec.get("rolename", ""))
    return {
        "ROLESPEC_PUBLIC": "public",
        "ROLESPEC_CURRENT_USER": "current_user",
        "ROLESPEC_CURRENT_ROLE": "current_user",
        "ROLESPEC_SESSION_USER": "session_user",
    }.get(kind, "")


def is_on(option: Tree | None) -> bool:
    """Whether a boolean option (a DefElem) is on; one without a value is."""
    if option is None:
        return False
    argument = option.get("arg")
    if argument is None:
        return True
    text = str(next(iter(next(iter(argument.values())).values()), "")).lower()
    return text in ("true", "on", "1", "yes", "t", "y")


def find_all(tree: Any, kind: str) -> list[Tree]:
    """Every node of a kind in a tree, in the order of the text; not those inside a node that is found."""
    found: list[Tree] = []
    stack = [tree]
    while stack:
        node = stack.pop()
        if type(node) is dict:
            if kind in node and type(node[kind]) is dict:
                found.append(node[kind])
            else:
                stack.extend(reversed(node.values()))
        elif type(node) is list:
            stack.extend(reversed(node))
    return found
