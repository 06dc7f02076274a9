"""The metadata that each OAuth provider brings to a sign-up.

Source: supabase/auth, internal/api/provider/*.go (August 2026): the claims that each fills, under the names that end up
in raw_user_meta_data. What is empty is left out, save the two that say whether an address is verified.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from referee.rehearse.people import Person

_USUAL = ("name", "full_name", "picture", "avatar_url", "provider_id")
_NAMES: Mapping[str, tuple[str, ...]] = {
    "google": _USUAL,
    "github": ("name", "full_name", "avatar_url", "provider_id", "user_name", "preferred_username"),
    "apple": ("provider_id",),
    "azure": ("full_name", "preferred_username", "provider_id"),
    "facebook": (*_USUAL, "nickname", "slug"),
    "discord": (*_USUAL, "custom_claims"),
    "twitter": (*_USUAL, "user_name", "preferred_username"),
    "x": (*_USUAL, "user_name", "preferred_username", "profile"),
    "gitlab": _USUAL,
    "bitbucket": _USUAL,
    "linkedin_oidc": ("name", "given_name", "family_name", "picture", "provider_id"),
    "slack_oidc": _USUAL,
    "notion": _USUAL,
    "spotify": _USUAL,
    "twitch": (*_USUAL, "nickname", "slug"),
    "zoom": _USUAL,
    "figma": ("name", "full_name", "avatar_url", "provider_id"),
    "kakao": ("name", "full_name", "avatar_url", "provider_id", "user_name", "preferred_username"),
    "keycloak": ("name", "full_name", "provider_id"),
    "workos": ("name", "full_name", "provider_id"),
    "snapchat": (*_USUAL, "slug"),
    "fly": ("full_name", "provider_id"),
}
_ISSUERS = {
    "google": "https://accounts.google.com",
    "github": "https://api.github.com",
    "apple": "https://appleid.apple.com",
    "azure": "https://login.microsoftonline.com/common/v2.0",
    "facebook": "https://graph.facebook.com",
    "discord": "https://discord.com/api",
    "twitter": "https://api.twitter.com/1.1/account/verify_credentials.json",
    "x": "https://api.x.com",
    "gitlab": "https://gitlab.com",
    "slack_oidc": "https://slack.com/api",
}

#: What people call them.
TITLES: Mapping[str, str] = {provider: provider.capitalize() for provider in _NAMES} | {
    "github": "GitHub",
    "gitlab": "GitLab",
    "linkedin_oidc": "LinkedIn",
    "slack_oidc": "Slack",
    "workos": "WorkOS",
}

#: Providers whose metadata is rehearsed. Apple names nobody after the first time; Twitter may give no e-mail.
PROVIDERS = tuple(_NAMES)


def metadata(provider: str, person: Person) -> Mapping[str, Any]:
    """What a provider says about a person."""
    subject = f"{person.number:021d}"
    given, _, family = person.name.partition(" ")
    values: Mapping[str, Any] = {
        "name": person.name,
        "full_name": person.name,
        "given_name": given,
        "family_name": family,
        "nickname": person.name,
        "slug": person.name,
        "user_name": person.name,
        "preferred_username": person.name,
        "profile": f"https://example.org/people/{person.number}",
        "picture": f"https://example.org/{person.number}.png",
        "avatar_url": f"https://example.org/{person.number}.png",
        "provider_id": subject,
        "custom_claims": {"global_name": person.name},
    }
    email = {"email": person.email} if person.email else {}
    own = {name: values[name] for name in _NAMES[provider] if values[name]}
    verified = {"email_verified": bool(person.email), "phone_verified": False}
    issuer = _ISSUERS.get(provider, f"https://{provider}.example.org")
    return {"iss": issuer, "sub": subject, **own, **email, **verified}


def bare_metadata(person: Person) -> Mapping[str, Any]:
    """What a provider says that says nothing but who it is: neither name nor picture."""
    return {"sub": f"{person.number:021d}", "email": person.email, "email_verified": True, "phone_verified": False}
