"""Bandbook as the example has it, and as it looks when its faults are cured one after the other.

Each variant is derived from the files of ``examples/bandbook`` by exact replacements: one that no longer fits raises,
so a change of the example cannot leave a variant behind.

    broken                    the example itself
    retargeted                the six wrong keys reference public.users; nothing fills it yet
    synced                    a trigger fills public.users; the six keys are wrong as before
    fixed                     both, and the test helper leaves public.users to the trigger
    fixed_with_identity_key   fixed, and public.users goes with its account
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal, get_args

Variant = Literal["broken", "retargeted", "synced", "fixed", "fixed_with_identity_key"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)

PROJECT = Path(__file__).parent.parent / "examples" / "bandbook"
BASELINE = Path("supabase/migrations/20251106000000_baseline_schema.sql")
HELPERS = Path("supabase/tests/000-setup-test-helpers.sql")

MIRROR_LINES = range(45, 54)
"""Where public.users is defined."""

WRONG_LINES = {
    147: ("songs", "last_modified_by"),
    195: ("setlists", "last_modified_by"),
    228: ("shows", "created_by"),
    232: ("shows", "last_modified_by"),
    257: ("practice_sessions", "last_modified_by"),
    344: ("audit_log", "user_id"),
}
"""The user references that point to auth.users: table and column by line."""

RIGHT_LINES = {
    58: ("user_profiles", "user_id"),
    74: ("bands", "created_by"),
    85: ("band_memberships", "user_id"),
    101: ("songs", "created_by"),
    159: ("song_groups", "created_by"),
    169: ("song_group_memberships", "added_by"),
    183: ("setlists", "created_by"),
}
"""The user references that point to public.users: table and column by line."""

WRITE_LINES = {
    467: "NEW.last_modified_by = auth.uid();",
    486: "NEW.last_modified_by = auth.uid();",
    504: "NEW.created_by = auth.uid();",
}
"""Where a trigger function writes the session's user into a key."""

SYNC_TRIGGER = """\

-- Every account has its row here from the moment it exists, whoever creates it and however. Later sign-ins are seen as
-- updates of the account.
CREATE OR REPLACE FUNCTION public.handle_new_user()
RETURNS TRIGGER
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public
AS $$
BEGIN
  INSERT INTO public.users (id, email, name, created_date, last_login, auth_provider)
  VALUES (
    NEW.id,
    NEW.email,
    COALESCE(NEW.raw_user_meta_data->>'name', split_part(NEW.email, '@', 1)),
    NEW.created_at,
    NOW(),
    COALESCE(NEW.raw_app_meta_data->>'provider', 'email')
  )
  ON CONFLICT (id) DO UPDATE SET last_login = NOW();
  RETURN NEW;
END;
$$;

CREATE TRIGGER on_auth_user_created
  AFTER INSERT OR UPDATE ON auth.users
  FOR EACH ROW EXECUTE FUNCTION public.handle_new_user();
"""
"""What the project did about it when the fault was found. It is meant to be as good as that fix was, not better."""

_MASKING_INSERT = """\
  INSERT INTO public.users (id, email, name)
  VALUES (person, address, name)
  ON CONFLICT (id) DO NOTHING;

"""


def read(path: Path) -> str:
    """The text of one of the example's files, by its path below the project."""
    return (PROJECT / path).read_text(encoding="utf-8")


def migration(variant: Variant) -> str:
    """The text of the variant's baseline migration."""
    lines = read(BASELINE).splitlines(keepends=True)
    if variant in ("retargeted", "fixed", "fixed_with_identity_key"):
        for line in WRONG_LINES:
            lines[line - 1] = _replaced(lines[line - 1], "REFERENCES auth.users(id)", "REFERENCES public.users(id)")
    if variant == "fixed_with_identity_key":
        key = "id UUID PRIMARY KEY REFERENCES auth.users(id) ON DELETE CASCADE,"
        lines[MIRROR_LINES[1] - 1] = _replaced(lines[MIRROR_LINES[1] - 1], "id UUID PRIMARY KEY,", key)
    if variant in ("synced", "fixed", "fixed_with_identity_key"):
        lines[MIRROR_LINES[-1] - 1] = _replaced(lines[MIRROR_LINES[-1] - 1], ");\n", ");\n" + SYNC_TRIGGER)
    return "".join(lines)


def helpers(variant: Variant) -> str:
    """The text of the variant's test helpers."""
    text = read(HELPERS)
    if variant in ("fixed", "fixed_with_identity_key"):
        text = _replaced(text, _MASKING_INSERT, "")
    return text


def write_project(variant: Variant, folder: Path) -> Path:
    """Write the whole project into a new folder; returns that folder. Raises FileExistsError where it exists."""
    shutil.copytree(PROJECT, folder)
    (folder / BASELINE).write_text(migration(variant), encoding="utf-8")
    (folder / HELPERS).write_text(helpers(variant), encoding="utf-8")
    return folder


def line_in(variant: Variant, line: int) -> int:
    """Where a line of the example's migration stands in the variant's; both counted from 1."""
    moved = variant not in ("broken", "retargeted") and line > MIRROR_LINES[-1]
    return line + SYNC_TRIGGER.count("\n") if moved else line


def _replaced(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise ValueError(f"{old!r} occurs {text.count(old)} times, not once, in {text!r}")
    return text.replace(old, new)
