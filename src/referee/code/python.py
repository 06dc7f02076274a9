"""Python, read with the parser of the standard library."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence

from referee.code.pieces import (
    DEPTH,
    KEPT,
    PLACEHOLDER,
    SHOWN,
    Assigned,
    Chain,
    CodeSyntaxError,
    Decoded,
    Decoder,
    Piece,
    Step,
    Text,
    Value,
    of_code,
)

_LINE_END = re.compile(r"\r\n|\r|\n")
# What may stand between the parts of a literal that is written in several.
_BETWEEN = re.compile(r"(?:\s|\\\r?\n|#[^\r\n]*)*")
_OPEN = re.compile(r"(?P<prefix>[a-zA-Z]{0,2})(?P<quote>'''|\"\"\"|'|\")")
_ESCAPE = re.compile(
    r"\\(?:(?P<line>\r\n|\r|\n)|(?P<octal>[0-7]{1,3})|x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})"
    r"|U(?P<U>[0-9a-fA-F]{8})|N(?P<named>\{[^}]*\})|(?P<sign>[\\'\"abfnrtv]))"
)
_SIGNS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_FIELD = re.compile(r"\{[^{}]*\}")

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def read_python(text: str) -> list[Piece]:
    """The literals and calls of a module. Raises CodeSyntaxError."""
    # A byte-order mark was read as a space, which Python takes for an indentation.
    lead = 1 if text.startswith(" ") else 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text[lead:])
    except SyntaxError as error:
        raise CodeSyntaxError(error.msg, error.lineno or 1) from error
    except ValueError as error:
        raise CodeSyntaxError(str(error), 1) from error
    except (RecursionError, MemoryError) as error:
        raise CodeSyntaxError("it is nested too deeply", 1) from error
    return list(_Reader(text, lead).pieces(tree))


class _Reader:
    def __init__(self, text: str, lead: int) -> None:
        self.text = text
        self.starts = [lead, *(match.end() for match in _LINE_END.finditer(text, lead))]

    def offset(self, line: int, column: int) -> int:
        """A place as the parser tells it, in bytes of its line, in characters of the text."""
        start = self.starts[min(line, len(self.starts)) - 1]
        part = self.text[start : start + column]
        if part.isascii():
            return start + column
        return start + len(part.encode()[:column].decode(errors="ignore"))

    def span(self, node: ast.expr) -> tuple[int, int]:
        start = self.offset(node.lineno, node.col_offset)
        return start, self.offset(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)

    def pieces(self, tree: ast.Module) -> Iterator[Piece]:
        waiting: list[tuple[ast.AST, str, tuple[str, ...], str]] = [(tree, "", (), "")]
        while waiting:
            node, unit, callee, assigned = waiting.pop()
            if isinstance(node, ast.expr):
                decoded = self.literal(node)
                if decoded is not None:
                    yield Text(unit, decoded, callee)
                    continue
                if isinstance(node, ast.Call):
                    chain, inside = self.chain(node, unit, assigned)
                    yield chain._replace(callee=callee)
                    outer = callee[-KEPT:]
                    waiting += [(one, unit, (*outer, *names), "") for one, names in reversed(inside)]
                    continue
                if isinstance(node, ast.Await):
                    waiting.append((node.value, unit, callee, assigned))
                    continue
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                name = _last_name(targets[0])
                yield from self.assigned(name, node.value)
                waiting.append((node.value, unit, callee, name))
                continue
            name = node.name if isinstance(node, _FUNCTIONS) else unit
            inner = (*callee[-KEPT:], *_managers(node))
            waiting += [(child, name, inner, "") for child in reversed(_children(node))]

    def assigned(self, name: str, value: ast.expr) -> Iterator[Assigned]:
        if name:
            start, end = self.span(value)
            yield Assigned(name, self.text[start : min(end, start + SHOWN)])

    # Calls

    def chain(self, node: ast.Call, unit: str, assigned: str) -> tuple[Chain, list[tuple[ast.AST, tuple[str, ...]]]]:
        """A chain of calls, and what stands inside it with the names that it is handed to."""
        steps: list[Step] = []
        given: list[tuple[int, ast.Call]] = []
        at: ast.expr = node
        call: ast.Call | None = None
        while True:
            if isinstance(at, ast.Await):
                at = at.value
            elif isinstance(at, ast.Call):
                call, at = at, at.func
            elif isinstance(at, ast.Attribute):
                self._step(steps, given, at.attr, call)
                call, at = None, at.value
            else:
                break
        self._step(steps, given, at.id if isinstance(at, ast.Name) else "", call)
        steps.reverse()
        names = [step.name for step in steps]
        inside: list[tuple[ast.AST, tuple[str, ...]]] = [] if isinstance(at, ast.Name) else [(at, ())]
        for place, one in reversed(given):
            callee = tuple(names[: len(steps) - place])
            inside += [(argument, callee) for argument in (*one.args, *(keyword.value for keyword in one.keywords))]
        return Chain(*self.span(node), unit, tuple(steps), assigned), inside

    def _step(self, steps: list[Step], given: list[tuple[int, ast.Call]], name: str, call: ast.Call | None) -> None:
        if call is None:
            steps.append(Step(name))
            return
        given.append((len(steps), call))
        start, end = self.span(call.func)[1], self.span(call)[1]
        steps.append(Step(name, self._arguments(call), self.text[start : min(end, start + SHOWN)]))

    def _arguments(self, call: ast.Call) -> tuple[Value, ...]:
        values = [self.value(argument) for argument in call.args]
        named: dict[str, Value] = {one.arg: self.value(one.value) for one in call.keywords if one.arg is not None}
        return (*values, named) if named else tuple(values)

    def value(self, node: ast.expr, depth: int = DEPTH) -> Value:
        if isinstance(node, ast.Constant):
            constant = node.value
            if constant is None or isinstance(constant, str | bool):
                return constant
            return str(constant) if isinstance(constant, int | float) else ...
        if depth == 0:
            return ...
        if isinstance(node, ast.Dict):
            return {
                key.value: self.value(value, depth - 1)
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            }
        if isinstance(node, ast.List | ast.Tuple):
            return [self.value(one, depth - 1) for one in node.elts]
        return ...

    # Literals

    def literal(self, node: ast.expr) -> Decoded | None:
        """The text of a literal, also of one that is put together from literals; None for anything else."""
        if isinstance(node, ast.Constant) and not isinstance(node.value, str):
            return None
        decoder = Decoder()
        return decoder.decoded() if self._decode(node, decoder) else None

    def _decode(self, node: ast.expr, decoder: Decoder) -> bool:
        """Whether a literal is part of it; expressions that are none become placeholders."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            start, end = self.span(node)
            part = decode(self.text, start, end)
            if part.text == node.value:
                decoder.parts.append(part.text)
                decoder.starts += part.starts
                decoder.ends += part.ends
            else:
                decoder.one(node.value, start, end)
            return True
        if isinstance(node, ast.JoinedStr):
            part = decode(self.text, *self.span(node))
            decoder.parts.append(part.text)
            decoder.starts += part.starts
            decoder.ends += part.ends
            return True
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            return isinstance(node.left, ast.Constant | ast.JoinedStr) and self._decode(node.left, decoder)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._sum(node, decoder)
        if _is_format(node):
            assert isinstance(node, ast.Call)
            assert isinstance(node.func, ast.Attribute)
            inner = Decoder()
            if self._decode(node.func.value, inner):
                _with_fields(inner.decoded(), decoder)
                return True
        return False

    def _sum(self, node: ast.expr, decoder: Decoder) -> bool:
        terms: list[ast.expr] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            terms.append(node.right)
            node = node.left
        terms.append(node)
        if not any(isinstance(term, ast.JoinedStr) or _is_text(term) for term in terms):
            return False
        for term in reversed(terms):
            is_literal = isinstance(term, ast.JoinedStr) or _is_text(term)
            if not (is_literal and self._decode(term, decoder)):
                decoder.one(PLACEHOLDER, *self.span(term))
        return True


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_format(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "format"
        and isinstance(node.func.value, ast.Constant | ast.JoinedStr)
    )


def _with_fields(part: Decoded, decoder: Decoder) -> None:
    """The text behind ``.format()``, whose fields become placeholders."""
    at = 0
    for field in _FIELD.finditer(part.text):
        decoder.parts.append(part.text[at : field.start()])
        decoder.starts += part.starts[at : field.start()]
        decoder.ends += part.ends[at : field.start()]
        decoder.one(PLACEHOLDER, *part.span(*field.span()))
        at = field.end()
    decoder.parts.append(part.text[at:])
    decoder.starts += part.starts[at:]
    decoder.ends += part.ends[at:]


def _children(node: ast.AST) -> Sequence[ast.AST]:
    """What stands inside a node; of a body without the text that documents it, nor texts that stand for themselves."""
    return [
        child
        for child in ast.iter_child_nodes(node)
        if not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant))
    ]


def _managers(node: ast.AST) -> Iterator[str]:
    """The names of the context managers of a block, as if it were handed to them."""
    for item in node.items if isinstance(node, ast.With | ast.AsyncWith) else ():
        at = item.context_expr
        while isinstance(at, ast.Call | ast.Await):
            at = at.func if isinstance(at, ast.Call) else at.value
        if name := at.id if isinstance(at, ast.Name) else at.attr if isinstance(at, ast.Attribute) else "":
            yield name


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def decode(text: str, start: int, end: int) -> Decoded:
    """The literal in a range of a text: one, or several that are written one behind the other."""
    decoder = Decoder()
    at = start
    while at < end:
        between = _BETWEEN.match(text, at, end)
        at = between.end() if between is not None else at
        opening = _OPEN.match(text, at, end)
        if opening is None:
            break
        at = _part(text, opening, end, decoder)
    return decoder.decoded()


def _part(text: str, opening: re.Match[str], end: int, decoder: Decoder) -> int:
    """Decodes one part; returns where it ends."""
    prefix, quote = opening["prefix"].lower(), opening["quote"]
    raw, fields = "r" in prefix, "f" in prefix or "t" in prefix
    at = opening.end()
    while at < end:
        if text.startswith(quote, at):
            return at + len(quote)
        sign = text[at]
        if fields and sign in "{}":
            at = _brace(text, at, end, decoder)
        elif sign == "\\" and raw:
            decoder.plain(text[at : at + 2], at)
            at += 2
        elif sign == "\\" and (escape := _ESCAPE.match(text, at)):
            decoder.one(_unescaped(escape), at, escape.end())
            at = escape.end()
        elif sign == "\r":  # as Python reads line ends
            width = 2 if text.startswith("\r\n", at) else 1
            decoder.one("\n", at, at + width)
            at += width
        else:
            decoder.plain(sign, at)
            at += 1
    return end


def _brace(text: str, at: int, end: int, decoder: Decoder) -> int:
    """A brace of an f-string: doubled it means itself, otherwise it holds an expression."""
    if text.startswith(("{{", "}}"), at):
        decoder.one(text[at], at, at + 2)
        return at + 2
    depth, behind, quoted = 0, at, ""
    while behind < end:
        sign = text[behind]
        if quoted:
            quoted = "" if sign == quoted else quoted
        elif sign in "'\"":
            quoted = sign
        else:
            depth += {"{": 1, "}": -1}.get(sign, 0)
        behind += 1
        if depth == 0 and not quoted:
            break
    decoder.one(PLACEHOLDER, at, behind)
    return behind


def _unescaped(escape: re.Match[str]) -> str:
    if escape["line"] is not None:
        return ""
    if escape["sign"] is not None:
        return _SIGNS.get(escape["sign"], escape["sign"])
    if escape["octal"] is not None:
        return of_code(int(escape["octal"], 8))
    if escape["named"] is not None:
        return "\N{REPLACEMENT CHARACTER}"
    return of_code(int(escape["x"] or escape["u"] or escape["U"], 16))
