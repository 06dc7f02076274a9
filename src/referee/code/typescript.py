"""TypeScript and JavaScript, read with tree-sitter: whatever is broken in a text, the rest of it is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module

from tree_sitter import Language, Node, Parser

from referee.code.pieces import (
    DEPTH,
    KEPT,
    PLACEHOLDER,
    SHOWN,
    Assigned,
    Chain,
    Decoded,
    Decoder,
    Piece,
    Step,
    Text,
    Value,
    characters,
    of_code,
)


@cache
def _parser(elements: bool) -> Parser:
    """The parser of TypeScript with or without elements in angle brackets; JavaScript too is read with them.

    Its grammars are loaded where there is something to parse, as most projects have no tests in these languages.
    """
    grammars = import_module("tree_sitter_typescript")
    return Parser(Language(grammars.language_tsx() if elements else grammars.language_typescript()))


_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]+)\})")
_SIGNS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "0": "\0"}
_LINE_ENDS = ("\n", "\r", "\u2028", "\u2029")
# Around an expression these change nothing that is looked at here.
_WRAPPERS = frozenset(
    {"await_expression", "parenthesized_expression", "non_null_expression", "as_expression", "satisfies_expression"}
)
_FUNCTIONS = frozenset({"arrow_function", "function_expression", "generator_function"})
_NAMED = frozenset({"function_declaration", "generator_function_declaration", "method_definition"})
_TESTS = frozenset({"it", "test", "specify"})
#: Functions that are handed to these of a test runner go by its name.
HOOKS = frozenset({"beforeAll", "beforeEach", "afterAll", "afterEach", "before", "after"})
_TITLE = 60


def read_typescript(text: str, *, elements: bool = True) -> list[Piece]:
    """The literals and calls of a file. ``elements`` is whether ``<a/>`` is an element: not so in files named .ts.

    Nothing is raised: what is broken is passed over.
    """
    data = text.encode("utf-8", "replace")
    tree = _parser(elements).parse(data)
    return list(_Reader(data, characters(text)).pieces(tree.root_node))


class _Reader:
    def __init__(self, data: bytes, offset: Callable[[int], int]) -> None:
        self.data = data
        self.offset = offset

    def text(self, node: Node) -> str:
        return self.data[node.start_byte : node.end_byte].decode()

    def beginning(self, node: Node) -> str:
        """The first characters of a text that may be long."""
        return self.data[node.start_byte : min(node.end_byte, node.start_byte + SHOWN)].decode(errors="ignore")

    def pieces(self, root: Node) -> Iterator[Piece]:
        waiting: list[tuple[Node, str, tuple[str, ...], str]] = [(root, "", (), "")]
        while waiting:
            node, unit, callee, assigned = waiting.pop()
            decoded = self.literal(node)
            if decoded is not None:
                yield Text(unit, decoded, callee)
                waiting += [(one, unit, (), "") for one in reversed(_inside_literal(node))]
            elif node.type == "call_expression":
                chain, inside = self.chain(node, unit, assigned)
                yield chain._replace(callee=callee)
                outer = callee[-KEPT:]
                waiting += [(one, name, (*outer, *names), "") for one, name, names in reversed(inside)]
            elif node.type == "binary_expression":
                waiting += [(term, unit, callee, "") for term in reversed(_terms(node))]
            elif node.type in _WRAPPERS:
                waiting += [(child, unit, callee, assigned) for child in reversed(node.named_children)]
            else:
                name, value = self.assignment(node)
                if name and value is not None:
                    yield Assigned(name, self.beginning(value))
                inner = self.text_of(node.child_by_field_name("name")) if node.type in _NAMED else unit
                for child in reversed(node.named_children):
                    is_value = value is not None and child.id == value.id
                    own = name if is_value and child.type in _FUNCTIONS else inner
                    waiting.append((child, own, callee, name if is_value else ""))

    def text_of(self, node: Node | None) -> str:
        return "" if node is None else self.text(node)

    def assignment(self, node: Node) -> tuple[str, Node | None]:
        """The name and the value of what assigns one."""
        if node.type in ("variable_declarator", "public_field_definition"):
            name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        elif node.type == "assignment_expression":
            name, value = node.child_by_field_name("left"), node.child_by_field_name("right")
        elif node.type == "pair":
            name, value = node.child_by_field_name("key"), node.child_by_field_name("value")
        else:
            return "", None
        if name is not None and name.type == "member_expression":
            name = name.child_by_field_name("property")
        if name is None or name.type not in ("identifier", "property_identifier", "private_property_identifier"):
            return "", None
        return self.text(name), value

    # Calls

    def chain(self, node: Node, unit: str, assigned: str) -> tuple[Chain, list[tuple[Node, str, tuple[str, ...]]]]:
        """A chain of calls, and what stands inside it: its unit, and the names that it is handed to."""
        steps: list[Step] = []
        given: list[tuple[int, Node]] = []
        at: Node | None = node
        arguments: Node | None = None
        root = node
        while at is not None:
            root = at
            if at.type in _WRAPPERS:
                at = at.named_children[0] if at.named_children else None
            elif at.type == "call_expression":
                arguments, at = at.child_by_field_name("arguments"), at.child_by_field_name("function")
            elif at.type == "member_expression":
                self._step(steps, given, self.text_of(at.child_by_field_name("property")), arguments)
                arguments, at = None, at.child_by_field_name("object")
            else:
                break
        is_name = root.type in ("identifier", "this", "super")
        self._step(steps, given, self.text(root) if is_name else "", arguments)
        steps.reverse()
        names = [step.name for step in steps]
        inside: list[tuple[Node, str, tuple[str, ...]]] = [] if is_name or root.id == node.id else [(root, unit, ())]
        for place, one in reversed(given):
            callee = tuple(names[: len(steps) - place])
            inside += [(child, self._unit(child, one, names[0], unit), callee) for child in _arguments_of(one)]
        start, end = self.offset(node.start_byte), self.offset(node.end_byte)
        return Chain(start, end, unit, tuple(steps), assigned), inside

    def _unit(self, child: Node, arguments: Node, name: str, unit: str) -> str:
        """The unit of an argument: a function without a name that is handed to a test runner has a title instead."""
        if child.type not in _FUNCTIONS:
            return unit
        if name in HOOKS:
            return name
        first = _arguments_of(arguments)[0]
        if name in _TESTS and first.type in ("string", "template_string"):
            title = " ".join(self.text(first)[1:-1].split())
            return f'test "{title[:_TITLE]}"'
        return unit

    def _step(self, steps: list[Step], given: list[tuple[int, Node]], name: str, arguments: Node | None) -> None:
        if arguments is None:
            steps.append(Step(name))
            return
        given.append((len(steps), arguments))
        values = tuple(self.value(one) for one in _arguments_of(arguments))
        steps.append(Step(name, values, self.beginning(arguments)))

    def value(self, node: Node, depth: int = DEPTH) -> Value:
        while node.type in _WRAPPERS and node.named_children:
            node = node.named_children[0]
        if node.type in ("string", "template_string"):
            decoded = self.literal(node)
            plain = decoded is not None and not any(one.type == "template_substitution" for one in node.named_children)
            return decoded.text if decoded is not None and plain else ...
        if node.type in _CONSTANTS:
            return _CONSTANTS[node.type]
        if node.type == "number":
            return self.text(node)
        if depth == 0:
            return ...
        if node.type == "array":
            return [self.value(one, depth - 1) for one in node.named_children if one.type != "comment"]
        return self._object(node, depth) if node.type == "object" else ...

    def _object(self, node: Node, depth: int) -> Value:
        found: dict[str, Value] = {}
        for child in node.named_children:
            key = child.child_by_field_name("key") if child.type == "pair" else None
            value = child.child_by_field_name("value") if child.type == "pair" else None
            if child.type == "shorthand_property_identifier":
                found[self.text(child)] = ...
            elif key is not None and value is not None and key.type in ("property_identifier", "string", "number"):
                name = self.value(key) if key.type == "string" else self.text(key)
                if isinstance(name, str):
                    found[name] = self.value(value, depth - 1)
        return found

    # Literals

    def literal(self, node: Node) -> Decoded | None:
        """The text of a literal, also of one that is put together from literals; None for anything else."""
        if node.type in ("string", "template_string"):
            decoder = Decoder()
            self._decode(node, decoder)
            return decoder.decoded()
        if node.type != "binary_expression" or not _is_sum(node):
            return None
        terms = _terms(node)
        if not any(term.type in ("string", "template_string") for term in terms):
            return None
        decoder = Decoder()
        for term in terms:
            if term.type in ("string", "template_string"):
                self._decode(term, decoder)
            else:
                decoder.one(PLACEHOLDER, self.offset(term.start_byte), self.offset(term.end_byte))
        return decoder.decoded()

    def _decode(self, node: Node, decoder: Decoder) -> None:
        for child in node.named_children:
            start, end = self.offset(child.start_byte), self.offset(child.end_byte)
            if child.type == "string_fragment":
                decoder.plain(self.text(child), start)
            elif child.type == "escape_sequence":
                decoder.one(_unescaped(self.text(child)), start, end)
            elif child.type == "template_substitution":
                decoder.one(PLACEHOLDER, start, end)


_CONSTANTS: dict[str, Value] = {"null": None, "undefined": None, "true": True, "false": False}


def _arguments_of(node: Node) -> list[Node]:
    """The arguments of a call; a template behind a tag is one."""
    if node.type == "template_string":
        return [node]
    return [child for child in node.named_children if child.type != "comment"]


def _terms(node: Node) -> list[Node]:
    """The terms of a sum, in their order; of another operation its operands."""
    found: list[Node] = []
    at: Node | None = node
    while at is not None and at.type == "binary_expression" and _is_sum(at):
        right = at.child_by_field_name("right")
        found += [right] if right is not None else []
        at = at.child_by_field_name("left")
    if at is None:
        return found[::-1]
    if at.id == node.id:
        return list(node.named_children)
    return [at, *reversed(found)]


def _is_sum(node: Node) -> bool:
    operator = node.child_by_field_name("operator")
    return operator is not None and operator.type == "+"


def _inside_literal(node: Node) -> list[Node]:
    """The expressions inside a literal, which may hold literals themselves."""
    if node.type == "binary_expression":
        found = []
        for term in _terms(node):
            found += _inside_literal(term) if term.type in ("string", "template_string") else [term]
        return found
    return [child for child in node.named_children if child.type == "template_substitution"]


def _unescaped(text: str) -> str:
    code = _ESCAPE.fullmatch(text)
    if code is not None:
        digits = code[1] or code[2] or code[3]
        return of_code(int(digits, 16)) if len(digits) < 9 else "\N{REPLACEMENT CHARACTER}"
    if text[1:].startswith(_LINE_ENDS):
        return ""
    return _SIGNS.get(text[1:], text[1:])
