from __future__ import annotations

import codecs
import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.errors import ReadError
from referee.read.texts import decode, read_text

TEXT = 'create table "Bänd\'s 🎸" (id uuid);\r\n-- Ende\n'


def test_line_ends_and_every_character_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.sql"
    path.write_bytes(TEXT.encode())
    assert read_text(str(path), "a.sql") == TEXT


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_byte_order_mark_announces_the_encoding_and_becomes_a_space(mark: bytes, encoding: str) -> None:
    assert decode(mark + TEXT.encode(encoding), "a.sql") == " " + TEXT


@given(st.text().filter(lambda text: "\0" not in text and not text.startswith("\ufeff")))
def test_utf8_reads_as_it_was_written(text: str) -> None:
    assert decode(text.encode(), "a.sql") == text


@given(st.binary(), st.sampled_from([b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_BE]))
def test_any_bytes_are_text_or_an_error_that_names_the_file(data: bytes, mark: bytes) -> None:
    with contextlib.suppress(ReadError):
        assert "\0" not in decode(mark + data, "a.sql")
    with contextlib.suppress(UnicodeDecodeError):
        if "\0" not in data.decode() and not mark and data[:2] not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            assert decode(data, "a.sql").lstrip(" ") == data.decode().removeprefix("\ufeff").lstrip(" ")


def test_latin_1_is_refused_with_the_place_and_what_to_do() -> None:
    with pytest.raises(
        ReadError, match=r"a\.sql is not text in UTF-8: byte 7 \(line 2\) is 0xe4\. Save the file as UTF-8"
    ):
        decode("-- one\nä".encode("latin-1"), "a.sql")


def test_utf16_without_a_mark_is_refused_with_the_cause() -> None:
    with pytest.raises(ReadError, match="UTF-16 without a byte-order mark"):
        decode("select 1".encode("utf-16-le"), "a.sql")


def test_broken_utf16_is_refused() -> None:
    with pytest.raises(ReadError, match="not text in UTF-16-LE"):
        decode(codecs.BOM_UTF16_LE + b"a\0\0", "a.sql")


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.sql"
    path.symlink_to(path)
    with pytest.raises(ReadError, match="symbolic link that leads back to itself"):
        read_text(str(path), "a.sql")


def test_a_broken_link_names_what_it_points_to(tmp_path: Path) -> None:
    path = tmp_path / "a.sql"
    path.symlink_to("gone.sql")
    with pytest.raises(ReadError, match=r"symbolic link to gone\.sql, which does not exist"):
        read_text(str(path), "a.sql")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="a folder, not a file"):
        read_text(str(tmp_path), "x.sql")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_says_how_to_grant_it(tmp_path: Path) -> None:
    path = tmp_path / "a.sql"
    path.write_text("select 1")
    path.chmod(0)
    with pytest.raises(ReadError, match="no permission to read it"):
        read_text(str(path), "a.sql")


def test_permission_denied_says_how_to_grant_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ReadError, match=r"a\.sql could not be read: you have no permission to read it\. Grant it"):
        read_text("a.sql", "a.sql")
