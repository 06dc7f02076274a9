"""What the configuration says about identities and nothing came of: a misspelt table must not pass for a vote."""

from __future__ import annotations

from collections.abc import Iterator

from referee.model.diagnosis import Notice
from referee.model.identity import Identities, Identity
from referee.model.names import Target
from referee.workflow.config import Canonical, Config


def unheeded(config: Config, identities: Identities) -> Iterator[Notice]:
    """A notice for each source that owns no identity here, and for each canonical table that could not be heeded."""
    for source in config.sources or ():
        if not any(_is_meant(source, identity.source) for identity in identities.all):
            what = "no such table was read, or not with such a column or a primary key of one column"
            yield Notice(f"{_shown(source)} is configured as the source of an identity, and was not heeded: {what}.")
    for wish in config.canonical:
        concerned = [one for one in identities.all if wish.source is None or _is_meant(wish.source, one.source)]
        if not any(_is_heeded(wish, identity) for identity in concerned):
            yield Notice(_why(wish, concerned))


def _is_meant(wanted: Target, target: Target) -> bool:
    """Whether a table as it is written in a configuration, with its column or without, means a target."""
    return wanted.table == target.table and wanted.columns in ((), target.columns)


def _is_heeded(wish: Canonical, identity: Identity) -> bool:
    return identity.decided_by == "configuration" and _is_meant(wish.target, identity.canonical)


def _why(wish: Canonical, concerned: list[Identity]) -> str:
    table = _shown(wish.target)
    if not concerned:
        why = "no table owns" if wish.source is None else f"{_shown(wish.source)} does not own"
        return f"{table} is configured as canonical, and was not heeded: {why} an identity here."
    others = ", ".join(str(target) for identity in concerned for target in identity.targets)
    return f"{table} is configured as canonical, and was not heeded: user references may point to {others}."


def _shown(target: Target) -> str:
    return str(target) if target.columns else str(target.table)
