from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.code.pieces import CodeSyntaxError
from referee.model.fixtures import FixtureFile
from referee.model.source import Source
from referee.platforms import platform
from referee.read.code_fixtures import ByUser, Filled, Made, SignedIn, code_events, readable
from referee.read.fixtures import FixtureText, read_fixtures
from referee.read.replay import replay
from referee.sql.rows import Wrote

SUPABASE = platform("supabase")
SCHEMA = replay(
    [
        Source(
            "1.sql",
            "create table public.users (id uuid primary key, name text); create table public.bands (id uuid);"
            "create schema app; create table app.users (id uuid);",
        )
    ],
    SUPABASE,
).schema

ADMIN = "const admin = createClient(url, process.env.SUPABASE_SERVICE_ROLE_KEY!);\n"


def read(*texts: str, ending: str = ".ts") -> tuple[FixtureFile, ...]:
    sources = [Source(f"{number}{ending}", text) for number, text in enumerate(texts)]
    code = [FixtureText("code", source, code_events(source), is_code=True) for source in sources]
    return read_fixtures([], SCHEMA, SUPABASE, code).files


def fills(*texts: str, ending: str = ".ts") -> list[tuple[str, str | None, bool]]:
    """Table, role and certainty of each fill."""
    return [(str(f.table), f.role, f.is_sure) for file in read(*texts, ending=ending) for f in file.fills]


def place(text: str, ending: str = ".ts") -> list[str]:
    """What each statement or call that fills a table reads like."""
    found = [event.event if isinstance(event, ByUser) else event for event in code_events(Source(f"a{ending}", text))]
    return [text[event.start : event.end] for event in found if isinstance(event, Filled | Wrote)]


# SQL


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ("await pg.query(`\n  -- é😀\n  insert into users (id) values ($1);`, [id])", ".ts"),
        ("await sql`insert into users ${sql(row)}`", ".ts"),
        ('db.query("insert into users (id) " + "values (?)", [id])', ".js"),
        ("cur.execute('insert into users (id) values (%s)', (id,))", ".py"),
        ("cur.execute('insert into users (id) values (%(id)s)', {'id': id})", ".py"),
        ("conn.execute(text('''insert into users (id)\n values (:id)'''))", ".py"),
        ("await conn.execute(f\"insert into users (id) values ('{id}')\")", ".py"),
        ("INSERT = ('insert into users '\n  '(id) values ($1)')", ".py"),
    ],
)
def test_sql_in_a_literal_however_its_driver_marks_parameters(text: str, ending: str) -> None:
    assert fills(text, ending=ending) == [("public.users", None, True)]


def test_a_statement_has_its_place_in_the_file() -> None:
    text = (
        "/* häß */ await pg.query(`\n  -- é😀\n  insert into users (id) values ('ü');\n"
        " insert into bands values (${a}) `)"
    )
    assert place(text) == ["insert into users (id) values ('ü')", "insert into bands values (${a})"]
    python = "# häß\nrun('''\n insert into users (id)\\\n values ('\\u00fc')''')"
    assert place(python, ".py") == ["insert into users (id)\\\n values ('\\u00fc')"]


def test_a_table_that_is_put_together_is_not_guessed() -> None:
    assert fills("pg.query(`insert into ${table} (id) values (1)`)") == []


def test_a_name_that_a_statement_computes_is_no_constant() -> None:
    (file,) = read("pg.query(`insert into auth.users (id, role) values (${id}, null)`)")
    assert file.fills[0].values == {"id": ..., "role": None}
    assert file.makers == {"0.ts"}


def test_roles_count_for_the_function_that_takes_them() -> None:
    text = """
async def as_ada(db):
    await db.execute("set local role authenticated")
    await db.execute("insert into users (id) values (1)")

async def alone(db):
    await db.execute("insert into users (id) values (1)")

def helped(db):
    as_ada(db)
    db.execute("insert into users (id) values (1)")
"""
    assert [role for _, role, _ in fills(text, ending=".py")] == ["authenticated", None, "authenticated"]


def test_sql_that_is_handed_to_somebody_is_theirs() -> None:
    text = "as_user(ada).execute('{0}')\nreferee_db.execute('{0}')".format("insert into users (id) values (1)")
    assert [role for _, role, _ in fills(text, ending=".py")] == ["authenticated", None]


def test_what_is_expected_to_fail_fills_nothing() -> None:
    python = "with pytest.raises(E):\n    db.execute('insert into users (id) values (1)')"
    assert fills(python, ending=".py") == []
    script = "await expect(pg.query('insert into users (id) values (1)')).rejects.toThrow()"
    assert fills(script) == []


def test_sentences_and_documentation_are_no_sql() -> None:
    assert fills('"""insert into users (id) values (1)"""\nlog("Insert a user into the table")', ending=".py") == []


def test_what_is_switched_off_for_a_load() -> None:
    text = """
cur.execute("set session_replication_role = 'replica'")
cur.execute("alter table public.users disable trigger all")
"""
    (file,) = read(text, ending=".py")
    assert [(one.kind, str(one.table), one.trigger) for one in file.bypasses] == [
        ("replica", "None", None),
        ("triggers", "public.users", "all"),
    ]


# Calls


def test_a_call_has_its_place_in_the_file() -> None:
    text = ADMIN + "// häß 😀\nit('é', async () => { await admin\n .from('users')\n .insert({ id }).select(); })"
    assert place(text) == ["admin\n .from('users')\n .insert({ id }).select()"]


@pytest.mark.parametrize(
    ("call", "table"),
    [
        ("admin.from('users').insert({ id })", "public.users"),
        ("admin.from(`users`).upsert([{ id }])", "public.users"),
        ("admin.schema('app').from('users').insert({ id })", "app.users"),
        ("this.admin.from('users').insert({ id })", "public.users"),
        ("createAdminClient().from('users').insert({ id })", "public.users"),
    ],
)
def test_calls_of_the_client(call: str, table: str) -> None:
    assert fills(ADMIN + f"await {call};") == [(table, None, True)]


def test_calls_of_the_python_client() -> None:
    text = """
client = create_client(url, os.environ["SUPABASE_SERVICE_KEY"])
def make():
    user = client.auth.admin.create_user({"email": "ada@example.org"})
    client.table("users").upsert({"id": user.id}, ignore_duplicates=True).execute()
"""
    (file,) = read(text, ending=".py")
    assert [(fill.on_conflict, fill.role, fill.unit) for fill in file.fills] == [("nothing", None, "make")]
    assert "make" in file.makers


@pytest.mark.parametrize(
    ("client", "role", "is_sure"),
    [
        ("const db = createClient(url, SERVICE_KEY)", None, True),
        ("const key = process.env.SUPABASE_SERVICE_ROLE_KEY; const db = createClient<Database>(url, key)", None, True),
        ("const db = createClient(url, process.env.NEXT_PUBLIC_SUPABASE_ANON_KEY)", "authenticated", True),
        ("await db.auth.signInWithPassword({ email })", "authenticated", True),
        ("await db.auth.admin.createUser({ email })", None, True),
        ("await db.auth.signUp({ email })", None, False),
        ("", None, False),
    ],
)
def test_whose_rights_a_client_has(client: str, role: str | None, is_sure: bool) -> None:
    assert fills(f"{client}; await db.from('users').insert({{ id }})") == [("public.users", role, is_sure)]


def test_somebody_who_signs_in_is_a_role() -> None:
    (file,) = read("await db.auth.signInWithPassword({ email })")
    assert file.roles == {"authenticated"}


@pytest.mark.parametrize(
    "call",
    [
        "db.auth.signUp({ email, password })",
        "db.auth.admin.createUser({ email })",
        "db.auth.admin.inviteUserByEmail(email)",
        "db.auth.signInAnonymously()",
    ],
)
def test_accounts_that_the_service_makes(call: str) -> None:
    (file,) = read(f"async function person() {{ await {call}; }}")
    assert file.makers == {"person"}
    assert file.fills == ()


def test_a_helper_of_another_file_makes_the_account() -> None:
    helpers = "export async function createUser(db) { return (await db.auth.admin.createUser({})).data.user }"
    test = (
        ADMIN
        + "test('x', async () => { const u = await createUser(admin); await admin.from('users').insert({ id: u.id }) })"
    )
    assert [file.makers for file in read(helpers, test)] == [{"createUser"}, {'test "x"'}]


@pytest.mark.parametrize(
    "text",
    [
        "jest.mock('@supabase/supabase-js'); await db.from('users').insert({})",
        "vi.mock('../lib/supabase', () => ({})); await db.from('users').insert({})",
        "await mockClient.from('users').insert({})",
        "const db = { from: vi.fn() }; await db.from('users').insert({})",
        "expect(db.from('users').insert).toHaveBeenCalled()",
    ],
)
def test_clients_that_are_made_up_fill_nothing(text: str) -> None:
    assert fills(text) == []


def test_columns_of_several_rows() -> None:
    (file,) = read(
        ADMIN
        + "admin.from('users').insert([{ id: '1', name: null }, { id: '2', ...x }]); admin.from('users').insert(rows)"
    )
    assert [fill.values for fill in file.fills] == [{"id": ..., "name": None}, None]


# Anything


def test_marks_of_parameters_become_those_of_sql_in_the_same_room() -> None:
    assert readable("a %s %(n)s 100%% ::text :id '12:30'", is_python=True) == "a $1 $1    100%  ::text $1  '12:30'"
    assert readable("values (?, ?) a ? 'b'", is_python=False) == "values (0, 0) a 0 'b'"


@given(st.text(alphabet="a%(s)b:?'\" é$\n", max_size=40), st.booleans())
def test_the_room_stays_the_same(text: str, is_python: bool) -> None:
    assert len(readable(text, is_python=is_python)) == len(text)


_WORDS = (
    *("insert into users (id) values ('é')", "set role authenticated", "admin", ".from('users')", ".insert({", "})"),
    *(
        "auth.admin.createUser(",
        "`",
        "${",
        "}",
        "'",
        "await ",
        "(",
        ")",
        "\n",
        "def f():\n ",
        "f'",
        '"""',
        "😀",
        ";",
        "=",
    ),
)


@given(st.lists(st.sampled_from(_WORDS), max_size=14), st.sampled_from([".ts", ".tsx", ".py", ".js"]))
def test_no_program_ends_referee(words: list[str], ending: str) -> None:
    text = "".join(words)
    try:
        found = code_events(Source(f"a{ending}", text))
    except CodeSyntaxError:
        return
    for event in found:
        inner = event.event if isinstance(event, ByUser) else event
        assert 0 <= inner.start < inner.end <= len(text)


def test_the_kinds_of_events() -> None:
    found = code_events(Source("a.ts", "db.auth.signUp({}); db.auth.signInWithPassword({});"))
    assert [type(event) for event in found if not hasattr(event, "name")] == [Made, SignedIn]
