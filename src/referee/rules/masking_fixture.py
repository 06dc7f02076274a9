from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from referee.model.finding import Confidence, Note, Problem, Severity
from referee.model.fixtures import Fill, FixtureFile, Fixtures
from referee.model.identity import Identities, Identity, Mirror
from referee.model.names import Ref
from referee.model.origins import Place
from referee.model.schema import Schema
from referee.rules._filling import is_guess
from referee.rules.base import FixtureRule
from referee.rules.unsafe_sync_trigger import UnsafeSyncTrigger


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

    ## Tests in Python, TypeScript and JavaScript
    SQL in their string literals is read, and the calls of Supabase's client: here the second call is the finding.
    ```ts
    const admin = createClient(url, process.env.SUPABASE_SERVICE_ROLE_KEY!);
    const { data } = await admin.auth.admin.createUser({ email: 'ada@example.org' });
    await admin.from('profiles').insert({ id: data.user!.id });
    ```
    A client that was made with the public key, or in whose name somebody signed in, does what the application does.
    Accounts count that are made in the same file, or by a function of another file that is called there.

    ## When it is deliberate
    Where a trigger fills the mirror and the fixture adds to its row (ON CONFLICT DO UPDATE, `.upsert()`), nothing is
    reported, unless that trigger swallows errors (`unsafe-sync-trigger`): then it may be the fixture that made the row.

    ## Severity and confidence
    A warning in tests. Information in seeds, which only mislead whoever develops with them, and where a trigger fills
    the mirror as well: then the fixture would hide that it stops. As sure as the table is a mirror; possible, and
    information, for a client whose key is not known. Only constants and names are read: a statement that is put
    together when a test runs is not seen, nor are the calls of an ORM.
    """

    severity = Severity.WARNING

    def check_fixtures(self, schema: Schema, identities: Identities, fixtures: Fixtures) -> Iterator[Problem]:
        in_sql = [file for file in fixtures.files if not file.is_code]
        for kind in ("seed", "test"):
            files = [file for file in in_sql if file.kind == kind]
            if any(file.makers for file in files):
                yield from _of_files(files, schema, identities)
        # Program text is read file by file: what one test does says nothing of the accounts of another.
        yield from _of_files([file for file in fixtures.files if file.is_code and file.makers], schema, identities)


def _of_files(files: Sequence[FixtureFile], schema: Schema, identities: Identities) -> Iterator[Problem]:
    called = frozenset(name for file in files for name in file.calls)
    for identity in identities.all:
        for mirror in identity.mirrors:
            filled = [file for file in files if any(_is_by_hand(file, fill, mirror, called) for fill in file.fills)]
            if filled and _matters(identity, mirror):
                faulty = _faulty_trigger(schema, identities, mirror)
                for file in filled:
                    yield from _problems(file, identity, mirror, called, faulty)


def _matters(identity: Identity, mirror: Mirror) -> bool:
    """Whether anything relies on the mirror's rows."""
    relied_on = any(reference.key.target.table == mirror.table for reference in identity.references)
    return (relied_on or bool(mirror.synced_by)) and not is_guess(mirror)


def _is_by_hand(file: FixtureFile, fill: Fill, mirror: Mirror, called: Collection[str]) -> bool:
    """Whether a row of the mirror is put in with rights that no user has, by something that runs."""
    if fill.table != mirror.table or fill.role is not None:
        return False
    return file.is_code or fill.unit == file.path or fill.unit in file.makers or fill.unit.rpartition(".")[2] in called


def _faulty_trigger(schema: Schema, identities: Identities, mirror: Mirror) -> Ref | None:
    """A trigger that should fill the mirror, and lets a sign-up pass without its row when that fails."""
    if not mirror.synced_by:
        return None
    faulty = {
        problem.object
        for problem in UnsafeSyncTrigger().check(schema, identities)
        if problem.key.startswith("swallowed-errors")
    }
    for ref in mirror.synced_by:
        table = schema.table(ref.owner)
        for trigger in table.triggers if table is not None else ():
            function = schema.functions.get(trigger.function_name)
            if trigger.ref == ref and (ref in faulty or (function is not None and function.ref in faulty)):
                return ref
    return None


def _problems(
    file: FixtureFile, identity: Identity, mirror: Mirror, called: Collection[str], faulty: Ref | None
) -> Iterator[Problem]:
    seen: set[str] = set()
    for fill in file.fills:
        # What only adds to the trigger's row is no fault, unless the trigger need not have made one.
        adds = bool(mirror.synced_by) and faulty is None and fill.on_conflict == "update"
        if _is_by_hand(file, fill, mirror, called) and not adds and fill.unit not in seen:
            seen.add(fill.unit)
            yield _problem(file, fill, identity, mirror, faulty)


def _problem(file: FixtureFile, fill: Fill, identity: Identity, mirror: Mirror, faulty: Ref | None) -> Problem:
    what = "call" if fill.is_call else "statement"
    doubt = "" if fill.is_sure else " (if its client has the service key)"
    hides_little = bool(mirror.synced_by) and faulty is None
    is_mild = hides_little or file.kind == "seed" or not fill.is_sure
    then = _then(file, identity, mirror, faulty)
    return Problem(
        object=Ref("table", *mirror.table),
        cause=f"{_who(file, fill)} {_what(file, fill, identity, mirror)}{doubt}.",
        consequence=f"Nothing that rests on it notices whether a sign-up makes the row; delete this {what}: {then}.",
        severity=Severity.INFO if is_mild else Severity.WARNING,
        confidence=mirror.confidence if fill.is_sure else Confidence.POSSIBLE,
        table=mirror.table,
        columns=(mirror.column,),
        expected_target=identity.source,
        place=fill.place,
        related=tuple(Note(f"it is a mirror: {sign.detail}", sign.place) for sign in mirror.evidence[:1])
        + tuple(Note("it is filled by this trigger", Place(trigger)) for trigger in mirror.synced_by[:1]),
        key=file.function_of(fill),
        file=file.path,
    )


def _who(file: FixtureFile, fill: Fill) -> str:
    if fill.unit == file.path:
        return "This file"
    return f"{fill.unit}()" if " " not in fill.unit else f"The {fill.unit}"


def _what(file: FixtureFile, fill: Fill, identity: Identity, mirror: Mirror) -> str:
    """What the fixture does to make tests pass, as one predicate."""
    source = identity.source.table
    if any(other.unit == fill.unit and other.table == source for other in file.fills):
        return f"fills {source} and {mirror.table} by hand"
    if file.is_code and fill.unit in file.makers:
        return f"lets somebody sign up and fills {mirror.table} by hand"
    return f"fills {mirror.table} by hand for accounts made {'here' if file.is_code else 'by hand'}"


def _then(file: FixtureFile, identity: Identity, mirror: Mirror, faulty: Ref | None) -> str:
    """What fills the mirror once the fixture does not."""
    if faulty is not None:
        return f"then {faulty} has to fill it, which swallows errors (unsafe-sync-trigger)"
    if mirror.synced_by:
        return f"then {mirror.synced_by[0]} fills it"
    who = f"a trigger on {identity.source.table}"
    return f"then {who}{', or the application,' if file.is_code else ''} has to fill it, as in production"
