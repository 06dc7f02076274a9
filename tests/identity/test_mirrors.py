import pytest

from referee.identity.mirrors import columns_compared_with_session, is_named_like_users
from referee.model.finding import Confidence
from tests.identity.sql import SYNC, identity_of, mirrors_of, target

LINKED = "create table public.users (id uuid primary key references auth.users (id) on delete cascade);"
UNLINKED = "create table public.users (id uuid primary key, email text unique);"


@pytest.mark.parametrize(
    "name", ["users", "user", "User", "profiles", "user_profiles", "UserProfile", "accounts", "members", "app_users"]
)
def test_names_of_tables_of_users(name: str) -> None:
    assert is_named_like_users(name)


@pytest.mark.parametrize(
    "name", ["user_settings", "usage", "customers", "user_roles", "band_members", "accounting", "", "🎸", "workspaces"]
)
def test_names_of_other_tables(name: str) -> None:
    assert not is_named_like_users(name)


def test_a_primary_key_that_references_the_source_makes_a_certain_mirror() -> None:
    mirror = mirrors_of(LINKED)["public.users(id)"]
    assert mirror.confidence is Confidence.CERTAIN
    assert mirror.identity_key is not None
    assert [evidence.kind for evidence in mirror.evidence] == ["identity-key", "name"]
    assert mirror.evidence[0].detail == "its key id references auth.users(id)"
    assert (mirror.synced_by, mirror.complete) == ((), False)


def test_a_trigger_that_inserts_the_new_id_makes_a_certain_mirror() -> None:
    mirror = mirrors_of(UNLINKED + SYNC)["public.users(id)"]
    assert mirror.confidence is Confidence.CERTAIN
    assert mirror.identity_key is None
    assert [trigger.part for trigger in mirror.synced_by] == ["on_auth_user_created"]
    assert mirror.complete


def test_policies_writes_and_the_name_together_make_a_likely_mirror() -> None:
    mirror = mirrors_of(
        UNLINKED
        + """
        create policy own on public.users using ((select auth.uid()) = id);
        create table public.bands (owner uuid default auth.uid() references public.users (id));
        """
    )["public.users(id)"]
    assert mirror.confidence is Confidence.LIKELY
    assert {evidence.kind for evidence in mirror.evidence} == {"policy", "write", "name"}


def test_policies_on_the_columns_that_reference_it_speak_for_a_mirror() -> None:
    mirror = mirrors_of(
        UNLINKED
        + """
        create table public.bands (owner uuid references public.users (id));
        create policy own on public.bands using (owner = auth.uid());
        """
    )["public.users(id)"]
    assert "public.bands(owner), which references it" in mirror.evidence[0].detail


def test_a_name_alone_makes_a_possible_mirror_where_keys_rely_on_it() -> None:
    bands = "create table public.bands (owner uuid references public.users (id));"
    assert mirrors_of(UNLINKED + bands)["public.users(id)"].confidence is Confidence.POSSIBLE
    assert mirrors_of(UNLINKED) == {}


def test_a_table_that_makes_its_own_ids_is_no_mirror_by_its_name() -> None:
    own = "create table public.users (id uuid primary key default gen_random_uuid());"
    assert mirrors_of(own + "create table public.bands (owner uuid references public.users (id));") == {}


def test_a_policy_makes_a_table_with_its_own_ids_a_possible_mirror() -> None:
    mirrors = mirrors_of(
        """
        create table public.users (id uuid primary key default gen_random_uuid());
        create policy own on public.users using (id = auth.uid());
        """
    )
    assert mirrors["public.users(id)"].confidence is Confidence.POSSIBLE


def test_a_key_of_another_type_holds_no_identity() -> None:
    assert (
        mirrors_of("create table public.users (id bigint primary key); create table b (u bigint references users);")
        == {}
    )


def test_the_identity_column_is_the_mirror_not_the_surrogate_key() -> None:
    mirrors = mirrors_of(
        """
        create table public.profiles (
          id uuid primary key default gen_random_uuid(),
          user_id uuid not null unique references auth.users (id)
        );
        create policy own on public.profiles using (id = auth.uid());
        create table public.posts (author uuid references public.profiles (id));
        """
    )
    assert list(mirrors) == ["public.profiles(user_id)"]
    assert mirrors["public.profiles(user_id)"].confidence is Confidence.CERTAIN


def test_an_identity_column_that_may_be_null_is_less_sure() -> None:
    mirrors = mirrors_of(
        "create table public.users (id bigint primary key, uid uuid unique references auth.users (id));"
    )
    assert mirrors["public.users(uid)"].confidence is Confidence.LIKELY


def test_personas_are_no_mirror() -> None:
    assert (
        mirrors_of(
            """
            create table public.profiles (
              id uuid primary key default gen_random_uuid(),
              user_id uuid not null references auth.users (id)
            );
            create policy own on public.profiles using (user_id = auth.uid());
            """
        )
        == {}
    )


def test_an_organisation_that_the_sign_up_makes_is_no_mirror() -> None:
    assert (
        mirrors_of(
            """
            create table public.workspaces (
              id uuid primary key default gen_random_uuid(),
              owner uuid not null unique references auth.users (id)
            );
            create function public.make() returns trigger language plpgsql security definer as $$
            begin insert into public.workspaces (owner) values (new.id); return new; end $$;
            create trigger make after insert on auth.users for each row execute function public.make();
            """
        )
        == {}
    )


def test_extensions_and_roles_share_the_key_and_are_no_mirrors() -> None:
    extensions = """
        create table public.user_settings (user_id uuid primary key references auth.users (id));
        create table public.drivers (id uuid primary key references auth.users (id));
        create table public.trips (driver uuid references public.drivers (id));
    """
    assert list(mirrors_of(extensions + LINKED)) == ["public.users(id)"]


def test_the_only_role_that_keys_rely_on_is_a_possible_mirror() -> None:
    staff = """
        create table public.staff (id uuid primary key references auth.users (id));
        create table public.shifts (who uuid references public.staff (id));
    """
    assert mirrors_of(staff)["public.staff(id)"].confidence is Confidence.POSSIBLE
    other = """
        create table public.guests (id uuid primary key references auth.users (id));
        create table public.bookings (who uuid references public.guests (id));
    """
    assert mirrors_of(staff + other) == {}


def test_a_table_filled_for_some_users_only_is_a_role() -> None:
    assert (
        mirrors_of(
            """
            create table public.drivers (id uuid primary key references auth.users (id));
            create table public.riders (id uuid primary key references auth.users (id));
            create function public.split() returns trigger language plpgsql security definer as $$
            begin
              if new.raw_user_meta_data ->> 'role' = 'driver' then
                insert into public.drivers (id) values (new.id);
              else
                insert into public.riders (id) values (new.id);
              end if;
              return new;
            end $$;
            create trigger split after insert on auth.users for each row execute function public.split();
            """
        )
        == {}
    )


def test_a_mirror_of_a_mirror_is_chained() -> None:
    mirrors = mirrors_of(
        LINKED
        + """
        create table public.profiles (id uuid primary key references public.users (id));
        create table public.posts (author uuid references public.profiles (id));
        """
    )
    chained = mirrors["public.profiles(id)"]
    assert chained.identity_key is not None
    assert str(chained.identity_key.target) == "public.users(id)"
    assert chained.evidence[0].kind == "chain"


def test_a_table_with_a_key_of_its_own_is_no_chained_mirror() -> None:
    mirrors = mirrors_of(
        LINKED
        + """
        create table public.user_profiles (
          id uuid primary key default gen_random_uuid(),
          user_id uuid not null unique references public.users (id)
        );
        """
    )
    assert list(mirrors) == ["public.users(id)"]


def test_an_extension_of_a_mirror_is_no_chained_mirror() -> None:
    assert list(
        mirrors_of(LINKED + "create table public.prefs (u uuid primary key references public.users (id));")
    ) == ["public.users(id)"]


def test_a_chained_mirror_is_complete_if_its_parent_is_and_a_trigger_fills_it() -> None:
    copy = """
        create table public.profiles (id uuid primary key references public.users (id));
        create function public.copy() returns trigger language plpgsql as $$
        begin insert into public.profiles (id) values (new.id); return new; end $$;
        create trigger copy after insert on public.users for each row execute function public.copy();
    """
    assert mirrors_of(LINKED + copy + SYNC)["public.profiles(id)"].complete
    mirror = mirrors_of(LINKED + copy)["public.profiles(id)"]
    assert not mirror.complete
    assert [str(trigger) for trigger in mirror.synced_by] == ["public.users.copy"]


def test_the_configuration_can_name_a_mirror() -> None:
    text = "create table public.people_ (no uuid primary key);"
    [mirror] = identity_of(text, mirrors=[target("public.people_")]).mirrors
    assert (str(mirror.target), mirror.confidence) == ("public.people_(no)", Confidence.CERTAIN)


@pytest.mark.parametrize("state", ["disable", "enable replica"])
def test_a_trigger_that_does_not_fire_is_evidence_but_fills_nothing(state: str) -> None:
    text = UNLINKED + SYNC + f"alter table auth.users {state} trigger on_auth_user_created;"
    # On the platform only the owner of auth.users may do that.
    text = text.replace("alter table auth.users", "grant supabase_auth_admin to postgres; alter table auth.users")
    mirror = mirrors_of(text)["public.users(id)"]
    assert (mirror.synced_by, mirror.complete) == ((), False)
    assert "but it is disabled" in mirror.evidence[0].detail


def test_a_function_that_no_trigger_calls_is_evidence_but_fills_nothing() -> None:
    mirror = mirrors_of(UNLINKED + SYNC.partition("create trigger")[0])["public.users(id)"]
    assert mirror.synced_by == ()
    [evidence] = [evidence for evidence in mirror.evidence if evidence.kind == "trigger"]
    assert evidence.detail == "public.handle_new_user() inserts NEW.id into id, but no trigger calls it"
    assert evidence.place is not None
    assert evidence.place.ref.kind == "function"


def test_a_trigger_that_names_its_table_wrongly_is_not_complete() -> None:
    text = (
        (UNLINKED + SYNC).replace("insert into public.users", "insert into users").replace("set search_path = ''", "")
    )
    mirror = mirrors_of(text)["public.users(id)"]
    assert len(mirror.synced_by) == 1
    assert not mirror.complete


INSERT = "insert into public.users (id) values (new.id) on conflict (id) do nothing;"


@pytest.mark.parametrize(
    "statement",
    [
        "insert into public.users (id) values (new.id);",
        "insert into public.users values (new.id);",
        "insert into public.users (id, email) select new.id, new.email;",
        "insert into public.users (id) values (new.id) on conflict (id) do update set email = excluded.email;",
        "insert into public.users (id) values (new.id) on conflict on constraint users_pkey do nothing;",
        "if tg_op = 'INSERT' then insert into public.users (id) values (new.id); end if;",
        "if tg_op <> 'INSERT' then return new; end if; insert into public.users (id) values (new.id);",
        """if not exists (select from public.users where id = new.id) then
             insert into public.users (id) values (new.id);
           end if;""",
        """if exists (select 1 from public.users u where u.id = new.id) then return new; end if;
           insert into public.users (id) values (new.id);""",
        "insert into public.users (id) select new.id where not exists (select from public.users where id = new.id);",
        """begin insert into public.users (id) values (new.id);
           exception when others then raise exception 'no: %', sqlerrm; end;""",
    ],
)
def test_triggers_that_give_every_user_a_row(statement: str) -> None:
    assert mirrors_of((UNLINKED + SYNC).replace(INSERT, statement))["public.users(id)"].complete


@pytest.mark.parametrize(
    "statement",
    [
        "if new.email is not null then insert into public.users (id) values (new.id); end if;",
        "if new.email is null then return new; end if; insert into public.users (id) values (new.id);",
        "insert into public.users (id) values (new.id) on conflict do nothing;",
        "insert into public.users (id, email) values (new.id, new.email) on conflict (email) do nothing;",
        "insert into public.users (id, email) values (new.id, '') on conflict (email) do update set id = new.id;",
        "insert into public.users (id) select new.id from public.bands limit 1;",
        "insert into public.users (id) select new.id where new.email is not null;",
        """begin insert into public.users (id) values (new.id);
           exception when others then raise warning 'no: %', sqlerrm; end;""",
        "begin raise exception 'x'; exception when others then insert into public.users (id) values (new.id); end;",
    ],
)
def test_triggers_that_may_leave_a_user_out(statement: str) -> None:
    text = "create table public.bands (id int);" + UNLINKED + SYNC
    mirror = mirrors_of(text.replace(INSERT, statement))["public.users(id)"]
    assert len(mirror.synced_by) == 1
    assert not mirror.complete


@pytest.mark.parametrize(
    "event",
    [
        "after update on auth.users for each row",
        "after insert on auth.users for each row when (new.email is not null)",
    ],
)
def test_triggers_that_do_not_fire_for_every_user(event: str) -> None:
    text = (UNLINKED + SYNC).replace("after insert on auth.users\n  for each row", event)
    mirror = mirrors_of(text)["public.users(id)"]
    assert len(mirror.synced_by) == 1
    assert not mirror.complete


@pytest.mark.parametrize(
    ("condition", "columns"),
    [
        ("auth.uid() = id", [("id",)]),
        ("((select auth.uid() as uid) = users.id)", [("users", "id")]),
        ("id::text = auth.uid()::text or is_admin()", [("id",)]),
        ("not (id = auth.uid())", [("id",)]),
        ("id in (select auth.uid())", [("id",)]),
        ("(auth.jwt() ->> 'sub')::uuid = id", [("id",)]),
        ("exists (select from members m where m.user_id = auth.uid())", []),
        ("auth.uid() is not null", []),
        ("auth.role() = role", []),
        ("this is no expression", []),
    ],
)
def test_columns_that_a_condition_compares_with_the_session(condition: str, columns: list[tuple[str, ...]]) -> None:
    assert list(columns_compared_with_session(condition)) == columns


def test_hostile_names() -> None:
    mirrors = mirrors_of(
        '''
        create table public."mem""bers" ("select" uuid primary key references auth.users (id));
        create table public."Org's" ("org;id" uuid references public."mem""bers" ("select"));
        create policy "it's; ""mine""" on public."mem""bers" using ("select" = auth.uid());
        '''
    )
    mirror = mirrors['public."mem""bers"("select")']
    assert {evidence.detail for evidence in mirror.evidence} == {
        'its key "select" references auth.users(id)',
        'its policy "it\'s; ""mine""" compares "select" with the session\'s user',
        "it is named like a table of users",
    }
