"""The worlds in which a reference is tried: who has which row, and who writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from referee.model.rehearsal import Acting, Attempt, Step, World, WorldSetup
from referee.platforms import Platform
from referee.postgres.session import Report
from referee.rehearse import gotrue
from referee.rehearse.base import FIXTURE, GHOST, HASTY, UPSERTER, Base
from referee.rehearse.blame import Blame
from referee.rehearse.people import Person, person
from referee.rehearse.requests import request
from referee.rehearse.stage import Refusal, Stage
from referee.rehearse.words import describe

#: Row security answers in these words, a missing grant in others; both are 42501 (PostgreSQL 18, execMain.c, aclchk.c).
_ROW_SECURITY = "new row violates row-level security policy"
_PRIVILEGE = "permission denied for "


def refused_by(report: Report) -> Literal["privilege", "row-security"] | None:
    """Whether a 42501 is a policy's or a missing grant's."""
    if report.sqlstate != "42501":
        return None
    if report.message.startswith(_ROW_SECURITY):
        return "row-security"
    return "privilege" if report.message.startswith(_PRIVILEGE) else None


@dataclass(frozen=True)
class Scene:
    """One world made ready: its user, what was run to make it, who tries a write, and what became of the making."""

    world: World
    person: Person
    steps: tuple[Step, ...]
    setup: WorldSetup
    actings: tuple[Acting, ...]
    """Who writes, in the order in which they are asked: the next one where something other than the key answers."""


@dataclass(frozen=True)
class Part:
    """A piece of a world's making. One that production would shrug off is ``optional``."""

    name: str
    steps: Sequence[Step]
    acting: Acting
    optional: bool = False


@dataclass(frozen=True)
class Worlds:
    """Makes the worlds on one stage, whose database holds the base."""

    platform: Platform
    base: Base
    stage: Stage
    blame: Blame

    def all(self) -> list[Scene]:
        makers: tuple[tuple[World, Callable[[], Scene]], ...] = (
            ("fixture", self._fixture),
            ("fresh-sign-up", self._fresh),
            ("upsert-own-session", self._own_session),
            ("upsert-no-session", self._no_session),
            ("mirror-only", self._mirror_only),
            ("service-role", self._service_role),
        )
        return [make() for _, make in makers]

    def _fixture(self) -> Scene:
        acting = Acting(self.base.superuser)
        reasons = [f"{table}: {reason}" for table, reason in self.base.unmade_mirrors.items()]
        setup = WorldSetup("fixture", usable=not reasons, reason="; ".join(reasons) or None)
        return Scene("fixture", FIXTURE, (), setup, (acting,))

    def _fresh(self) -> Scene:
        user = person(0xD1, "newcomer")
        return self._make("fresh-sign-up", user, [self._sign_up(user), self._confirm(user)])

    def _own_session(self) -> Scene:
        parts = [self._sign_up(UPSERTER), self._confirm(UPSERTER), *self._upserts(UPSERTER)]
        return self._with_mirror("upsert-own-session", UPSERTER, parts)

    def _no_session(self) -> Scene:
        parts = [self._sign_up(HASTY), *self._upserts(HASTY, "anon"), self._confirm(HASTY)]
        return self._with_mirror("upsert-no-session", HASTY, parts)

    def _mirror_only(self) -> Scene:
        acting = Acting(self.base.superuser)
        steps = [self.base.by_superuser(upsert.insert(GHOST)) for upsert in self.base.upserts]
        return self._with_mirror("mirror-only", GHOST, [Part("mirror row without an account", steps, acting)])

    def _service_role(self) -> Scene:
        user = person(0xD5, "served")
        scene = self._make("service-role", user, [self._sign_up(user), self._confirm(user)])
        actings = (Acting("service_role"), Acting(self.stage.server.migration_role))
        return Scene(scene.world, user, scene.steps, scene.setup, actings if scene.setup.usable else ())

    def _with_mirror(self, world: World, user: Person, parts: Iterable[Part]) -> Scene:
        """A world in which the mirrors are written: without one of which a row could be made there is none."""
        if not self.base.upserts or self.base.unmade_upserts:
            setup = WorldSetup(world, usable=False, reason=self.base.no_upsert())
            return Scene(world, user, (), setup, ())
        return self._make(world, user, parts)

    # Parts

    def _sign_up(self, user: Person) -> Part:
        steps = gotrue.sign_up_by_email(user, {"name": user.name}, confirmed_at_once=False)
        return Part("sign-up", steps, Acting(gotrue.ROLE))

    def _confirm(self, user: Person) -> Part:
        return Part("confirmation", gotrue.confirm_by_link(user, {"name": user.name}), Acting(gotrue.ROLE))

    def _upserts(self, user: Person, role: str = "authenticated") -> list[Part]:
        token = user if role == "authenticated" else None
        acting = Acting(role, "own" if token else "none")
        return [
            Part(
                f"upsert of {upsert.mirror.table}",
                request(upsert.statement(user), role, token, self.platform.api_path, of_roles=self.base.settings),
                acting,
                optional=True,
            )
            for upsert in self.base.upserts
        ]

    def _make(self, world: World, user: Person, parts: Iterable[Part]) -> Scene:
        done: list[Step] = []
        attempts: list[tuple[str, Attempt]] = []
        for part in parts:
            refusal = self.stage.perform(part.steps)
            done += part.steps
            if refusal is not None or part.optional:
                attempts.append((part.name, self._attempt(part, refusal)))
            if refusal is not None and not part.optional:
                reason = f"{part.name} fails: {describe(refusal.report)}"
                setup = WorldSetup(world, tuple(attempts), usable=False, reason=reason)
                return Scene(world, user, tuple(done), setup, ())
        setup = WorldSetup(world, tuple(attempts))
        return Scene(world, user, tuple(done), setup, self._in_session())

    def _attempt(self, part: Part, refusal: Refusal | None) -> Attempt:
        if refusal is None:
            return Attempt(part.acting, None)
        return Attempt(part.acting, self.blame.failure(refusal.report), refused_by(refusal.report))

    def _in_session(self) -> tuple[Acting, ...]:
        """The user themself; then somebody whom neither policies nor grants stop, in the user's session, in another
        user's, and without one: triggers act by the session, and may touch other keys before the one in question.
        """
        beyond = self.stage.server.migration_role
        return (
            Acting("authenticated", "own"),
            Acting(beyond, "own"),
            Acting(beyond, "control"),
            Acting(beyond),
        )
