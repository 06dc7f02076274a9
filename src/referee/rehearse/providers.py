"""The metadata that each OAuth provider brings to a sign-up.

Source: supabase/auth, internal/api/provider/*.go (2026): the claims that each fills, under the names that end up in
raw_user_meta_data. What is empty is left out, save the two that say whether an address is verified.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from referee.rehearse.people import Person

_NAMES: Mapping[str, tuple[str, ...]] = {
    "google": ("name", "full_name", "picture", "avatar_url", "provider_id"),
    "github": ("name", "full_name", "avatar_url", "provider_id", "user_name", "preferred_username"),
    "apple": ("provider_id",),
    "azure": ("name", "full_name", "provider_id"),
    "facebook": ("name", "full_name", "nickname", "slug", "picture", "avatar_url", "provider_id"),
    "discord": ("name", "full_name", "picture", "avatar_url", "provider_id"),
    "twitter": ("name", "full_name", "user_name", "preferred_username", "picture", "avatar_url", "provider_id"),
}
_ISSUERS = {
    "google": "https://accounts.google.com",
    "github": "https://api.github.com",
    "apple": "https://appleid.apple.com",
    "azure": "https://login.microsoftonline.com/common/v2.0",
    "facebook": "https://graph.facebook.com",
    "discord": "https://discord.com/api",
    "twitter": "https://api.twitter.com/1.1/account/verify_credentials.json",
}

#: Providers whose metadata is rehearsed. Apple names nobody after the first time; Twitter may give no e-mail.
PROVIDERS = tuple(_NAMES)


def metadata(provider: str, person: Person) -> Mapping[str, Any]:
    """What a provider says about a person."""
    subject = f"{person.number:021d}"
    values = {
        "name": person.name,
        "full_name": person.name,
        "nickname": person.name,
        "slug": person.name,
        "user_name": person.name,
        "preferred_username": person.name,
        "picture": f"https://example.org/{person.number}.png",
        "avatar_url": f"https://example.org/{person.number}.png",
        "provider_id": subject,
    }
    email = {"email": person.email} if person.email else {}
    own = {name: values[name] for name in _NAMES[provider]}
    verified = {"email_verified": bool(person.email), "phone_verified": False}
    return {"iss": _ISSUERS[provider], "sub": subject, **own, **email, **verified}


def bare_metadata(person: Person) -> Mapping[str, Any]:
    """What a provider says that says nothing but who it is: neither name nor picture."""
    return {"sub": f"{person.number:021d}", "email": person.email, "email_verified": True, "phone_verified": False}
