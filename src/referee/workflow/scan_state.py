"""What scans leave for the next one: how far an unfinished one came, and what a saved one found."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

import msgspec

from referee.data.scan import Mark
from referee.errors import ReadError, UsageError
from referee.model.question import Question
from referee.model.scan import Answer, Sample
from referee.sql.questions import Order
from referee.workflow.cache_dir import cache_dir
from referee.workflow.files import write_whole

# An unfinished scan that is older than this is not gone on with: too much has happened since.
_DAYS = 7
_KEPT = 1_000

Value = tuple[str | None, ...]


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    value: Value
    rows: int
    key: Value | None


class _Mark(msgspec.Struct, frozen=True):
    columns: tuple[str, ...]
    types: tuple[str, ...]
    theirs: tuple[str, ...]
    after: tuple[str, ...]


class _Answer(msgspec.Struct, frozen=True):
    text: str
    since: str
    checked: int
    estimated: bool
    violations: int
    values: int | None
    seconds: float
    complete: bool
    kept: list[_Kept]
    mark: _Mark | None


class _Round(msgspec.Struct, frozen=True):
    version: int
    began: str
    answers: dict[str, _Answer]


class Unfinished:
    """The unfinished scan of a database, if there is one that is fresh."""

    def __init__(self, database: str) -> None:
        folder = cache_dir()
        digest = blake2b(database.encode(), digest_size=12).hexdigest()
        self._path = folder / f"scan-{digest}.json" if folder is not None else None
        self._round = _load_round(self._path) if self._path is not None else None

    def answers(self, questions: Sequence[Question]) -> dict[str, Answer]:
        """What it has answered completely, by the id of the question."""
        return {
            question.id: _answer(question, saved)
            for question in questions
            if (saved := self._of(question)) is not None and saved.complete
        }

    def marks(self, questions: Sequence[Question]) -> dict[str, Mark]:
        """Where to go on with what it has answered in part."""
        found = {}
        for question in questions:
            saved = self._of(question)
            if saved is not None and not saved.complete and saved.mark is not None:
                mark = saved.mark
                order = Order(mark.columns, mark.types, mark.theirs)
                found[question.id] = Mark(order, mark.after, _answer(question, saved))
        return found

    def write(self, answers: Sequence[Answer], marks: Mapping[str, Mark]) -> None:
        """Keeps what is needed to go on; nothing where everything is answered."""
        if self._path is None:
            return
        if all(answer.complete for answer in answers):
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            return
        now = _now()
        saved = {answer.question.id: _saved(answer, marks.get(answer.question.id), now) for answer in answers}
        began = self._round.began if self._round is not None else now
        text = msgspec.json.encode(_Round(1, began, saved)).decode()
        write_whole(self._path, text)

    def _of(self, question: Question) -> _Answer | None:
        saved = self._round.answers.get(question.id) if self._round is not None else None
        return saved if saved is not None and saved.text == _digest(question) else None


def _load_round(path: Path) -> _Round | None:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Round)
        age = datetime.now(UTC) - datetime.fromisoformat(found.began)
    except (OSError, ValueError, msgspec.DecodeError):
        return None
    return found if found.version == 1 and age.days < _DAYS else None


def _saved(answer: Answer, mark: Mark | None, now: str) -> _Answer:
    kept = [_Kept(*sample) for sample in answer.kept[:_KEPT]]
    at = None if mark is None else _Mark(mark.order.columns, mark.order.types, mark.order.theirs, mark.after)
    return _Answer(
        _digest(answer.question),
        answer.since or now,
        answer.rows_checked,
        answer.estimated,
        answer.violations,
        answer.values,
        answer.seconds,
        answer.complete,
        kept,
        at,
    )


def _answer(question: Question, saved: _Answer) -> Answer:
    kept = tuple(Sample(one.value, one.rows, one.key) for one in saved.kept)
    return Answer(
        question,
        saved.checked,
        saved.estimated,
        saved.violations,
        saved.values,
        complete=saved.complete,
        seconds=saved.seconds,
        kept=kept,
        since=saved.since,
    )


def _digest(question: Question) -> str:
    return blake2b(question.text.encode(), digest_size=8).hexdigest()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Saved scans


class _SavedQuestion(msgspec.Struct, frozen=True):
    violations: int
    complete: bool
    values: list[Value]
    all_values: bool


class Saved(msgspec.Struct, frozen=True):
    """What a saved scan found: of which database, when, and by question."""

    version: int
    database: str
    at: str
    questions: dict[str, _SavedQuestion]


def saved_scan(path: str | os.PathLike[str]) -> Saved | None:
    """The scan that was saved in a file, None where there is none yet.

    To be asked before a scan, which may take hours: raises ReadError for a file that holds something else, UsageError
    where none can be written.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if not os.access(folder, os.W_OK):
        raise UsageError(
            f"{path} could not be written: {folder} is no folder that you may write to. Name another file."
        )
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=Saved)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ReadError(f"The saved scan {path} could not be read: {error.strerror or error}.") from error
    except msgspec.DecodeError as error:
        raise ReadError(
            f"{path} is no saved scan: {error}. Name another file with --save, or remove this one."
        ) from error


def compare(saved: Saved, answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """The answers with what is new in each since a saved scan."""
    return tuple(_compared(answer, saved.questions.get(answer.question.id)) for answer in answers)


def _compared(answer: Answer, saved: _SavedQuestion | None) -> Answer:
    if saved is None or not saved.complete or not saved.all_values or answer.values != len(answer.kept):
        return answer
    old = set(saved.values)
    return replace(answer, new=sum(sample.value not in old for sample in answer.kept))


def save(path: str | os.PathLike[str], database: str, answers: Sequence[Answer]) -> None:
    """Writes down what a scan found, for the next one to compare with."""
    questions = {
        answer.question.id: _SavedQuestion(
            answer.violations,
            answer.complete,
            [sample.value for sample in answer.kept],
            answer.values == len(answer.kept),
        )
        for answer in answers
    }
    write_whole(path, msgspec.json.encode(Saved(1, database, _now(), questions)).decode() + "\n")
