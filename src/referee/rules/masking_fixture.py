from __future__ import annotations

from collections.abc import Collection, Iterator

from referee.model.finding import Note, Problem, Severity
from referee.model.fixtures import Fill, FixtureFile, FixtureKind, Fixtures
from referee.model.identity import Identities, Identity, Mirror
from referee.model.names import QName, Ref
from referee.model.origins import Place
from referee.model.schema import Schema
from referee.rules._filling import is_guess
from referee.rules.base import FixtureRule


class MaskingFixture(FixtureRule):
    """
    A seed or test helper that fills an identity source and its mirror by hand.

    ## Why it fails
    In production the account comes from the sign-up service, and something has to make the mirror's row: a trigger, or
    the application. A fixture that inserts both rows leaves that something out. Every test passes whether or not it
    works, and the first to notice that it does not are users, with SQLSTATE 23503.

    ## Wrong
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.posts (author uuid references public.profiles (id));
    -- supabase/tests/000-helpers.sql
    create function tests.create_user() returns uuid language plpgsql as $$
    declare
      person uuid := gen_random_uuid();
    begin
      insert into auth.users (id, email) values (person, person || '@example.org');
      insert into public.profiles (id) values (person);  -- finding
      return person;
    end $$;
    ```

    ## Right
    Delete the second insert. The tests then fail as production does, until a trigger fills the mirror:
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.posts (author uuid references public.profiles (id));
    -- supabase/tests/000-helpers.sql
    create function tests.create_user() returns uuid language plpgsql as $$
    declare
      person uuid := gen_random_uuid();
    begin
      insert into auth.users (id, email) values (person, person || '@example.org');
      return person;
    end $$;
    ```
    A row that a test inserts in the role of its user is no fixture; it is what the application does:
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.posts (author uuid references public.profiles (id));
    -- supabase/tests/001-profiles.sql
    insert into auth.users (id) values ('a0000000-0000-4000-8000-000000000001');
    set local role authenticated;
    insert into public.profiles (id) values ('a0000000-0000-4000-8000-000000000001');
    ```

    ## When it is deliberate
    Where a trigger fills the mirror and the fixture adds to its row (ON CONFLICT DO UPDATE), nothing is reported.

    ## Severity and confidence
    A warning in tests. Information in seeds, which only mislead whoever develops with them, and where a trigger fills
    the mirror as well: then the fixture would hide that it stops. As sure as the table is a mirror. Only constants and
    names are read: a statement that is put together when a test runs is not seen.
    """

    severity = Severity.WARNING

    def check_fixtures(self, schema: Schema, identities: Identities, fixtures: Fixtures) -> Iterator[Problem]:
        for kind in ("seed", "test", "code"):
            files = [file for file in fixtures.files if file.kind == kind]
            if not any(file.makers for file in files):
                continue
            called = frozenset(name for file in files for name in file.calls)
            for identity in identities.all:
                for mirror in identity.mirrors:
                    if _matters(identity, mirror):
                        for file in files:
                            yield from _problems(kind, file, identity, mirror, called)


def _matters(identity: Identity, mirror: Mirror) -> bool:
    """Whether anything relies on the mirror's rows."""
    relied_on = any(reference.key.target.table == mirror.table for reference in identity.references)
    return (relied_on or bool(mirror.synced_by)) and not is_guess(mirror)


def _problems(
    kind: FixtureKind, file: FixtureFile, identity: Identity, mirror: Mirror, called: Collection[str]
) -> Iterator[Problem]:
    seen: set[str] = set()
    for fill in file.fills:
        adds = bool(mirror.synced_by) and fill.on_conflict == "update"
        runs = fill.unit == file.path or fill.unit in file.makers or fill.unit.rpartition(".")[2] in called
        if fill.table == mirror.table and fill.role is None and runs and not adds and fill.unit not in seen:
            seen.add(fill.unit)
            yield _problem(kind, file, fill, identity, mirror)


def _problem(kind: FixtureKind, file: FixtureFile, fill: Fill, identity: Identity, mirror: Mirror) -> Problem:
    source = identity.source.table
    who = f"{fill.unit}()" if fill.unit != file.path else "This file"
    by = [str(trigger) for trigger in mirror.synced_by]
    then = f"then {by[0]} fills it" if by else f"then a trigger on {source} has to fill it, as in production"
    own = f"{mirror.table} by hand" if _fills(file, fill.unit, source) else f"{mirror.table} for accounts made by hand"
    both = f"{source} and {own}" if _fills(file, fill.unit, source) else own
    return Problem(
        object=Ref("table", *mirror.table),
        cause=f"{who} fills {both}.",
        consequence=f"Nothing that rests on it notices whether a sign-up makes the row; delete this statement: {then}.",
        severity=Severity.INFO if by or kind == "seed" else Severity.WARNING,
        confidence=mirror.confidence,
        table=mirror.table,
        columns=(mirror.column,),
        expected_target=identity.source,
        place=fill.place,
        related=tuple(Note(f"it is a mirror: {sign.detail}", sign.place) for sign in mirror.evidence[:1])
        + tuple(Note("it is filled by this trigger", Place(trigger)) for trigger in mirror.synced_by[:1]),
        key=f"{file.path} {fill.unit}",
    )


def _fills(file: FixtureFile, unit: str, table: QName) -> bool:
    return any(fill.unit == unit and fill.table == table for fill in file.fills)
