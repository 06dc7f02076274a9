from __future__ import annotations

import pytest

from referee.workflow.nearest import nearest

RULES = ("split-identity-reference", "unsafe-sync-trigger", "unsynced-mirror", "key-before-backfill", "unlinked-mirror")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("split-identity-referense", ' Did you mean "split-identity-reference"?'),
        ("split", ' Did you mean "split-identity-reference"?'),
        ("SPLIT_Identity", ' Did you mean "split-identity-reference"?'),
        ("uns", ' Did you mean "unsafe-sync-trigger" or "unsynced-mirror"?'),
        ("un", ' Did you mean "unsafe-sync-trigger", "unsynced-mirror" or "unlinked-mirror"?'),
        ("mirror", ' Did you mean "unsynced-mirror" or "unlinked-mirror"?'),
        ("unsynced-mirrors", ' Did you mean "unsynced-mirror"?'),
        ("backfill", ' Did you mean "key-before-backfill"?'),
        ("elephant", ""),
        ("ey", ""),
        ("", ""),
    ],
)
def test_what_may_have_been_meant(word: str, told: str) -> None:
    assert nearest(word, RULES) == told


def test_names_are_told_as_they_are_written() -> None:
    assert nearest("public.song", ["public.Songs", "public.bands"]) == ' Did you mean "public.Songs"?'


def test_one_letter_too_few_is_a_slip_and_no_beginning() -> None:
    assert nearest("public.song", ["public.song_groups", "public.songs"]) == ' Did you mean "public.songs"?'
