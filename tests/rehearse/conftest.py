"""Rehearsals that several tests look at: each variant of bandbook is rehearsed once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from referee.model.rehearsal import Rehearsal
from referee.workflow.config import Config
from referee.workflow.prove import Proof, Wish, prove
from tests import bandbook
from tests.bandbook import Variant

Rehearse = Callable[..., Rehearsal]


@pytest.fixture(scope="session")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Variant], Proof]:
    """The whole proof of a variant of bandbook."""

    @cache
    def proof(variant: Variant) -> Proof:
        folder = tmp_path_factory.mktemp("bandbook") / variant
        return prove(bandbook.write_project(variant, folder), Config(cache=False))

    return proof


@pytest.fixture
def rehearse(tmp_path: Path) -> Rehearse:
    """Rehearses a project that consists of migrations given as texts."""

    def run(*migrations: str, only: tuple[str, ...] = (), races: bool = False, **wish: object) -> Rehearsal:
        folder = tmp_path / "supabase" / "migrations"
        folder.mkdir(parents=True)
        for number, text in enumerate(migrations, 1):
            (folder / f"2026010100000{number}_part.sql").write_text(text, encoding="utf-8")
        return prove(tmp_path, Config(cache=False), Wish(only, races, **wish)).rehearsals[0]  # type: ignore[arg-type]

    return run
