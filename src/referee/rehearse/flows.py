"""The flows: what happens to a user from sign-up to deletion, statement by statement, as the roles that do it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

from referee.model.identity import Identity, Mirror
from referee.model.names import QName, quote
from referee.model.rehearsal import FailedStep, FlowResult, Step
from referee.platforms import Platform
from referee.rehearse import gotrue, providers
from referee.rehearse.base import FIXTURE, UNMIRRORED, Base, Upsert, account
from referee.rehearse.blame import Blame
from referee.rehearse.people import CONTROL, Person, person
from referee.rehearse.requests import request
from referee.rehearse.rows import Row
from referee.rehearse.stage import Refusal, Stage
from referee.rehearse.told import told
from referee.rehearse.words import assertion, describe


@dataclass(frozen=True)
class Question:
    """Something to look up after a flow; ``reason`` holds where the answer is not the one expected."""

    query: str
    expected: int
    reason: str
    matters: bool = False
    """Whether another answer fails the flow; otherwise it is a note."""

    @property
    def condition(self) -> str:
        return f"({self.query}) = {self.expected}"


@dataclass(frozen=True)
class Script:
    """What a flow runs. ``refused`` are requests behind it that the database should refuse, one by one.

    ``preparation`` counts the steps that only set the scene, ``reason`` is why there is nothing to run. Where the flow
    fails and ``instead`` passes and leaves what ``instead_leaves`` asks for, it passes with the remark ``though``.
    ``by_hand`` sets the scene where the preparation fails, so that one broken sign-up does not hide all the rest.
    """

    steps: Sequence[Step] = ()
    questions: Sequence[Question] = ()
    preparation: int = 0
    refused: Sequence[Sequence[Step]] = ()
    instead: Sequence[Step] = ()
    instead_leaves: Sequence[Question] = ()
    though: str = ""
    by_hand: Sequence[Step] = ()
    reason: str | None = None


@dataclass(frozen=True)
class Cast:
    """What flows are made from: the host, the identities, and the rows that were made ready."""

    platform: Platform
    identities: tuple[Identity, ...]
    base: Base

    @property
    def source(self) -> QName:
        return self.identities[0].source.table

    @property
    def mirrors(self) -> list[Mirror]:
        return [mirror for identity in self.identities for mirror in identity.mirrors]

    def mirrored(self, user: Person) -> list[Question]:
        """Whether each mirror that others rely on has a row for the user."""
        relied_on = {one.key.target.table for identity in self.identities for one in identity.references}
        return [
            Question(
                f"select count(*) from {mirror.table} where {quote(mirror.column)} = {user.literal}",
                1,
                f"{mirror.table} has no row for the user afterwards",
            )
            for mirror in self.mirrors
            if mirror.table in relied_on or mirror.synced_by
        ]

    def write(self, statement: str, role: str, user: Person | None, method: str = "POST") -> list[Step]:
        return request(statement, role, user, self.platform.api_path, method=method, of_roles=self.base.settings)


Maker = Callable[[Cast], Script]


@dataclass(frozen=True)
class Flow:
    """A flow by its name, with what it is called and how it is made."""

    name: str
    title: str
    make: Maker


def _signs_up(cast: Cast, user: Person, steps: Sequence[Step]) -> Script:
    return Script(steps, cast.mirrored(user))


def _by_email(cast: Cast, *, confirmed_at_once: bool) -> Script:
    user = person(0x01, "newcomer")
    steps = gotrue.sign_up_by_email(user, {"name": user.name}, confirmed_at_once=confirmed_at_once)
    if not confirmed_at_once:
        steps += gotrue.confirm_by_link(user, {"name": user.name})
    return _signs_up(cast, user, steps)


def _without_metadata(cast: Cast) -> Script:
    user = person(0x02, "nameless")
    steps = gotrue.sign_up_by_email(user, {}, confirmed_at_once=False)
    return _signs_up(cast, user, steps)


def _by_phone(cast: Cast) -> Script:
    user = Person(0x03, "caller", phone="4930123456")
    return _signs_up(cast, user, gotrue.sign_up_by_phone(user, {"name": user.name}))


def _anonymously(cast: Cast) -> Script:
    user = Person(0x04, anonymous=True)
    return _signs_up(cast, user, gotrue.sign_up_anonymously(user, {}))


def _by_provider(cast: Cast, provider: str) -> Script:
    user = person(0x100 + providers.PROVIDERS.index(provider), "Ada Lovelace")
    user = Person(user.number, user.name, f"ada.{provider}@example.org")
    return _signs_up(cast, user, gotrue.sign_up_by_provider(user, provider, providers.metadata(provider, user)))


def _by_bare_provider(cast: Cast) -> Script:
    user = person(0x20, "bare")
    return _signs_up(cast, user, gotrue.sign_up_by_provider(user, "google", providers.bare_metadata(user)))


def _invited(cast: Cast) -> Script:
    user = person(0x21, "guest")
    return _signs_up(cast, user, [*gotrue.invite(user, {}), *gotrue.confirm_by_link(user, {})])


def _by_administrator(cast: Cast) -> Script:
    user = person(0x22, "hired")
    return _signs_up(cast, user, gotrue.create_by_administrator(user, {}, {"plan": "team"}))


def _named(cast: Cast, name: str, number: int) -> Script:
    user = Person(number, name, f"named{number}@example.org")
    metadata = {"name": name, "full_name": name, "user_name": name, "username": name}
    return _signs_up(cast, user, gotrue.sign_up_by_email(user, metadata, confirmed_at_once=False))


def _again_after_deletion(cast: Cast) -> Script:
    first, second = person(0x25, "phoenix"), Person(0x26, "phoenix", "phoenix@example.org")
    again = [*gotrue.delete(first), *gotrue.sign_up_by_email(second, {"name": second.name}, confirmed_at_once=True)]
    return _after_sign_up(cast, first, again, cast.mirrored(second))


def _same_email(cast: Cast) -> Script:
    first, second = person(0x27, "shared"), Person(0x28, "employee", "shared@example.org")
    provider = "sso:00000000-0000-4000-8000-000000000001"
    data = {**providers.bare_metadata(second), "email": second.email, "iss": "https://idp.example.org"}
    steps = gotrue.sign_up_by_provider(second, provider, data, sso=True)
    return _after_sign_up(cast, first, steps, cast.mirrored(second))


def _login(cast: Cast) -> Script:
    user = person(0x30, "regular")
    return _after_sign_up(cast, user, gotrue.sign_in(replace(user, session=1)))


def _login_unmirrored(cast: Cast) -> Script:
    if not cast.mirrors:
        return Script(reason="there is no mirror, so every account has all there is")
    steps = [cast.base.by_superuser(text) for text in account(UNMIRRORED, cast.source).statements()]
    return Script([*steps, *gotrue.sign_in(UNMIRRORED)], preparation=len(steps))


def _change_email(cast: Cast) -> Script:
    user = person(0x31, "mover")
    questions = [
        Question(
            f"select count(*) from {upsert.mirror.table} where {quote(upsert.mirror.column)} = {user.literal}"
            f" and email = {user_email}",
            0,
            f"{upsert.mirror.table}.email still holds the old address",
        )
        for upsert in cast.base.upserts
        if upsert.has_email
        for user_email in [f"'{user.email}'"]
    ]
    return _after_sign_up(cast, user, gotrue.change_email(user, "moved@example.org"), questions)


def _profile(cast: Cast) -> Script:
    """The user saves the own profile: an upsert, as applications do it; where that is refused, an update."""
    user = person(0x32, "writer")
    upserts = cast.base.upserts
    if not upserts:
        return Script(reason=cast.base.no_upsert())
    writes = [step for upsert in upserts for step in cast.write(upsert.statement(user), "authenticated", user)]
    rows = [row for upsert in upserts for row in upsert.row.ancestors()]
    before = [*cast.base.steps_for([CONTROL], rows), *_member(user)]
    updates = [update for upsert in upserts if (update := upsert.update(user)) is not None]
    return Script(
        [*before, *writes],
        cast.mirrored(user),
        preparation=len(before),
        instead=[step for update in updates for step in cast.write(update, "authenticated", user, "PATCH")],
        instead_leaves=[_changed(upsert, user) for upsert in upserts if upsert.change is not None],
        though="an upsert is refused, a plain update passes",
    )


def _changed(upsert: Upsert, user: Person) -> Question:
    assert upsert.change is not None
    column, value = upsert.change
    table, key = upsert.mirror.table, quote(upsert.mirror.column)
    query = f"select count(*) from {table} where {key} = {user.literal} and {quote(column)} = {value}"
    return Question(query, 1, f"an update of {table} reaches no row", matters=True)


def _hard_delete(cast: Cast) -> Script:
    user = person(0x33, "leaver")
    return _after_sign_up(
        cast,
        user,
        gotrue.delete(user),
        [_stray(cast, mirror_table, column, user) for mirror_table, column in _mirror_keys(cast)],
    )


def _soft_delete(cast: Cast) -> Script:
    user = person(0x34, "sleeper")
    questions = [
        Question(
            f"select count(*) from {upsert.mirror.table} where {quote(upsert.mirror.column)} = {user.literal}"
            f" and email = '{user.email}'",
            0,
            f"{upsert.mirror.table}.email still holds the address of the deleted account",
        )
        for upsert in cast.base.upserts
        if upsert.has_email
    ]
    return _after_sign_up(cast, user, gotrue.soft_delete(user), questions)


def _prune_anonymous(cast: Cast) -> Script:
    """The service removes anonymous accounts of more than 30 days ago."""
    user = Person(0x35, anonymous=True)
    table = cast.source
    older = cast.base.by_superuser(
        f"update {table} set created_at = now() - interval '31 days' where id = {user.literal}"
    )
    before = [*gotrue.sign_up_anonymously(user, {}), older]
    questions = [_stray(cast, mirror_table, column, user) for mirror_table, column in _mirror_keys(cast)]
    by_hand = [*_put_there(cast, user), older]
    return Script([*before, *gotrue.prune_anonymous()], questions, preparation=len(before), by_hand=by_hand)


def _outliving_token(cast: Cast) -> Script:
    """Somebody deletes the account; a token that was issued before is still good for an hour."""
    prepared = _by_table(cast)
    if not prepared:
        return Script(reason=_NO_ROW)
    user = person(0x36, "departed")
    people = cast.base.steps_for([CONTROL], _parents(prepared), (row.insert() for _, _, row in prepared))
    by_hand = [*people, *_put_there(cast, user)]
    writes = [cast.write(row.insert({column: user.literal}), "authenticated", user) for _, column, row in prepared]
    stored = [
        Question(
            f"select count(*) from {table} where {quote(column)} = {user.literal}",
            0,
            f"{table}.{quote(column)} takes the id of a user whose account is gone",
            matters=True,
        )
        for table, column, _ in prepared
    ]
    before = [*people, *_member(user)]
    steps = [*before, *gotrue.delete(user)]
    return Script(steps, stored, preparation=len(before), refused=writes, by_hand=by_hand)


def _service_role(cast: Cast) -> Script:
    """A job writes for a user who exists everywhere: nobody's session, so auth.uid() is null."""
    prepared = _by_table(cast)
    if not prepared:
        return Script(reason=_NO_ROW)
    people = cast.base.steps_for([CONTROL, FIXTURE], _parents(prepared), (row.insert() for _, _, row in prepared))
    writes: list[Step] = []
    questions: list[Question] = []
    for table, column, row in prepared:
        writes += cast.write(row.insert({column: FIXTURE.literal}), "service_role", None)
        questions.append(
            Question(
                f"select count(*) from {table} where {quote(column)} = {FIXTURE.literal}",
                1,
                f"{table}.{quote(column)} does not hold the user that the job named: a trigger replaced it",
                matters=True,
            )
        )
    return Script([*people, *writes], questions, preparation=len(people))


_NO_ROW = "there is no user reference for which a row could be made"


def _by_table(cast: Cast) -> list[tuple[QName, str, Row]]:
    """One reference of each table for which a row could be made: the table, the column, the row."""
    found: dict[QName, tuple[QName, str, Row]] = {}
    for one in cast.base.prepared:
        table = one.reference.key.table
        if one.row is not None:
            found.setdefault(table, (table, one.reference.column, one.row))
    return list(found.values())


def _parents(prepared: Iterable[tuple[QName, str, Row]]) -> list[Row]:
    return [parent for _, _, row in prepared for parent in row.ancestors()]


def _member(user: Person) -> list[Step]:
    """Somebody signs up and has a session: what comes before a flow that is not about sign-up."""
    return gotrue.sign_up_by_email(user, {"name": user.name}, confirmed_at_once=True)


def _after_sign_up(cast: Cast, user: Person, steps: Sequence[Step], questions: Sequence[Question] = ()) -> Script:
    member = _member(user)
    return Script([*member, *steps], questions, preparation=len(member), by_hand=_put_there(cast, user))


def _put_there(cast: Cast, user: Person) -> list[Step]:
    """An account without a sign-up: one from before there was a trigger."""
    return [cast.base.by_superuser(text) for text in account(user, cast.source).statements()]


def _mirror_keys(cast: Cast) -> list[tuple[QName, str]]:
    return [(mirror.table, mirror.column) for mirror in cast.mirrors]


def _stray(cast: Cast, table: QName, column: str, user: Person) -> Question:
    return Question(
        f"select count(*) from {table} where {quote(column)} = {user.literal}",
        0,
        f"{table} still has a row for the deleted user",
    )


_NAME = "Maximiliane-Josephine " * 12

FLOWS: tuple[Flow, ...] = (
    Flow("sign-up-email", "sign-up by e-mail, confirmed by a link", partial(_by_email, confirmed_at_once=False)),
    Flow("sign-up-email-confirmed", "sign-up by e-mail, confirmed at once", partial(_by_email, confirmed_at_once=True)),
    Flow("sign-up-email-bare", "sign-up by e-mail without a name", _without_metadata),
    Flow("sign-up-phone", "sign-up by phone, without e-mail", _by_phone),
    Flow("sign-up-anonymous", "anonymous sign-up", _anonymously),
    *(
        Flow(
            f"sign-up-{provider}",
            f"sign-up through {providers.TITLES[provider]}",
            partial(_by_provider, provider=provider),
        )
        for provider in providers.PROVIDERS
    ),
    Flow("sign-up-oauth-bare", "sign-up through a provider that names nobody", _by_bare_provider),
    Flow("sign-up-invited", "invitation, accepted", _invited),
    Flow("sign-up-by-administrator", "created by an administrator", _by_administrator),
    Flow("sign-up-again", "sign-up again after deletion, same e-mail", _again_after_deletion),
    Flow("sign-up-same-email", "SSO sign-up with an e-mail that another user has", _same_email),
    Flow(
        "sign-up-long-name", f"sign-up with a name of {len(_NAME)} characters", partial(_named, name=_NAME, number=0x23)
    ),
    Flow(
        "sign-up-non-ascii-name",
        "sign-up with a name beyond ASCII",
        partial(_named, name="Zoë O'Kəy 🥁 李", number=0x24),
    ),
    Flow("login", "login", _login),
    Flow("login-unmirrored", "login of an account without a mirror row", _login_unmirrored),
    Flow("change-email", "change of e-mail", _change_email),
    Flow("profile-write", "the user saves the own profile", _profile),
    Flow("hard-delete", "deletion of a user without rows", _hard_delete),
    Flow("soft-delete", "soft deletion", _soft_delete),
    Flow("prune-anonymous", "removal of old anonymous users", _prune_anonymous),
    Flow("outliving-token", "write with a token that outlives its user", _outliving_token),
    Flow("service-role-write", "write by a job, without a session", _service_role),
)

NAMES: Mapping[str, Flow] = {flow.name: flow for flow in FLOWS}


def play(flow: Flow, cast: Cast, stage_of: Callable[[], AbstractContextManager[Stage]], blame: Blame) -> FlowResult:
    """Runs one flow on a stage whose database holds the project and nothing else.

    ``stage_of`` opens such a stage; another one is needed where the scene has to be set by hand.
    """
    script = flow.make(cast)
    result = partial(FlowResult, flow.name, flow.title, _role(script))
    if script.reason is not None:
        return result("not-run", reason=script.reason)
    with stage_of() as stage:
        refusal = stage.perform(script.steps[: script.preparation])
        if refusal is None:
            return _play(script, cast, stage, blame, result)
    failed = describe(refusal.report)
    if script.by_hand:
        rest = script.steps[script.preparation :]
        script = replace(script, steps=[*script.by_hand, *rest], preparation=len(script.by_hand))
        with stage_of() as stage:
            if stage.perform(script.steps[: script.preparation]) is None:
                found = _play(script, cast, stage, blame, result)
                said = f"the account was put there by hand, since what should make it fails: {failed}"
                return replace(found, notes=(*found.notes, said))
    steps = _until(script.steps, refusal.step)
    return result("not-run", _failed(refusal, blame), reason=f"what comes before it fails: {failed}", steps=steps)


def _play(script: Script, cast: Cast, stage: Stage, blame: Blame, result: Callable[..., FlowResult]) -> FlowResult:
    """What becomes of a flow whose scene is set."""
    refusal = stage.perform(script.steps[script.preparation :])
    if refusal is None:
        return _after(script, cast, stage, blame, result)
    failed = _failed(refusal, blame)
    steps = _until(script.steps, refusal.step)
    if script.instead and stage.perform(script.instead) is None and not _wrong(script.instead_leaves, cast, stage):
        said = f"{script.though} ({failed.failure.sqlstate} {failed.failure.message})"
        return result("pass", failed, notes=(said,), steps=steps)
    return result("fail", failed, steps=steps)


def _wrong(questions: Iterable[Question], cast: Cast, stage: Stage) -> list[Question]:
    """The questions whose answer is not the one expected."""
    return [
        question
        for question in questions
        if stage.play(cast.base.by_superuser(question.query))[0][0] != question.expected
    ]


def _after(script: Script, cast: Cast, stage: Stage, blame: Blame, result: Callable[..., FlowResult]) -> FlowResult:
    """What a flow that ran through left behind, and whether what should be refused then is."""
    answers = [(request, stage.perform(request)) for request in script.refused]
    refusals = [refusal for _, refusal in answers if refusal is not None]
    wrong = _wrong(script.questions, cast, stage)
    notes = tuple(question.reason for question in wrong if not question.matters)
    grave = [question for question in wrong if question.matters]
    steps = [*script.steps, *(step for request, refusal in answers if refusal is None for step in request)]
    if grave:
        reason = "; ".join(question.reason for question in grave)
        held = assertion(" and ".join(question.condition for question in grave), reason)
        return result("fail", reason=reason, notes=notes, steps=(*steps, cast.base.by_superuser(held)))
    if refusals:
        reason = f"{len(refusals)} of {len(script.refused)} writes are refused, and none is stored"
        return result("pass", _failed(refusals[0], blame), reason=reason, notes=notes, steps=tuple(steps))
    return result("pass", notes=notes, steps=tuple(steps))


def _failed(refusal: Refusal, blame: Blame) -> FailedStep:
    failure = blame.failure(refusal.report)
    return FailedStep(refusal.step, failure, told(refusal.step, refusal.report))


def _until(steps: Sequence[Step], last: Step) -> tuple[Step, ...]:
    return tuple(_up_to(steps, last))


def _up_to(steps: Iterable[Step], last: Step) -> Iterator[Step]:
    for step in steps:
        yield step
        if step is last:
            return


def _role(script: Script) -> str:
    """Who the flow is about: the role of its first step that is not mere preparation."""
    own = list(script.steps)[script.preparation :]
    return own[0].role if own else ""
