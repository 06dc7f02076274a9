from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.errors import ConfigError, RefereeError, UsageError
from referee.model.finding import Severity
from referee.model.names import QName, Target
from referee.workflow.config import Canonical, Config, find_file, parse_table, read_config
from referee.workflow.keys import KEYS

pytestmark = pytest.mark.usefixtures("own_rules")

USERS = Target(QName("public", "users"), ("id",))
AUTH = Target(QName("auth", "users"), ())


@pytest.fixture(autouse=True)
def _in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)


def from_file(text: str, name: str = "referee.toml") -> Config:
    Path(name).write_text(text)
    return read_config(environ={})


def from_options(**options: object) -> Config:
    return read_config(options=options, environ={})


def from_environment(**variables: str) -> Config:
    return read_config(environ=variables)


def test_without_any_word_the_defaults_hold() -> None:
    config = read_config(environ={})
    assert config == Config()
    assert config.fail_on is Severity.WARNING
    assert [rule.id for rule in config.rules] == ["late-trigger", "lost-key", "plain-oddity"]


def test_every_key_in_the_file() -> None:
    config = from_file("""
        platform = "plain"
        sources = ["app.accounts(id)", "Users"]
        canonical = { "auth.users" = "public.users(id)" }
        select = ["lost-key", "late-trigger"]
        ignore = ["late-trigger"]
        severity = { lost-key = "info" }
        fail-on = "error"
        baseline = "old.json"
        strict-gaps = true
        exclude = ["**/seed.sql"]
        all-files = true
        declarative = true
        api-schemas = ["public", "api"]
        cache = false
    """)
    assert config == Config(
        platform="plain",
        sources=(Target(QName("app", "accounts"), ("id",)), Target(QName("public", "users"), ())),
        canonical=(Canonical(AUTH, USERS),),
        select=("lost-key", "late-trigger"),
        ignore=("late-trigger",),
        severity={"lost-key": Severity.INFO},
        fail_on=Severity.ERROR,
        baseline=Path.cwd() / "old.json",
        strict_gaps=True,
        exclude=("**/seed.sql",),
        exclude_base=Path.cwd(),
        all_files=True,
        declarative=True,
        api_schemas=("public", "api"),
        cache=False,
        file=Path.cwd() / "referee.toml",
    )
    assert [rule.id for rule in config.rules] == ["lost-key"]


def test_every_key_in_the_environment() -> None:
    config = from_environment(
        REFEREE_PLATFORM="supabase",
        REFEREE_SOURCES='app.accounts(id), "Odd,Name"',
        REFEREE_CANONICAL="auth.users=public.users(id)",
        REFEREE_SELECT="lost-key,late-trigger",
        REFEREE_IGNORE="late-trigger",
        REFEREE_SEVERITY="lost-key=info",
        REFEREE_FAIL_ON="never",
        REFEREE_BASELINE="old.json",
        REFEREE_STRICT_GAPS="yes",
        REFEREE_EXCLUDE="a.sql,b.sql",
        REFEREE_ALL_FILES="1",
        REFEREE_DECLARATIVE="true",
        REFEREE_API_SCHEMAS="api",
        REFEREE_CACHE="off",
    )
    assert config == Config(
        platform="supabase",
        sources=(Target(QName("app", "accounts"), ("id",)), Target(QName("public", "Odd,Name"), ())),
        canonical=(Canonical(AUTH, USERS),),
        select=("lost-key", "late-trigger"),
        ignore=("late-trigger",),
        severity={"lost-key": Severity.INFO},
        fail_on=None,
        baseline=Path("old.json"),
        strict_gaps=True,
        exclude=("a.sql", "b.sql"),
        all_files=True,
        declarative=True,
        api_schemas=("api",),
        cache=False,
    )


def test_every_key_as_an_option() -> None:
    config = from_options(
        platform="supabase",
        sources=("none",),
        canonical=("public.users(id)",),
        select=("lost-key",),
        severity=("lost-key=info", "late-trigger=error"),
        fail_on="info",
        baseline="old.json",
        strict_gaps=True,
        exclude=("a.sql",),
        cache=False,
        api_schemas=(),
        ignore=None,
    )
    assert config == Config(
        platform="supabase",
        sources=(),
        canonical=(Canonical(None, USERS),),
        select=("lost-key",),
        severity={"lost-key": Severity.INFO, "late-trigger": Severity.ERROR},
        fail_on=Severity.INFO,
        baseline=Path("old.json"),
        strict_gaps=True,
        exclude=("a.sql",),
        cache=False,
    )


def test_every_key_has_an_attribute_a_variable_and_an_option_of_its_own() -> None:
    assert {key.field for key in KEYS} < set(Config.__dataclass_fields__)
    assert len({key.variable for key in KEYS}) == len({key.option for key in KEYS}) == len(KEYS)


def test_an_empty_variable_says_nothing() -> None:
    assert from_environment(**{key.variable: "" for key in KEYS}) == from_environment()


def test_an_option_wins_over_the_environment_and_both_over_the_file() -> None:
    Path("referee.toml").write_text('fail-on = "never"\nselect = ["lost-key"]\nplatform = "plain"')
    config = read_config(
        options={"fail_on": "info"}, environ={"REFEREE_FAIL_ON": "error", "REFEREE_SELECT": "late-trigger"}
    )
    assert (config.fail_on, config.select, config.platform) == (Severity.INFO, ("late-trigger",), "plain")


def test_no_identity_source_at_all() -> None:
    assert from_file("sources = []").sources == ()
    assert from_environment(REFEREE_SOURCES="none").sources == ()


def test_an_empty_selection_means_all_rules() -> None:
    assert from_file("select = []").select is None


def test_a_canonical_table_for_every_source() -> None:
    assert from_file('canonical = "public.users(id)"').canonical == (Canonical(None, USERS),)


class TestFindFile:
    def test_the_nearest_one_above_the_project(self) -> None:
        Path("a/b").mkdir(parents=True)
        Path("referee.toml").touch()
        assert find_file("a/b") == Path.cwd() / "referee.toml"
        Path("a/referee.toml").touch()
        assert find_file("a/b") == Path.cwd() / "a/referee.toml"

    def test_for_a_file_the_search_begins_in_its_folder(self) -> None:
        Path("a").mkdir()
        Path("a/schema.sql").touch()
        Path("a/referee.toml").touch()
        assert find_file("a/schema.sql") == Path.cwd() / "a/referee.toml"

    def test_pyproject_counts_only_with_a_table_for_referee(self) -> None:
        Path("pyproject.toml").write_text('[tool.black]\nline-length = 1\n[project]\nname = "x"')
        assert find_file(".") is None
        assert from_file('[tool.referee]\nfail-on = "never"', "pyproject.toml").fail_on is None

    def test_referee_toml_wins_over_pyproject_beside_it(self) -> None:
        Path("pyproject.toml").write_text('[tool.referee]\nfail-on = "never"')
        assert from_file('fail-on = "info"').fail_on is Severity.INFO

    def test_the_search_ends_at_the_root_of_the_repository(self, tmp_path: Path) -> None:
        Path("referee.toml").touch()
        (tmp_path / "inner/.git").mkdir(parents=True)
        assert find_file("inner") is None

    def test_a_file_can_be_named(self) -> None:
        Path("other.toml").write_text('fail-on = "never"')
        Path("referee.toml").write_text('fail-on = "info"')
        assert read_config(environ={}, file="other.toml").fail_on is None

    def test_a_named_file_that_is_missing(self) -> None:
        with pytest.raises(ConfigError, match=r"There is no file gone\.toml\. Check the path"):
            read_config(environ={}, file="gone.toml")

    def test_paths_in_a_file_start_from_its_folder(self) -> None:
        Path("a").mkdir()
        Path("a/referee.toml").write_text('baseline = "old.json"\nexclude = ["x.sql"]')
        config = read_config("a", environ={})
        assert (config.baseline, config.exclude_base) == (Path.cwd() / "a/old.json", Path.cwd() / "a")


WRONG = [
    ("[tool.referee]", r"^referee\.toml, line 1: there is no key .tool.\. In referee\.toml the keys stand without"),
    ('baseline = "\\u0000"', r'^referee\.toml, line 1: "baseline" must be the path of a file'),
    ("selct = []", r'^referee\.toml, line 1: there is no key "selct"\. Did you mean "select"\? The keys are platform'),
    ("\n\nfail_on = 'error'", r'^referee\.toml, line 3: there is no key "fail_on"\. Did you mean "fail-on"\?'),
    ("qqq = 1", r'there is no key "qqq"\. The keys are'),
    ("[sources]\na = 1", r'^referee\.toml, line 1: "sources" must be a list of texts; it is'),
    ('select = "lost-key"', r'"select" must be a list of texts; it is "lost-key"'),
    ("exclude = [1]", r'"exclude" must be a list of texts'),
    ('select = ["lost-kee"]', r'names no rule "lost-kee"\. Did you mean "lost-key"\? `referee rules` lists them'),
    ('fail-on = "fatal"', r'"fail-on" must be one of error, warning, info, never; it is "fatal"'),
    ('strict-gaps = "yes"', r'"strict-gaps" must be true or false; it is "yes"'),
    ("baseline = 3", r'"baseline" must be the path of a file; it is 3'),
    ("baseline = ''", r'"baseline" must be the path of a file'),
    ('severity = { lost-key = "fatal" }', r'the severity must be one of error, warning, info; it is "fatal"'),
    ('severity = { gone = "error" }', r'names no rule "gone"'),
    ('severity = "error"', r"needs a rule and a severity, such as unsynced-mirror=error"),
    ('sources = ["a.b.c"]', r'"a\.b\.c" is no table; write it as schema\.table or schema\.table\(column\)'),
    ('canonical = { "auth.users" = "x(" }', r'"x\(" is no table'),
    ("canonical = { a = 1 }", r"must map texts to texts"),
    ("platform = [", r"is not valid TOML"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_wrong_in_a_file_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_file(text)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"REFEREE_FAIL_ON": "fatal"}, r"^The variable REFEREE_FAIL_ON must be one of error, .*; it is \"fatal\"\.$"),
        ({"REFEREE_CACHE": "maybe"}, r"^The variable REFEREE_CACHE must be true or false"),
        ({"REFEREE_SELECT": "lost-kee"}, r'^The variable REFEREE_SELECT names no rule "lost-kee"'),
        ({"REFEREE_SEVERITY": "error"}, r"^The variable REFEREE_SEVERITY needs a rule and a severity"),
    ],
)
def test_what_is_wrong_in_the_environment_is_told(variables: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_config(environ=variables)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("REFEREE_SELCT", "REFEREE_SELECT"),
        ("REFEREE_SOURCE", "REFEREE_SOURCES"),
        ("REFEREE_FAILON", "REFEREE_FAIL_ON"),
        ("REFEREE_TMP_DIR", "REFEREE_TEMP_DIR"),
    ],
)
def test_a_misspelt_variable_is_refused_as_a_misspelt_key_is(wrong: str, right: str) -> None:
    with pytest.raises(UsageError, match=rf"^There is no variable {wrong}\. Did you mean {right}\?"):
        from_environment(**{wrong: "x"})
    assert from_environment(**{wrong: ""}) == Config()


def test_a_variable_that_resembles_none_of_ours_is_somebody_elses() -> None:
    theirs = ("VERSION", "TOKEN", "ACCEPTANCE", "TEST_POSTGRES", "CACHE_DIR", "TEMP_DIR")
    assert from_environment(**{f"REFEREE_{name}": "x" for name in theirs}, REFEREES_SELCT="x") == Config()


def test_what_is_wrong_with_an_option_is_told() -> None:
    with pytest.raises(UsageError, match=r'^The option --ignore names no rule "x"\.'):
        from_options(ignore=("x",))


def test_to_run_no_rule_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^The option --ignore leaves out every rule that is selected"):
        from_options(select=("lost-key",), ignore=("lost-key",))
    with pytest.raises(ConfigError, match=r'^referee\.toml, line 2: "ignore" leaves out every rule that is selected'):
        from_file('select = ["lost-key"]\nignore = ["lost-key", "late-trigger"]')


def test_an_empty_option_says_nothing_as_an_empty_variable_does() -> None:
    assert from_options(sources=("",), select=(" ",), canonical=("",), exclude=("", "a.sql")) == Config(
        exclude=("a.sql",)
    )


def test_a_file_that_is_no_text() -> None:
    for name, data in (("pyproject.toml", b"# tool.referee \xff"), ("referee.toml", b"\xff")):
        Path(name).write_bytes(data)
        with pytest.raises(ConfigError, match=rf"{name} is not text in UTF-8"):
            read_config(environ={})


def test_a_byte_order_mark_is_no_part_of_a_file() -> None:
    Path("referee.toml").write_bytes(b'\xef\xbb\xbffail-on = "never"\r\n')
    assert read_config(environ={}).fail_on is None


@pytest.mark.parametrize(
    "text",
    [
        '[tool.referee]\nselect = ["lost-key"]',
        '[ tool . "referee" ]\nselect = ["lost-key"]',
        'tool = { referee = { select = ["lost-key"] } }',
        '[tool]\nreferee.select = ["lost-key"]',
    ],
)
def test_a_table_of_pyproject_may_be_written_in_any_way(text: str) -> None:
    Path("pyproject.toml").write_text(text)
    assert read_config(environ={}).select == ("lost-key",)


@pytest.mark.parametrize("text", ["[tool]\nreferee = 5", "[[tool.referee]]\nselect = []"])
def test_what_is_no_table_in_pyproject_is_told(text: str) -> None:
    Path("pyproject.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"^pyproject\.toml: tool\.referee must be a table"):
        read_config(environ={})


@pytest.mark.parametrize("text", [b"tool = 5\n# tool.referee", b"[project]\nname = 'x' # \xff", b"[tool.black"])
def test_a_pyproject_that_says_nothing_of_referee_is_not_read(text: bytes) -> None:
    Path("pyproject.toml").write_bytes(text)
    assert read_config(environ={}) == Config()


def test_a_file_that_is_a_link_to_nowhere_is_missing() -> None:
    Path("referee.toml").symlink_to("gone.toml")
    with pytest.raises(ConfigError, match=r"^There is no file referee\.toml\."):
        read_config(environ={})


def test_a_folder_with_the_name_of_the_file_is_none() -> None:
    Path("referee.toml").mkdir()
    assert read_config(environ={}) == Config()


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("users", Target(QName("public", "users"), ())),
        (" Auth . Users ( ID ) ", Target(QName("auth", "users"), ("id",))),
        ('"Org\'s"."mem""bers"("org;id")', Target(QName("Org's", 'mem"bers'), ("org;id",))),
        ('"select"', Target(QName("public", "select"), ())),
        ("bänd.🎸", None),
        ('"🎸"', Target(QName("public", "🎸"), ())),
        ("bänd", Target(QName("public", "bänd"), ())),
        ("", None),
        ("a.b.c", None),
        ("a(b, c)", None),
        ("1a", None),
        ('"a', None),
        ("a; drop table b", None),
    ],
)
def test_tables_are_written_as_in_sql(text: str, target: Target | None) -> None:
    assert parse_table(text) == target


@given(st.builds(Target, st.builds(QName, st.text(min_size=1), st.text(min_size=1)), st.tuples(st.text(min_size=1))))
def test_a_table_is_read_as_it_is_printed(target: Target) -> None:
    assert parse_table(str(target)) == target


@given(
    st.dictionaries(
        st.sampled_from([key.name for key in KEYS]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.lists(st.text())
        | st.dictionaries(st.text(), st.text()),
    )
)
def test_any_values_make_a_configuration_or_one_paragraph(values: dict[str, object]) -> None:
    options = {name.replace("-", "_"): value for name, value in values.items()}
    try:
        config = read_config(options=options, environ={})
    except RefereeError as error:
        config, message = None, str(error)
        assert message.startswith("The option --")
    assert config is None or isinstance(config, Config)


def test_the_examples_that_init_writes_are_toml() -> None:
    for key in KEYS:
        if key.example:
            tomllib.loads(f"{key.name} = {key.example}")


def test_rows_are_read_by_table_and_column(tmp_path: Path) -> None:
    (tmp_path / "referee.toml").write_text(
        """[rows]\n"public.bands(name)" = "'Examples'"\n'"Odd".t("C d")' = "1 + 1"\n"bands(size)" = "2"\n"""
    )
    assert read_config(tmp_path, environ={}).rows == {
        QName("public", "bands"): {"name": "'Examples'", "size": "2"},
        QName("Odd", "t"): {"C d": "1 + 1"},
    }


def test_a_row_needs_a_column() -> None:
    with pytest.raises(UsageError, match="The option --row needs a column and an SQL expression"):
        read_config(options={"rows": ("public.bands='x'",)}, environ={})
