"""What is met when a new row of the identity source is followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from referee.model.names import QName, Ref
from referee.rules._inserts import Trouble
from referee.rules._sign_up import Event
from referee.rules._walk import Reach


class Fault(NamedTuple):
    """A trouble, and where it was met.

    ``depth`` is 0 in the function of a trigger on the source (or a function that it calls), more in what its rows
    fire. ``reach`` is whether the statement is run, ``caught`` whether an EXCEPTION section swallows the error, and
    ``fills`` whether a row of a mirror is lost with it then. ``behind`` is whether the same sign-ups do not come that
    far, because of another fault before it.
    """

    trouble: Trouble
    trigger: Ref
    function: Ref
    depth: int
    event: Event
    reach: Reach
    caught: bool
    fills: bool
    behind: bool


class Fill(NamedTuple):
    """An INSERT into a mirror, ``sure`` where it is run without a condition.

    ``plain_guard`` is a condition on the new row that may hold or not; "" for none.
    """

    mirror: QName
    trigger: Ref
    function: Ref
    event: Event
    sure: bool
    within: tuple[int, int]
    plain_guard: str


@dataclass(frozen=True)
class Pursuit:
    """Everything met: for each fault and each fill the ways to sign up that meet it."""

    faults: dict[Fault, frozenset[str]]
    fills: dict[Fill, frozenset[str]]
