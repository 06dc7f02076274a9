"""The ways in which somebody comes to have an account, for any person: what the sign-up service runs for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from referee.errors import UsageError
from referee.model.rehearsal import Step
from referee.rehearse import gotrue, providers
from referee.rehearse.gotrue import Metadata
from referee.rehearse.people import Person

_SSO = "sso:00000000-0000-4000-8000-000000000001"

#: A way to sign up: a person and the metadata that come from outside, on top of what the way itself brings along.
Way = Callable[[Person, Metadata], list[Step]]


def _by_email(person: Person, metadata: Metadata) -> list[Step]:
    return gotrue.sign_up_by_email(person, metadata, confirmed_at_once=True)


def _by_link(person: Person, metadata: Metadata) -> list[Step]:
    steps = gotrue.sign_up_by_email(person, metadata, confirmed_at_once=False)
    return [*steps, *gotrue.confirm_by_link(person, metadata)]


def _by_provider(person: Person, metadata: Metadata, provider: str) -> list[Step]:
    data = {**providers.metadata(provider, person), **metadata}
    return gotrue.sign_up_by_provider(person, provider, data)


def _by_sso(person: Person, metadata: Metadata) -> list[Step]:
    data = {**providers.bare_metadata(person), "iss": "https://idp.example.org", **metadata}
    return gotrue.sign_up_by_provider(person, _SSO, data, sso=True)


def _invited(person: Person, metadata: Metadata) -> list[Step]:
    return [*gotrue.invite(person, metadata), *gotrue.confirm_by_link(person, metadata)]


def _by_administrator(person: Person, metadata: Metadata) -> list[Step]:
    return gotrue.create_by_administrator(person, metadata, {})


WAYS: Mapping[str, Way] = {
    "email": _by_email,
    "email-link": _by_link,
    "phone": gotrue.sign_up_by_phone,
    "anonymous": gotrue.sign_up_anonymously,
    **{provider: partial(_by_provider, provider=provider) for provider in providers.PROVIDERS},
    "sso": _by_sso,
    "invitation": _invited,
    "administrator": _by_administrator,
}
"""By e-mail confirmed at once or by a link, by phone, anonymously, through a provider, through SSO, invited, made by an
administrator."""


def sign_up(way: str, person: Person, metadata: Metadata) -> list[Step]:
    """What the sign-up service runs. Raises UsageError for a way that there is not."""
    if way not in WAYS:
        raise UsageError(f'Nobody signs up by "{way}"; the ways are {", ".join(WAYS)}.')
    return WAYS[way](person, metadata)
