from __future__ import annotations

from dataclasses import replace

from referee.model.identity import Identities
from referee.model.names import Ref
from referee.model.origins import Origins
from referee.render.identities import render
from tests.render.diagnoses import CLEAN, FULL, IDENTITY, hostile

SCREEN = """\
Identity auth.users(id)
User references should point to public.users(id), by the vote of the existing keys (2 to
public.users(id), 1 to auth.users(id)).

Places are in supabase/migrations/1_baseline.sql.

Mirror public.users(id), likely
  name   1  it is named like a table of users
  write     something writes it
  no trigger of the database fills it

Wrong: 1 user reference, pointing elsewhere
  Table         Column     Place  Definition
  public.songs  edited_by  3      REFERENCES auth.users(id)

Right: 1 user reference, pointing to the canonical table
  Table         Column  Place  Definition
  public.bands  owner   2      REFERENCES public.users(id) ON DELETE CASCADE

Writes: where the database itself stores an identity, and the keys it reaches
  4  auth.uid()  in the trigger function public.stamp()
    public.songs.songs_edited_by_fkey  -> auth.users(id)  wrong
  auth.uid()  in the default of public.x.y
    no user reference

note: This comment suppresses nothing.
note: By the way.

Read bandbook: 1 file, 4 statements, 3 tables. Not known: 1 name that no file creates; 5 pieces of
SQL that are built at run time; 1 file or folder that was skipped (`referee check` lists them).
"""


def test_the_whole_screen() -> None:
    assert render(FULL) == SCREEN


def test_references_stand_in_the_order_of_their_lines() -> None:
    references = tuple(replace(reference, verdict="right") for reference in IDENTITY.references)
    text = render(replace(FULL, identities=Identities((replace(IDENTITY, references=references),))))
    assert text.index("public.bands  owner") < text.index("public.songs  edited_by")


def test_a_sync_trigger_is_named() -> None:
    trigger = Ref("trigger", "auth", "users", "on_sign_up")
    mirror = replace(IDENTITY.mirrors[0], synced_by=(trigger,))
    text = render(replace(FULL, identities=Identities((replace(IDENTITY, mirrors=(mirror,)),))))
    assert "  filled by auth.users.on_sign_up\n" in text


def test_several_files_are_named_from_their_common_folder() -> None:
    anchors = dict(FULL.origins.anchors)
    sources = dict(FULL.origins.sources)
    other = "supabase/migrations/2_songs.sql"
    sources[other] = replace(sources["supabase/migrations/1_baseline.sql"], path=other)
    key = IDENTITY.references[0].key.ref
    anchors[key] = anchors[key]._replace(path=other)
    text = render(replace(FULL, origins=Origins(sources=sources, anchors=anchors)))
    assert "Places are in supabase/migrations." in text
    assert "public.songs  edited_by  2_songs.sql:3  REFERENCES" in text
    assert "public.bands  owner   1_baseline.sql:2  REFERENCES" in text


def test_a_live_database_has_no_places() -> None:
    text = render(replace(FULL, origins=Origins()))
    assert "Places are in" not in text
    assert "public.songs  edited_by         REFERENCES auth.users(id)" in text


def test_without_an_identity_it_says_what_to_do() -> None:
    assert render(CLEAN) == (
        "There is no identity in bandbook: no table that could be its source was found. Name one with --source TABLE.\n"
    )


def test_hostile_names_steer_nothing() -> None:
    text = render(hostile())
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not any(line.startswith("::error") for line in text.splitlines())
