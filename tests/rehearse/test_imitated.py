from __future__ import annotations

from referee.model.rehearsal import Unverified
from referee.model.source import Source
from referee.platforms import SUPABASE
from referee.read.replay import replay
from referee.rehearse.imitated import refused_through_the_api

TABLE = "create table public.notes (id int, seen boolean);\n"


def function(name: str, body: str, returns: str = "trigger", language: str = "plpgsql") -> str:
    text = f"begin {body} end" if language == "plpgsql" else body
    return f"create function public.{name}() returns {returns} language {language} as $$ {text} $$;\n"


def trigger(name: str, table: str = "public.notes") -> str:
    return f"create trigger {name} after insert on {table} for each row execute function public.{name}();\n"


def found(*texts: str) -> list[Unverified]:
    replayed = replay([Source("m.sql", "".join((TABLE, *texts)))], SUPABASE)
    return list(refused_through_the_api(replayed.schema, replayed.origins))


def test_a_write_without_where_is_told_with_its_place() -> None:
    (one,) = found(function("clear", "delete from public.notes; return new;"), trigger("clear"))
    assert one.subject == "safeupdate"
    assert one.reason.startswith("public.clear(): ")
    assert "21000" in one.reason
    assert one.location is not None
    assert (one.location.file, one.location.line) == ("m.sql", 2)


def test_one_inside_a_query_and_one_in_a_function_of_sql() -> None:
    inside = function("a", "with x as (update public.notes set seen = true returning id) insert into public.notes "
                           "select id from x; return new;")  # fmt: skip
    plain = function("b", "update public.notes set seen = false", "void", "sql")
    (one,) = found(inside, trigger("a"), plain)
    assert one.reason.startswith("public.a(), public.b(): ")


def test_what_has_a_where_passes() -> None:
    assert found(function("clear", "delete from public.notes where true; return new;"), trigger("clear")) == []


def test_what_only_the_sign_up_service_sets_off_is_not_refused() -> None:
    body = function("clear", "delete from public.notes; return new;")
    assert found(body, trigger("clear", "auth.users")) == []
    assert len(found(body, trigger("clear", "auth.users"), trigger("clear"))) == 1
