"""The grammar of Postgres: libpg_query, as the postgast wheel carries it.

Only the shared library of the wheel is used. Its JSON trees, decoded by msgspec, cost a third of its protobuf objects
and save the import of protobuf (measured with 12,000 statements: 170 ms against 490 ms).

Offsets in a tree count **bytes** of UTF-8; ``char_offsets`` turns them into characters.
"""

from __future__ import annotations

import ctypes
import importlib.util
import re
import sys
import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from referee.errors import RefereeError

Tree = dict[str, Any]

# libpg_query recurses on the C stack without a limit of its own: 200,000 nested operators end the process. Up to this
# length any nesting fits in the usual 8 MB; longer texts are parsed on a thread whose stack fits their worst case.
_SHORT = 8_000
_LONG = 1_000_000
_STACK_BYTES_PER_CHARACTER = 1_000

_FOLLOWING_BYTE = re.compile(rb"[\x80-\xbf]")


class SqlSyntaxError(RefereeError):
    """Text that Postgres' grammar refuses. ``offset`` is a character offset in the text."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class _Error(ctypes.Structure):
    _fields_ = [
        ("message", ctypes.c_char_p),
        ("funcname", ctypes.c_char_p),
        ("filename", ctypes.c_char_p),
        ("lineno", ctypes.c_int),
        ("cursorpos", ctypes.c_int),
        ("context", ctypes.c_char_p),
    ]


class _Result(ctypes.Structure):
    # A pointer that is looked at only where something went wrong is cheaper as a bare address.
    _fields_ = [
        ("parse_tree", ctypes.c_char_p),
        ("stderr_buffer", ctypes.c_void_p),
        ("error", ctypes.c_void_p),
    ]


def _load() -> ctypes.CDLL:
    spec = importlib.util.find_spec("postgast")
    if spec is None or spec.origin is None:
        raise RefereeError("postgast, which carries Postgres' grammar, is not installed: pip install postgast")
    name = {"darwin": "libpg_query.dylib", "win32": "pg_query.dll"}.get(sys.platform, "libpg_query.so")
    library = ctypes.CDLL(str(Path(spec.origin).parent / name))
    library.pg_query_parse.argtypes = [ctypes.c_char_p]
    library.pg_query_parse.restype = _Result
    library.pg_query_free_parse_result.argtypes = [_Result]
    library.pg_query_free_parse_result.restype = None
    return library


_library = _load()
_decode = msgspec.json.Decoder().decode


def parse(text: str) -> list[Tree]:
    """The statements of ``text`` as libpg_query's JSON: ``{"stmt": {...}, "stmt_location": bytes, "stmt_len": bytes}``.

    Raises SqlSyntaxError for text that the grammar refuses, for a NUL character, and for text too long to parse safely.
    """
    if len(text) <= _SHORT:
        return _parse_here(text)
    if len(text) > _LONG:
        raise SqlSyntaxError(f"a statement of {len(text):,} characters is longer than referee reads ({_LONG:,})", 0)
    return _parse_with_deep_stack(text)


def parse_together(texts: Sequence[str]) -> list[Tree] | None:
    """One tree for each of several statements, which cost less together than each by itself.

    Their locations count from the start of the first text, as if one character stood between two texts. None where they
    must be parsed one by one: they are not ASCII, too long together, refused, or not exactly one statement each.
    """
    joined = ";".join(texts)
    if len(joined) > _SHORT or not joined.isascii():
        return None
    try:
        trees = _parse_here(joined)
    except SqlSyntaxError:
        return None
    at = 0
    if len(trees) != len(texts):
        return None
    for tree, text in zip(trees, texts, strict=True):
        if tree.get("stmt_location", 0) != at:
            return None
        at += len(text) + 1
    return trees


def _parse_here(text: str) -> list[Tree]:
    if "\0" in text:
        raise SqlSyntaxError("a NUL character, which Postgres does not accept", text.index("\0"))
    result = _library.pg_query_parse(text.encode("utf-8", errors="replace"))
    try:
        if result.error:
            error = _Error.from_address(result.error)
            raise SqlSyntaxError(error.message.decode("utf-8", "replace"), max(error.cursorpos - 1, 0))
        statements: list[Tree] = _decode(result.parse_tree).get("stmts", [])
        return statements
    except (RecursionError, msgspec.DecodeError) as error:
        raise SqlSyntaxError("an expression nested too deeply to read", 0) from error
    finally:
        _library.pg_query_free_parse_result(result)


def _parse_with_deep_stack(text: str) -> list[Tree]:
    outcome: list[list[Tree] | SqlSyntaxError] = []

    def run() -> None:
        try:
            outcome.append(_parse_here(text))
        except SqlSyntaxError as error:
            outcome.append(error)

    former = threading.stack_size(len(text) * _STACK_BYTES_PER_CHARACTER // 4096 * 4096)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(former)
    answer = outcome[0]
    if isinstance(answer, SqlSyntaxError):
        raise answer
    return answer


def char_offsets(text: str) -> Callable[[int], int]:
    """A function that turns byte offsets of the UTF-8 form of ``text`` into character offsets."""
    if text.isascii():
        return lambda offset: offset
    # Every byte but the first of a character moves what follows by one.
    following = [byte.start() for byte in _FOLLOWING_BYTE.finditer(text.encode("utf-8", errors="replace"))]
    return lambda offset: offset - bisect_left(following, offset)
