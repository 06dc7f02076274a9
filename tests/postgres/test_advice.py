"""Advice for connections that fail: each of the driver's sayings, in the words that it uses."""

from __future__ import annotations

import pytest

from referee.postgres.advice import advise

DIRECT = {"host": "db.abcdefghijklmnopqrst.supabase.co", "port": "5432"}
POOLER = {"host": "aws-0-eu-central-1.pooler.supabase.com", "port": "5432"}
LOCAL = {"host": "127.0.0.1", "port": "5432"}

CASES = {
    "direct host without IPv6": (
        DIRECT,
        "connection failed: Network is unreachable\n\tIs the server running and accepting TCP/IP connections?",
        None,
        "IPv6",
    ),
    "direct host that does not resolve": (
        DIRECT,
        f"failed to resolve host '{DIRECT['host']}': [Errno -2] Name or service not known",
        None,
        "paused",
    ),
    "unknown to the pooler": (
        POOLER,
        "connection failed: FATAL:  Tenant or user not found",
        None,
        "postgres.<project ref>",
    ),
    "transaction pooler": (
        POOLER | {"port": "6543"},
        "server closed the connection unexpectedly",
        None,
        "session pooler on",
    ),
    "wrong password": (LOCAL, 'FATAL:  password authentication failed for user "postgres"', None, "%40"),
    "wrong password, by its state": (LOCAL, "authentication failed", "28P01", "PGPASSWORD"),
    "no password": (LOCAL, "connection failed: fe_sendauth: no password supplied", None, "~/.pgpass"),
    "server without TLS": (LOCAL, "server does not support SSL, but SSL was required", None, "sslmode=disable"),
    "server wants TLS": (
        LOCAL,
        'FATAL:  no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", no encryption',
        None,
        "sslmode=require",
    ),
    "certificate": (LOCAL, 'root certificate file "/root/.postgresql/root.crt" does not exist', None, "sslrootcert"),
    "no database": (LOCAL, 'FATAL:  database "app" does not exist', None, "last part of the URL"),
    "no role": (LOCAL, 'FATAL:  role "me" does not exist', None, "user's name"),
    "no connection left": (LOCAL, "FATAL:  sorry, too many clients already", None, "session pooler"),
    "starting up": (LOCAL, "FATAL:  the database system is starting up", "57P03", "try again"),
    "nobody listens": (
        LOCAL,
        'connection to server at "127.0.0.1", port 5432 failed: Connection refused',
        None,
        "54322",
    ),
    "no answer": (LOCAL, "connection timeout expired", None, "in time"),
    "socket path": (
        {"host": "/x"},
        'Unix-domain socket path "/x/.s" is too long (maximum 107 bytes)',
        None,
        "shorter path",
    ),
    "service": ({}, 'definition of service "app" not found', None, "pg_service.conf"),
    "unknown host": ({"host": "nowhere.example"}, "failed to resolve host 'nowhere.example'", None, "unknown"),
}


@pytest.mark.parametrize(("parameters", "said", "sqlstate", "advice"), CASES.values(), ids=CASES)
def test_advice(parameters: dict[str, str], said: str, sqlstate: str | None, advice: str) -> None:
    message = advise(said, sqlstate, parameters, "me@there/app")
    assert advice in message
    assert message.startswith("No connection to me@there/app: ")


@pytest.mark.parametrize(("parameters", "said", "sqlstate", "advice"), CASES.values(), ids=CASES)
def test_one_paragraph_of_whole_sentences(
    parameters: dict[str, str], said: str, sqlstate: str | None, advice: str
) -> None:
    message = advise(said, sqlstate, parameters, "me@there/app")
    assert "\n" not in message
    assert "FATAL" not in message
    assert ".." not in message.replace("...", "")
    assert message.endswith((".", ")"))


def test_the_same_saying_of_several_addresses_comes_once() -> None:
    said = "Multiple connection attempts failed. All failures were:\n- Connection refused\n- Connection refused"
    assert advise(said, None, LOCAL, "x").count("refused") == 1


def test_without_advice_the_servers_words_stand_alone() -> None:
    assert advise("FATAL:  the moon is full", None, LOCAL, "x") == "No connection to x: the moon is full."


def test_what_several_hosts_said_is_said_once() -> None:
    refused = 'connection to server at "{}", port 5432 failed: Connection refused'
    said = "\n".join(
        (
            f"connection failed: {refused.format('two')}",
            "Multiple connection attempts failed. All failures were:",
            f"- host: 'one', port: None, hostaddr: '1.2.3.4': connection failed: {refused.format('one')}",
            f"- host: 'two', port: None, hostaddr: '1.2.3.5': connection failed: {refused.format('two')}",
        )
    )
    told = advise(said, None, {"host": "one,two"}, "one:5432,two:5432")
    assert told.startswith(f"No connection to one:5432,two:5432: {refused.format('two')}; {refused.format('one')}. No ")
