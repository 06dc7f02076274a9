from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Confidence, Note, Problem, Severity
from referee.model.identity import Identities, Identity, Reference
from referee.model.names import Ref, Target
from referee.model.origins import Place
from referee.model.remedy import Remedy, RetargetForeignKey, Safety
from referee.model.schema import ForeignKey, Schema
from referee.rules.base import Rule, plural


class SplitIdentityReference(Rule):
    """
    A user reference that does not point where the schema's other user references point.

    Two tables hold the same ids: the identity source (on Supabase `auth.users`) and its mirror, the application's own
    table of users. Each foreign key that stores a user has to choose one of them, and here they chose differently.

    ## Why it fails
    A key checks that the id is in *its* table. As long as both tables hold every user, any choice works, and in tests
    they do, because fixtures fill both. In production a row of the mirror can be missing: the sign-up's second write
    failed, a policy refused it, the user is older than the trigger. For such a user one half of the keys accepts the
    id and the other half refuses it with SQLSTATE 23503, often from a table that the application never touched,
    because a trigger wrote it. The message says `is not present in table "users"` without the schema, so that both
    tables look alike in the log.

    ## Wrong
    ```sql
    create table public.users (id uuid primary key references auth.users (id) on delete cascade);
    create table public.bands (owner uuid references public.users (id));
    create table public.shows (booked_by uuid references public.users (id));
    create table public.songs (edited_by uuid references auth.users (id));  -- finding
    ```

    ## Right
    ```sql
    create table public.users (id uuid primary key references auth.users (id) on delete cascade);
    create table public.bands (owner uuid references public.users (id));
    create table public.shows (booked_by uuid references public.users (id));
    create table public.songs (edited_by uuid references public.users (id));
    ```

    ## Which table is canonical
    The one that most of the schema's user references point to; on a tie the mirror. The mirror's own key to its
    source, and references with a key to each table, do not vote. The vote may say `auth.users`; then the keys to the
    mirror are the findings:
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.decks (owner uuid references auth.users (id));
    create table public.cards (author uuid references auth.users (id));
    create table public.votes (voter uuid references public.profiles (id));  -- finding
    ```
    The configuration can name the canonical table; then every other target is a finding, whatever the majority.

    ## When it is deliberate
    A column may have a key to each table, for instance because PostgREST embeds only along foreign keys of its own
    schema. That is a dual reference and no finding of this rule:
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.posts (
      author uuid references public.profiles (id) on delete cascade,
      editor uuid references auth.users (id) on delete cascade references public.profiles (id) on delete cascade
    );
    ```

    ## Severity and confidence
    An error, but a warning where both tables are sure to hold the id: a trigger on the source gives every new user a
    row in the mirror, without a condition and without swallowing its errors. Users from before that trigger can still
    be missing. The confidence is that of the mirror: certain where its key references the source, less where only its
    name, its policies and what is written into its references say so.
    """

    severity = Severity.ERROR

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        for identity in identities.all:
            wrong = [reference for reference in identity.references if reference.verdict == "wrong"]
            if wrong:
                related = tuple(_related(identity))
                for reference in wrong:
                    yield _problem(identity, reference, related)


def _problem(identity: Identity, reference: Reference, related: tuple[Note, ...]) -> Problem:
    key, target = reference.key, _identity_target(reference)
    both_filled = all(_is_filled(identity, side) for side in (target, identity.canonical))
    return Problem(
        object=key.ref,
        cause=f"{Target(key.table, (reference.column,))} references {target}, while {_majority(identity)}.",
        consequence=_if_filled(identity) if both_filled else _if_missing(identity, target),
        severity=Severity.WARNING if both_filled else Severity.ERROR,
        confidence=min(_confidence(identity, side) for side in (target, identity.canonical)),
        table=key.table,
        columns=key.columns,
        target=key.target,
        expected_target=identity.canonical,
        related=related,
        remedy=_remedy(key, identity.canonical),
    )


def _identity_target(reference: Reference) -> Target:
    """The column that the identity is looked up in; a composite key has others beside it."""
    at = reference.key.columns.index(reference.column)
    return Target(reference.key.target.table, (reference.key.target.columns[at],))


def _majority(identity: Identity) -> str:
    canonical = identity.canonical
    if identity.decided_by == "configuration":
        return f"the configuration lets user references point to {canonical}"
    total, count = sum(votes for _, votes in identity.votes), dict(identity.votes).get(canonical, 0)
    if identity.decided_by == "vote":
        verb = "points" if count == 1 else "point"
        return f"{count} of the {plural(total, 'user reference')} of this schema {verb} to {canonical}"
    return f"as many user references of this schema ({count} of {total}) point to {canonical}, the mirror"


def _if_missing(identity: Identity, target: Target) -> str:
    canonical = identity.canonical
    absent, others = (canonical.table, target.table) if target == identity.source else (target.table, canonical.table)
    refused, accepted = ("the keys to it", "this key") if target == identity.source else ("this key", "the others")
    return (
        f"A user who is in {others} but not in {absent} is accepted by {accepted} and refused by {refused} with 23503,"
        " so that the same request works for one user and fails for the next."
    )


def _if_filled(identity: Identity) -> str:
    triggers = sorted({str(trigger.part) for mirror in identity.mirrors for trigger in mirror.synced_by})
    return (
        f"New users are in both tables through {' and '.join(triggers)}; a user from before it, or a row that outlived"
        " its account, is accepted by one half of the keys and refused by the other with 23503."
    )


def _is_filled(identity: Identity, target: Target) -> bool:
    mirror = identity.mirror_by_table.get(target.table)
    return target == identity.source or (mirror is not None and mirror.complete)


def _confidence(identity: Identity, target: Target) -> Confidence:
    mirror = identity.mirror_by_table.get(target.table)
    return Confidence.CERTAIN if mirror is None else mirror.confidence


def _related(identity: Identity) -> Iterator[Note]:
    canonical = identity.canonical
    mirror = identity.mirror_by_table.get(canonical.table)
    if mirror is not None:
        yield Note(
            f"{canonical.table}, the table that user references should point to", Place(Ref("table", *mirror.table))
        )
    right = [reference.key for reference in identity.references if reference.verdict == "right"]
    if right:
        yield Note(
            f"one of the {plural(len(right), 'key')} to {canonical}" if len(right) > 1 else f"the key to {canonical}",
            Place(right[0].ref),
        )


def _remedy(key: ForeignKey, canonical: Target) -> Remedy | None:
    """Retargeting; a composite key takes its other columns from the mirror and cannot follow the identity alone."""
    if len(key.columns) > 1:
        return None
    return Remedy(RetargetForeignKey(key, canonical), Safety.UNSAFE)
