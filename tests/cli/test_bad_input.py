"""Whatever is in the files: a right answer or one clear paragraph, never a traceback."""

from __future__ import annotations

import io
import json
import os
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from referee.cli.main import main
from tests.cli.projects import SPLIT, write

PIECES = [
    b"create table ",
    b"public.users (id uuid primary key);\n",
    b'"Org\'s"',
    b'"mem""bers"',
    b"references auth.users (id)",
    b"$$ begin new.x := auth.uid(); end $$",
    b"$a$",
    b"'",
    b'"',
    b"/*",
    b"*/",
    b"--",
    b"(",
    b")",
    b";",
    b",",
    b"\n",
    b"\r\n",
    b"\\restrict x\n",
    b"\\gexec\n",
    b"copy t from stdin;\n1\t2\n\\.\n",
    b"do ",
    b"create function f() returns trigger language plpgsql as ",
    b"create trigger t after insert on auth.users for each row execute function f();\n",
    b"create policy p on t using (auth.uid() = id);\n",
    b"alter table t add foreign key (id) references users;\n",
    b"drop table t cascade;\n",
    b":variable",
    b"-- referee: ignore[split-identity-reference]\n",
    b"-- +goose Down\n",
    "bänd 🎸".encode(),
    b"\xef\xbb\xbf",
    b"\xff",
    b"\0",
    b"\x1b[31m",
]


def run(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(list(arguments))
    return status, out.getvalue(), err.getvalue()


def check_everywhere(path: str) -> None:
    """One run for each format: the statuses agree, errors are one paragraph, and reports can be read."""
    statuses = set()
    for format_ in ("text", "json", "github", "sarif"):
        status, out, err = run("check", path, "--no-cache", "--format", format_)
        statuses.add(status)
        assert status in (0, 1, 2)
        assert "Traceback" not in err
        assert "error in referee itself" not in err
        assert err.count("\n") == (1 if status == 2 else 0), err
        assert "\x1b" not in err
        assert format_ in ("json", "sarif") or "\x1b" not in out
        if format_ in ("json", "sarif") and status != 2:
            json.loads(out)
    assert len(statuses) == 1
    status, _, err = run("identities", path, "--no-cache")
    assert (status, "error in referee itself" in err) == (2 if statuses == {2} else 0, False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=30))
def test_any_file(pieces: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.sql")
        path.write_bytes(b"".join(pieces))
        check_everywhere(str(path))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.binary(min_size=1, max_size=12).filter(lambda name: not set(name) & {0, 47} and name not in (b".", b"..")),
        st.sampled_from([b"", b"create table a ();", b"\xff", b"drop table a;"]),
        max_size=4,
    )
)
def test_any_file_names(files: dict[bytes, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, os.fsdecode(name + b".sql")).write_bytes(content)
        check_everywhere(folder)


@pytest.mark.parametrize(
    ("encoding", "status"),
    [("utf-8", 1), ("utf-8-sig", 1), ("utf-16", 1), ("utf-32", 1), ("utf-16-le", 2), ("cp037", 2)],
)
def test_encodings(encoding: str, status: int) -> None:
    Path("a.sql").write_bytes(("-- ä\n" + SPLIT).encode(encoding, "replace"))
    found, out, err = run("check", "a.sql", "--select", "split-identity-reference", "--format", "json")
    assert found == status
    if status == 1:
        (finding,) = json.loads(out)["findings"]
        assert (finding["location"]["line"], finding["location"]["column"]) == (8, 19)
    else:
        assert "Save the file as UTF-8" in err or "save it as UTF-8" in err


def test_an_empty_folder_and_a_cyclic_link() -> None:
    Path("empty").mkdir()
    assert run("check", "empty")[2].startswith("referee: empty holds no .sql file.")
    Path("loop").mkdir()
    Path("loop/loop").symlink_to(Path("loop").absolute())
    Path("loop/a.sql").symlink_to("a.sql")
    status, _, err = run("check", "loop")
    assert status == 2
    assert "loop/a.sql could not be read: it is a symbolic link that leads back to itself." in err


def test_a_data_dump_with_psql_commands() -> None:
    rows = "x'; drop table songs; $$ \\N\tä\n" * 20_000
    write(
        f"\\restrict key\nset search_path = '';\n{SPLIT}copy public.bands (owner) from stdin;\n{rows}\\.\n\n"
        "create table public.last (by uuid references auth.users (id));\n\\unrestrict key\n",
        "dump.sql",
    )
    status, out, _ = run("check", "dump.sql", "--format", "json", "--select", "split-identity-reference")
    assert status == 1
    assert [finding["object"] for finding in json.loads(out)["findings"]] == [
        "public.shows.shows_created_by_fkey",
        "public.last.last_by_fkey",
    ]


def test_a_function_of_ten_thousand_lines() -> None:
    body = "".join(f"  insert into public.bands (owner) values (auth.uid()); -- {number}\n" for number in range(10_000))
    write(SPLIT + f"create function f() returns void language plpgsql as $$\nbegin\n{body}end $$;\n")
    status, out, err = run("identities", "--format", "json")
    assert (status, err) == (0, "")
    assert len(json.loads(out)["identities"][0]["writes"]) == 10_000


@pytest.mark.parametrize(
    "grow",
    ["s := s || s", "s := format('%s%s', s, s)", "s := replace(s, ' ', '  ')"],
)
def test_a_loop_that_grows_without_end_is_not_followed_to_the_end(grow: str) -> None:
    # A few rounds more, and no machine has memory for it.
    write(f"do $$ declare s text := ' '; begin for i in 1..22 loop {grow}; end loop; execute s; end $$;")
    status, out, err = run("check", "--format", "json")
    assert (status, err) == (0, "")
    assert [gap["kind"] for gap in json.loads(out)["gaps"]] == ["dynamic-sql"]
