"""What must hold for people who sign up as people do: nobody fills a table by hand here.

Run it with `pytest examples/bandbook`. On the schema as it is, most of it fails; that is what tests are for.
"""

import pytest

from referee.errors import StatementError

AUTHORS = [
    ("public.user_profiles", "user_id"),
    ("public.bands", "created_by"),
    ("public.band_memberships", "user_id"),
    ("public.songs", "created_by"),
    ("public.songs", "last_modified_by"),
    ("public.song_groups", "created_by"),
    ("public.song_group_memberships", "added_by"),
    ("public.setlists", "created_by"),
    ("public.setlists", "last_modified_by"),
    ("public.shows", "created_by"),
    ("public.shows", "last_modified_by"),
    ("public.practice_sessions", "last_modified_by"),
    ("public.audit_log", "user_id"),
]


@pytest.mark.parametrize(("table", "column"), AUTHORS)
def test_whoever_is_stored_is_a_user(assert_references, table, column):
    assert_references(table, column, "public.users(id)")


@pytest.mark.parametrize("way", ["email", "email-link", "google", "github", "invitation", "administrator"])
def test_whoever_signs_up_is_a_user(sign_up, assert_mirrored, way):
    assert_mirrored(sign_up("Ada", by=way))


@pytest.fixture
def ada(sign_up):
    return sign_up("Ada")


@pytest.fixture
def band(ada, as_user):
    """Ada's band: created through the API, as the application does it."""
    as_user(ada).execute("insert into bands (name, created_by) values ('The Foreign Keys', %s)", [ada.id])
    [(band,)] = as_user(ada).execute("select id from bands")
    as_user(ada).execute(
        "insert into band_memberships (band_id, user_id, role) values (%s, %s, 'admin')", [band, ada.id]
    )
    return band


def test_a_song_is_its_inserters_whatever_the_client_says(ada, band, sign_up, as_user):
    ben = sign_up("Ben")
    as_user(ada).execute("insert into songs (band_id, title, created_by) values (%s, 'Cascade', %s)", [band, ben.id])
    assert as_user(ada).execute("select created_by from songs") == [(ada.id,)]


def test_a_job_leaves_the_last_editor_in_place(ada, band, as_user, as_service_role):
    as_user(ada).execute("insert into setlists (band_id, name) values (%s, 'Encore')", [band])
    as_user(ada).execute("update setlists set name = 'Late encore'")
    as_service_role().execute("update setlists set name = 'Last encore'")
    assert as_user(ada).execute("select name, last_modified_by from setlists") == [("Last encore", ada.id)]


def test_others_see_nothing_and_change_nothing(band, sign_up, as_user, as_anon):
    otis = as_user(sign_up("Otis"))
    for stranger in (otis, as_anon()):
        assert stranger.execute("select id from bands") == []
    with pytest.raises(StatementError, match="row-level security") as refused:
        otis.execute("insert into songs (band_id, title) values (%s, 'Take Five')", [band])
    assert refused.value.sqlstate == "42501"


def test_what_a_user_wrote_survives_the_account(ada, band, as_user, delete_user, assert_no_orphans):
    as_user(ada).execute("insert into songs (band_id, title) values (%s, 'No Action')", [band])
    as_user(ada).execute("update songs set title = 'Set Null'")
    delete_user(ada)
    assert_no_orphans()
