"""Stand-ins: what they promise to give, against values known from elsewhere."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from referee.platforms import SUPABASE
from referee.postgres.server import Server
from referee.postgres.session import FailedStatementError, Session
from tests.scripts import run


@pytest.fixture(scope="module")
def session(server: Server) -> Iterator[Session]:
    """A session in a database that has every stand-in."""
    with server.database() as name:
        everything = "".join(f'create extension if not exists "{extension}";' for extension in SUPABASE.stand_ins)
        assert run(server, name, everything).failures == ()
        with server.connect(name) as opened:
            opened.run("set search_path to public, extensions")
            yield opened


TEXT = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=200)
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(name=TEXT)
def test_uuids_from_names(session: Session, name: str) -> None:
    query = "select uuid_generate_v5(uuid_ns_url(), %s), uuid_generate_v3(uuid_ns_dns(), %s)"
    assert session.rows(query, [name, name]) == [
        (uuid.uuid5(uuid.NAMESPACE_URL, name), uuid.uuid3(uuid.NAMESPACE_DNS, name))
    ]


def test_uuids_from_the_clock(session: Session) -> None:
    ((one, two, random),) = session.rows("select uuid_generate_v1(), uuid_generate_v1mc(), uuid_generate_v4()")
    assert (one.version, two.version, random.version) == (1, 1, 4)
    assert abs(one.time - two.time) < 10_000_000  # a second, in steps of 100 ns
    assert abs(one.time - uuid.uuid1().time) < 600_000_000


@quick
@given(data=TEXT, key=TEXT, name=st.sampled_from(["md5", "sha224", "sha256", "sha384", "sha512"]))
def test_digests(session: Session, data: str, key: str, name: str) -> None:
    found = session.rows("select digest(%s::text, %s), hmac(%s::text, %s::text, %s)", [data, name, data, key, name])
    assert found == [
        (
            hashlib.new(name, data.encode()).digest(),
            hmac.new(key.encode(), data.encode(), name).digest(),
        )
    ]


def test_a_digest_that_is_missing_is_an_error(server: Server, session: Session) -> None:
    if "pgcrypto" not in server.stand_ins:
        pytest.skip("this server has the real one")
    with pytest.raises(FailedStatementError, match="No such hash algorithm"):
        session.value("select digest('x'::text, 'whirlpool')")


@pytest.mark.parametrize("kind", ["bf", "md5", "xdes", "des"])
def test_passwords_agree_with_their_own_hashes(session: Session, kind: str) -> None:
    query = "select crypt('right', h) = h, crypt('wrong', h) = h from (select crypt('right', gen_salt(%s))) as v (h)"
    assert session.rows(query, [kind]) == [(True, False)]


def test_what_was_encrypted_can_be_decrypted_with_the_same_key_only(session: Session) -> None:
    assert session.value("select pgp_sym_decrypt(pgp_sym_encrypt('ä', 'key'), 'key')") == "ä"
    with pytest.raises(FailedStatementError, match="Wrong key"):
        session.value("select pgp_sym_decrypt(pgp_sym_encrypt('ä', 'key'), 'other')")


def test_random_bytes(session: Session) -> None:
    assert session.rows("select length(gen_random_bytes(n)) from unnest(array[1, 16, 17, 1024]) as n") == [
        (1,),
        (16,),
        (17,),
        (1024,),
    ]
    with pytest.raises(FailedStatementError, match="Length not in range"):
        session.value("select gen_random_bytes(1025)")


def test_tokens(session: Session) -> None:
    token = session.value("select sign('{\"sub\":\"1\"}', 'secret', 'HS384')")
    assert session.rows("select payload ->> 'sub', valid from verify(%s, 'secret', 'HS384')", [token]) == [("1", True)]
    assert session.value("select valid from verify(%s, 'other', 'HS384')", [token]) is False


def test_secrets(session: Session) -> None:
    kept = session.value("select vault.create_secret('hush', 'key', 'a key')")
    session.rows("select vault.update_secret(%s, 'quiet')", [kept])
    assert session.rows("select name, decrypted_secret, description from vault.decrypted_secrets") == [
        ("key", "quiet", "a key")
    ]
    with pytest.raises(FailedStatementError, match="permission denied"):
        session.run("insert into vault.secrets (secret) values ('x')")


def test_jobs_are_written_down(session: Session) -> None:
    session.run("select cron.schedule('nightly', '0 3 * * *', 'select 1')")
    session.run("select cron.schedule('nightly', '30 seconds', 'select 2')")
    assert session.rows("select jobname, schedule, command, username from cron.job") == [
        ("nightly", "30 seconds", "select 2", "postgres")
    ]
    with pytest.raises(FailedStatementError) as failed:
        session.run("select cron.schedule('bad', 'now and then', 'select 1')")
    assert failed.value.sqlstate == "22023"
    with pytest.raises(FailedStatementError, match="permission denied for table job"):
        session.run("update cron.job set active = false")
    assert session.value("select cron.unschedule('nightly')") is True
    with pytest.raises(FailedStatementError, match="could not find valid entry for job 'nightly'"):
        session.run("select cron.unschedule('nightly')")


def test_requests_are_queued(session: Session) -> None:
    number = session.value("select net.http_post('https://example.org', '{\"a\": 1}')")
    assert session.value("select net.http_get('https://example.org')") == number + 1
    assert session.value("select status from http_get('https://example.org')") == 200


def test_queues(session: Session) -> None:
    session.run("select pgmq.create('Jobs')")
    assert session.value("select pgmq.send('Jobs', '{\"n\": 1}', '{\"h\": 1}'::jsonb)") == 1
    assert session.rows("select pgmq.send_batch('Jobs', array['2', '3']::jsonb[])") == [(2,), (3,)]
    assert session.rows("select msg_id, read_ct, message, headers from pgmq.read('Jobs', 60, 2)") == [
        (1, 1, {"n": 1}, {"h": 1}),
        (2, 1, 2, None),
    ]
    assert session.rows("select msg_id from pgmq.pop('Jobs')") == [(3,)]
    assert session.rows("select * from pgmq.read('Jobs', 60, 2)") == []
    assert session.value("select pgmq.archive('Jobs', 1)") is True
    assert session.value("select pgmq.delete('Jobs', 1)") is False
    assert session.rows("select queue_length, total_messages from pgmq.metrics('Jobs')") == [(1, 2)]
    assert session.value("select pgmq.purge_queue('Jobs')") == 1
    assert session.value("select pgmq.drop_queue('Jobs')") is True
    assert session.rows("select * from pgmq.list_queues()") == []


def test_documents_are_taken_as_valid(session: Session) -> None:
    assert session.value("select jsonb_matches_schema('{\"type\": \"string\"}', '1')") is True


def test_times_of_change(server: Server, database: str) -> None:
    """moddatetime is a contrib module, so the stand-in is for servers without; here the real one must do the same."""
    assert "moddatetime" not in server.stand_ins
    stand_in = SUPABASE.stand_ins["moddatetime"].source.text
    with server.connect(database) as session:
        session.run(
            f"{stand_in}; create table t (id int, changed timestamptz);"
            "create trigger touch before update on t for each row execute function moddatetime(changed);"
            "insert into t values (1); update t set id = 2"
        )
        assert session.value("select changed = now() or changed <= now() from t") is True


def test_everything_can_be_dropped(server: Server, database: str) -> None:
    names = sorted(server.stand_ins - {"pg_graphql"})
    create = "".join(f'create extension if not exists "{name}";' for name in names)
    drop = "".join(f'drop extension "{name}" cascade;' for name in names)
    assert run(server, database, create, drop, create).failures == ()
