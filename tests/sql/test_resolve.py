"""Names as Postgres resolves them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from referee.model.names import FunctionName, QName
from referee.model.schema import Enum, Function, Namespace, Schema, Table, View
from referee.sql import builtins
from referee.sql.resolve import effective_path, find_table, resolve_function, resolve_table, resolve_type, search_order
from referee.sql.tree import Call, Literal, TableUse


def _function(name: str, *arguments: str, path: str | None = None, schema: str = "public") -> Function:
    settings = () if path is None else (("search_path", path),)
    return Function(FunctionName(schema, name, arguments), "plpgsql", "trigger", "", settings=settings)


def _schema(
    *tables: str, functions: tuple[Function, ...] = (), extensions: dict[str, str] | None = None, view: str = ""
) -> Schema:
    names = [QName(*table.split(".")) for table in tables]
    views = {QName(*view.split(".")): View(QName(*view.split(".")))} if view else {}
    return Schema(
        tables={name: Table(name) for name in names},
        views=views,
        functions={function.name: function for function in functions},
        enums={QName("public", "mood"): Enum(QName("public", "mood"), ("happy",))},
        namespaces={
            "public": Namespace("public"),
            "extensions": Namespace("extensions"),
            "private": Namespace("private"),
            "auth": Namespace("auth", managed=True),
        },
        extensions=extensions or {},
    )


def _call(name: str, count: int = 0, schema: str | None = None) -> Call:
    return Call(schema, name, tuple(Literal("x") for _ in range(count)))


def test_the_first_schema_of_the_path_that_has_the_table_wins() -> None:
    schema = _schema("auth.users", "public.users")
    assert resolve_table(schema, ("auth",), TableUse(None, "users")) == QName("auth", "users")
    assert resolve_table(schema, ("public", "auth"), TableUse(None, "users")) == QName("public", "users")
    assert resolve_table(schema, ("private", "auth"), TableUse(None, "users")) == QName("auth", "users")


def test_a_qualified_name_ignores_the_path() -> None:
    schema = _schema("auth.users", "public.users")
    assert resolve_table(schema, (), TableUse("public", "users")) == QName("public", "users")
    assert resolve_table(schema, ("auth",), TableUse("private", "users")) is None


def test_views_are_found_like_tables() -> None:
    schema = _schema(view="public.people")
    assert resolve_table(schema, ("public",), TableUse(None, "people")) == QName("public", "people")


def test_a_name_off_the_path_is_missing_and_says_where_it_is() -> None:
    found = find_table(_schema("public.profiles"), ("auth",), None, "profiles")
    assert found.kind == "missing"
    assert found.elsewhere == (QName("public", "profiles"),)


def test_the_catalog_comes_first_unless_the_path_lists_it() -> None:
    schema = _schema("public.pg_class")
    assert find_table(schema, ("public",), None, "pg_class").kind == "built-in"
    assert find_table(schema, ("public", "pg_catalog"), None, "pg_class").kind == "project"
    assert search_order(("public", "pg_catalog")) == ("public", "pg_catalog")


def test_information_schema_is_only_found_by_its_name() -> None:
    assert find_table(_schema(), ("public",), "information_schema", "tables").kind == "built-in"
    assert find_table(_schema(), ("public",), None, "key_column_usage").kind == "missing"


def test_what_a_managed_schema_lacks_is_unknown() -> None:
    assert find_table(_schema(), ("public",), "auth", "oauth_clients").kind == "unknown"
    assert resolve_function(_schema(), ("public",), _call("something", 1, "auth")).kind == "unknown"


def test_a_temporary_table_is_unknown() -> None:
    assert find_table(_schema(), ("public",), "pg_temp", "work").kind == "unknown"


def test_an_extension_that_referee_does_not_know_may_hide_any_name_in_its_schema() -> None:
    schema = _schema(extensions={"timescaledb": "extensions"})
    assert resolve_function(schema, ("public", "extensions"), _call("time_bucket", 2)).kind == "unknown"
    assert resolve_function(schema, ("public",), _call("time_bucket", 2)).kind == "missing"


def test_a_function_of_pgcrypto_needs_its_schema_on_the_path() -> None:
    schema = _schema(extensions={"pgcrypto": "extensions"})
    assert resolve_function(schema, ("public", "extensions"), _call("gen_random_bytes", 1)).kind == "extension"
    missing = resolve_function(schema, (), _call("gen_random_bytes", 1))
    assert missing.kind == "missing"
    assert missing.elsewhere == (QName("extensions", "gen_random_bytes"),)


def test_gen_random_uuid_is_built_in_with_or_without_pgcrypto() -> None:
    assert resolve_function(_schema(), (), _call("gen_random_uuid")).kind == "built-in"


def test_an_extension_with_a_schema_of_its_own_lives_there() -> None:
    schema = _schema(extensions={"pg_net": "extensions"})
    assert resolve_function(schema, (), _call("http_post", 3, "net")).kind == "extension"
    assert resolve_function(schema, ("extensions",), _call("http_post", 3)).kind == "missing"
    assert find_table(schema, (), "net", "http_request_queue").kind == "extension"


def test_what_an_extension_brings_is_unknown_where_no_script_installs_the_extension() -> None:
    assert resolve_function(_schema(), ("public",), _call("gen_random_bytes", 1)).kind == "unknown"
    assert resolve_function(_schema(), ("public",), _call("st_distance", 2)).kind == "unknown"
    assert resolve_type(_schema(), ("public",), None, "vector").kind == "unknown"
    assert find_table(_schema(), (), "cron", "job").kind == "unknown"
    assert find_table(_schema(), (), "corn", "job").kind == "missing"


def test_functions_are_told_apart_by_the_number_of_their_arguments() -> None:
    one, two = _function("greet", "text"), _function("greet", "text", "text")
    schema = _schema(functions=(one, two))
    assert resolve_function(schema, ("public",), _call("greet", 2)).functions == (two,)
    assert resolve_function(schema, ("public",), _call("greet", 1)).functions == (one, two)
    assert resolve_function(schema, ("public",), _call("greet", 3)).kind == "unknown"


def test_a_variadic_function_takes_any_number_of_arguments() -> None:
    joined = _function("joined", "text", "text[]")
    assert resolve_function(_schema(functions=(joined,)), ("public",), _call("joined", 9)).functions == (joined,)
    assert resolve_function(_schema(), (), _call("concat", 40)).kind == "built-in"


def test_a_function_off_the_path_is_missing() -> None:
    schema = _schema(functions=(_function("slug", "text", schema="private"),))
    found = resolve_function(schema, ("public",), _call("slug", 1))
    assert found.kind == "missing"
    assert found.elsewhere == (QName("private", "slug"),)


def test_calls_of_the_grammar_are_built_in() -> None:
    for name in ("coalesce", "greatest", "current_timestamp", "xmlelement", "row"):
        assert resolve_function(_schema(), (), _call(name, 2)).kind == "built-in"


def test_ordered_set_aggregates_take_what_stands_in_within_group() -> None:
    assert resolve_function(_schema(), (), _call("percentile_cont", 1)).kind == "built-in"
    assert resolve_function(_schema(), (), _call("mode", 0)).kind == "built-in"


def test_a_type_called_with_one_argument_is_a_cast() -> None:
    assert resolve_function(_schema(), (), _call("uuid", 1)).kind == "built-in"
    assert resolve_function(_schema(), ("public",), _call("mood", 1)).exists
    assert resolve_function(_schema(), ("auth",), _call("mood", 1)).kind == "missing"


def test_types_follow_the_path() -> None:
    schema = _schema("public.users", extensions={"citext": "extensions"})
    assert resolve_type(schema, ("public",), None, "mood").name == QName("public", "mood")
    missing = resolve_type(schema, ("auth",), None, "mood")
    assert (missing.kind, missing.elsewhere) == ("missing", (QName("public", "mood"),))
    assert resolve_type(schema, (), None, "citext").elsewhere == (QName("extensions", "citext"),)
    assert resolve_type(schema, ("extensions",), None, "citext[]").kind == "extension"
    assert resolve_type(schema, ("public",), None, "users").kind == "project"


def test_the_grammars_own_names_of_types_need_no_path() -> None:
    for name in ("int", "character varying", "timestamp with time zone", "record", "uuid", "text[][]", "jsonb"):
        assert resolve_type(_schema(), (), None, name).kind == "built-in"
    assert resolve_type(_schema(), (), "pg_catalog", "int4").kind == "built-in"
    assert resolve_type(_schema(), (), None, "moood").kind == "missing"


def test_a_function_runs_under_its_own_path_else_its_callers() -> None:
    assert effective_path(_function("f"), ("auth",)) == ("auth",)
    assert effective_path(_function("f", path='""'), ("auth",)) == ()
    assert effective_path(_function("f", path="public, pg_temp"), ("auth",)) == ("public", "pg_temp")
    assert effective_path(_function("f", path='"$user", public'), ("auth",)) == ("public",)


def test_a_path_quoted_as_a_whole_is_one_schema_that_does_not_exist() -> None:
    path = effective_path(_function("f", path='"public, auth"'), ("auth",))
    assert path == ("public, auth",)
    assert resolve_table(_schema("public.users", "auth.users"), path, TableUse(None, "users")) is None


def test_hostile_names_resolve_like_any_other() -> None:
    for name in ("Org's", 'mem"bers', "org;id", "select", "ü" * 31, "🎸"):
        schema = Schema(tables={QName("public", name): Table(QName("public", name))})
        assert resolve_table(schema, ("public",), TableUse(None, name)) == QName("public", name)


def test_extensions_beyond_contrib_are_listed_with_their_names() -> None:
    assert builtins.suppliers("uuid_generate_v4") == ("uuid-ossp",)
    assert builtins.suppliers("st_distance") == ("postgis",)
    assert builtins.suppliers("similarity") == ("pg_trgm",)
    assert builtins.extension_names("no such extension") is None


@given(st.lists(st.sampled_from(["a", "b", "c", "d"])), st.sets(st.sampled_from(["a", "b", "c", "d"])))
def test_a_table_is_found_in_the_first_place_that_has_it(path: list[str], places: set[str]) -> None:
    schema = Schema(tables={QName(place, "t"): Table(QName(place, "t")) for place in places})
    expected = next((QName(place, "t") for place in path if place in places), None)
    assert resolve_table(schema, tuple(path), TableUse(None, "t")) == expected
