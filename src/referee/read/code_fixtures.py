"""What tests and seed scripts in Python, TypeScript and JavaScript do to rows: by SQL in literals, and by calls of the
Supabase client.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from referee.code.pieces import Assigned, Chain, Piece, Step, Text, Value
from referee.code.python import read_python
from referee.code.typescript import HOOKS, read_typescript
from referee.model.source import Source
from referee.read.code_files import ELEMENTS, PYTHON
from referee.sql.rows import Called, Event, events

#: Whose key a client has: it decides whether policies bind what is written through it.
Client = Literal["service", "user", "unknown"]


#: Units that nobody calls by their name.
RUNNERS = HOOKS


class Filled(NamedTuple):
    """A call that puts rows into a table: ``client.from('users').insert(...)``.

    ``values`` maps columns to constants, ``...`` for what only a run tells; None where the columns are not known.
    """

    start: int
    end: int
    schema: str
    table: str
    values: Mapping[str, object] | None
    conflict: Literal["", "nothing", "update"]
    client: Client
    unit: str


class Made(NamedTuple):
    """A call that lets the sign-up service make an account."""

    start: int
    end: int
    unit: str


class SignedIn(NamedTuple):
    """A call that signs somebody in."""

    start: int
    end: int
    unit: str


class ByUser(NamedTuple):
    """SQL that is handed to a call which runs it as a user: ``as_user(ada).execute(...)``."""

    event: Event


CodeEvent = Event | Filled | Made | SignedIn | ByUser

_BEGINS = re.compile(
    r"(?:\s++|--[^\n]*+|/\*.*?\*/)*+(?:(?P<writes>insert|update|delete|merge|copy|set|reset|alter|create|do|begin)\b"
    r"|(?P<reads>select|with)\b)",
    re.IGNORECASE | re.DOTALL,
)
_PERCENT = re.compile(r"%(?:\((?P<name>[^)\s]*)\))?(?P<kind>[sbt%])")
_NAMED = re.compile(r"(?<![:\w'\"]):(?P<name>[A-Za-z_]\w*)")
_MARKS = re.compile(r"(?<=[(,=\s])\?(?=[\s,)]|\Z)")

_WRITES = {"insert": "", "upsert": "update"}
_TABLES = frozenset({"from", "from_", "table"})
_MAKES = frozenset("signUp sign_up signInAnonymously sign_in_anonymously".split())
_ADMIN_MAKES = frozenset("createUser create_user inviteUserByEmail invite_user_by_email".split())
_SIGNS_IN = re.compile(
    r"signIn\w*|sign_in_\w+|setSession|set_session|verifyOtp|verify_otp|exchangeCodeForSession|set_auth", re.ASCII
)
_CREATES = frozenset("createClient create_client createServerClient createBrowserClient acreate_client".split())
_SERVICE = re.compile(r"service|secret|admin", re.IGNORECASE)
_ANON = re.compile(r"anon|publishable|public_key|publickey", re.IGNORECASE)
_USERS = re.compile(r"as_?(?:user|anon|visitor|member|authenticated)|authenticated|(?:user|anon)_?(?:client|db)", re.I)
_IS_MOCK = re.compile(r"mock|fake|stub|spy", re.IGNORECASE)
_MOCKED = re.compile(r"\b(?:jest|vi)\.fn\b|\w*Mock\(|mocker\.|createMock|mock\w*\(", re.ASCII)
_MOCKS = frozenset({("jest", "mock"), ("vi", "mock"), ("vi", "doMock"), ("jest", "doMock"), ("mock", "module")})
# What is handed to these is expected to fail.
_EXPECTS = frozenset("raises rejects throws assertRaises assertRejects assertThrows expect throws_ok".split())


def code_events(source: Source) -> list[CodeEvent]:
    """What a file does, in the order of its text. Raises CodeSyntaxError for a file that is no Python."""
    if source.path.endswith(PYTHON):
        pieces = read_python(source.text)
    else:
        pieces = read_typescript(source.text, elements=source.path.endswith(ELEMENTS))
    return list(_File(pieces, is_python=source.path.endswith(PYTHON)).events())


class _File:
    """One file: its pieces, and what is known of its clients."""

    def __init__(self, pieces: Iterable[Piece], *, is_python: bool) -> None:
        self.pieces = list(pieces)
        self.is_python = is_python
        self.texts = {piece.name: piece.text for piece in self.pieces if isinstance(piece, Assigned)}
        chains = [piece for piece in self.pieces if isinstance(piece, Chain)]
        self.mocks = any(_mocks_client(chain) for chain in chains)
        self.clients: dict[str, Client] = {}
        for chain in chains:
            self._learn(chain)

    def _learn(self, chain: Chain) -> None:
        """Whose key a client has, from the call that makes it and from who signs in with it."""
        names = [step.name for step in chain.steps]
        made = next((step for step in chain.steps if step.name in _CREATES and step.args), None)
        if made is not None:
            key = self._key(made)
            client: Client = "service" if _SERVICE.search(key) else "user" if _ANON.search(key) else "unknown"
            if client != "unknown":
                self.clients.setdefault(chain.assigned or chain.unit, client)
        elif len(names) > 2 and names[-2] == "auth" and _SIGNS_IN.fullmatch(names[-1]):
            self.clients.setdefault(names[-3], "user")
        elif "auth" in names[1:] and "admin" in names[names.index("auth") :]:
            self.clients.setdefault(names[names.index("auth", 1) - 1], "service")

    def _key(self, made: Step) -> str:
        """How the key reads that a client is made with: what stands behind the first comma, variables looked up."""
        _, _, text = made.text.partition(",")
        return " ".join([text, *(self.texts.get(name, "") for name in re.findall(r"\w+", text)[:8])])

    def events(self) -> Iterator[CodeEvent]:
        for piece in self.pieces:
            if isinstance(piece, Text):
                yield from self._of_text(piece)
            elif isinstance(piece, Chain):
                yield from self._of_chain(piece)

    # SQL

    def _of_text(self, text: Text) -> Iterator[CodeEvent]:
        begins = _BEGINS.match(text.decoded.text)
        if begins is None or _EXPECTS.intersection(text.callee):
            return
        if begins["reads"] and "(" not in text.decoded.text:
            return
        sql = readable(text.decoded.text, is_python=self.is_python)
        as_user = any(_USERS.fullmatch(name) for name in text.callee)
        for event in events(sql, lenient=True):
            start, end = text.decoded.span(event.start, event.end)
            placed = event._replace(start=start, end=end, unit=event.unit or text.unit)
            yield ByUser(placed) if as_user else placed

    # Calls

    def _of_chain(self, chain: Chain) -> Iterator[CodeEvent]:
        start, end, unit, steps = chain.start, chain.end, chain.unit, chain.steps
        if _EXPECTS.intersection(chain.callee):
            return
        for step in steps:
            if step.args is not None and step.name:
                yield Called(start, end, None, step.name, unit)
        if self.mocks or self._is_mock(steps[0].name):
            return
        names = [step.name for step in steps]
        for at, step in enumerate(steps[1:], 1):
            before, last = names[:at], steps[at - 1]
            if step.args is None:
                continue
            if step.name in _WRITES and last.name in _TABLES and last.args and isinstance(last.args[0], str):
                yield self._filled(chain, at)
            elif (before[-1] == "auth" and step.name in _MAKES) or (
                before[-2:] == ["auth", "admin"] and step.name in _ADMIN_MAKES
            ):
                yield Made(start, end, unit)
            elif before[-1] == "auth" and _SIGNS_IN.fullmatch(step.name):
                yield SignedIn(start, end, unit)

    def _is_mock(self, root: str) -> bool:
        return bool(_IS_MOCK.search(root)) or bool(_MOCKED.search(self.texts.get(root, "")))

    def _filled(self, chain: Chain, at: int) -> Filled:
        table, write = chain.steps[at - 1], chain.steps[at]
        assert table.args
        assert write.args is not None
        names = [step for step in chain.steps[: at - 1] if step.name == "schema" and step.args]
        schema = names[-1].args[0] if names and names[-1].args else "public"
        rows, options = (*write.args, None, None)[:2]
        conflict: Literal["", "nothing", "update"] = "update" if write.name == "upsert" else ""
        if conflict and isinstance(options, dict):
            ignores = options.get("ignoreDuplicates", options.get("ignore_duplicates"))
            conflict = "nothing" if ignores is True else conflict
        return Filled(
            chain.start,
            chain.end,
            schema if isinstance(schema, str) else "public",
            str(table.args[0]),
            _columns(rows),
            conflict,
            self._client([step.name for step in chain.steps[: at - 1]], chain),
            chain.unit,
        )

    def _client(self, names: list[str], chain: Chain) -> Client:
        """Whose key the client has: as it was made, else as it is called."""
        if any(_USERS.fullmatch(name) for name in (*names, *chain.callee)):
            return "user"
        for name in reversed(names):
            if name in self.clients:
                return self.clients[name]
        if any(_SERVICE.search(name) for name in names):
            return "service"
        return "user" if any(_ANON.search(name) for name in names) else "unknown"


def _mocks_client(chain: Chain) -> bool:
    """Whether a call puts something else in the place of the Supabase client."""
    names = tuple(step.name for step in chain.steps[:2])
    last = chain.steps[-1]
    first = last.args[0] if last.args else None
    is_mock = names in _MOCKS or last.name == "patch"
    return is_mock and isinstance(first, str) and "supabase" in first.lower()


def _columns(rows: Value) -> Mapping[str, object] | None:
    """What is said of columns by all rows: those that one of them names, and the value where it is one and the same."""
    if isinstance(rows, dict):
        return {name: value if isinstance(value, str) or value is None else ... for name, value in rows.items()}
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        return None
    found: dict[str, object] = {}
    for row in rows:
        assert isinstance(row, dict)
        for name, value in row.items():
            plain = value if isinstance(value, str) or value is None else ...
            found[name] = plain if found.get(name, plain) == plain else ...
    return found


def readable(text: str, *, is_python: bool) -> str:
    """The same text, as long as before, with the marks of drivers for parameters in the place of which SQL has $1."""
    if is_python and "%" in text:
        text = _PERCENT.sub(_percent, text)
    if ":" in text:
        text = _NAMED.sub(lambda mark: "$1".ljust(len(mark[0])), text)
    return _MARKS.sub("0", text) if "?" in text else text


def _percent(mark: re.Match[str]) -> str:
    return "% " if mark["kind"] == "%" else "$1".ljust(len(mark[0]))


__all__ = ["RUNNERS", "ByUser", "CodeEvent", "Filled", "Made", "SignedIn", "code_events", "readable"]
