from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from referee.cli.main import main
from tests.cli.projects import CLEAN, SPLIT, write


def test_without_a_command_the_help_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "Commands:\n  check " in streams.err


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["check", "--help"], ["check", "-h"]])
def test_help_is_none(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith("Usage: referee")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chek"], 'referee: There is no command "chek". Did you mean "check"? See `referee --help`.\n'),
        (["qqq"], 'referee: There is no command "qqq". See `referee --help`.\n'),
        (["check", "--format", "xml"], "referee: Invalid value for '--format': 'xml' is not one of"),
        (["check", "a", "b"], "referee: Got unexpected extra argument (b). See `referee check --help`.\n"),
        (["check", ""], "referee: Invalid value for '[PATH]': it is empty. See `referee check --help`.\n"),
        (["fix", ""], "referee: Invalid value for '[PATH]': it is empty."),
        (["compare", ".", ""], "referee: Invalid value for 'RIGHT': it is empty."),
        (["snapshot", ""], "referee: Invalid value for '[SUBJECT]': it is empty."),
        (["lock", "--file", ""], "referee: Invalid value for '--file': it is empty."),
        (["init", ""], "referee: Invalid value for '[FOLDER]': it is empty."),
        (["check", "--output", ""], "referee: Invalid value for '--output': it is empty."),
        (["check", "--config", ""], "referee: Invalid value for '--config': it is empty."),
        (["check", "--db", ""], "referee: Invalid value for '--db': it is empty."),
        (["identities", "--db", ""], "referee: Invalid value for '--db': it is empty."),
        (["check", "--server", ""], "referee: Invalid value for '--server': it is empty."),
        (["check", "--postgres-bin", ""], "referee: Invalid value for '--postgres-bin': it is empty."),
        (
            ["check", "--statement-timeout", "0"],
            "referee: Invalid value for '--statement-timeout': a time must be more",
        ),
        (
            ["check", "--statement-timeout", "25d"],
            "referee: Invalid value for '--statement-timeout': \"25d\" is no time",
        ),
        (
            ["check", "--statement-timeout", "600h"],
            "referee: Invalid value for '--statement-timeout': a time must be l",
        ),
        (
            ["check", "--statement-timeout", "1e999"],
            "referee: Invalid value for '--statement-timeout': a time must be ",
        ),
        (["identities", "p", "--db", "postgresql:///x"], "referee: --db names the whole subject: leave out PATH."),
        (["check", "--formt", "json"], "referee: No such option '--formt'."),
        (["explain"], "referee: Missing argument 'RULE'."),
        (["check", "nowhere"], "referee: There is no file or folder nowhere. Name a Supabase project"),
        (["check", "--select", "splt"], 'referee: The option --select names no rule "splt".'),
        (["check", "--config", "gone.toml"], "referee: There is no file gone.toml."),
    ],
)
def test_what_goes_wrong_is_one_paragraph_on_stderr(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith(message)
    assert streams.err.count("\n") == 1


def test_a_current_folder_that_is_gone_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    file = write(CLEAN).absolute()
    Path("gone").mkdir()
    os.chdir("gone")
    Path("../gone").resolve().rmdir()
    for arguments in (["check"], ["identities", "."], ["check", "a.sql", "--format", "sarif"]):
        assert main(arguments) == 2
        assert capsys.readouterr().err.startswith("referee: The current folder does not exist any more.")
    assert main(["check", str(file), "--format", "github"]) == 0


def test_an_error_of_referee_itself_has_a_traceback_only_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a fault\nin two lines")

    write(CLEAN)
    monkeypatch.setattr("referee.workflow.check.check", fail)
    assert main(["check"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("referee: An error in referee itself: ZeroDivisionError: a fault")
    assert "Traceback" not in error
    assert main(["check", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "referee: There is not enough memory"),
        (OSError(28, "No space left on device"), "referee: The operating system refused: [Errno 28] No space"),
        (RecursionError("too deep"), "referee: An error in referee itself: RecursionError: too deep"),
    ],
)
def test_the_system_may_refuse(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    write(CLEAN)
    monkeypatch.setattr("referee.workflow.check.check", fail)
    assert main(["check"]) == 2
    assert capsys.readouterr().err.startswith(message)


def test_an_interruption_is_130_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    write(CLEAN)
    monkeypatch.setattr("referee.workflow.check.check", interrupt)
    assert main(["check"]) == 130
    assert "".join(capsys.readouterr()).strip() == ""


def test_an_interrupted_process_leaves_no_traceback() -> None:
    os.mkfifo("slow.sql")
    process = subprocess.Popen(
        [sys.executable, "-m", "referee", "check", "slow.sql"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:  # reading the pipe is where it waits
        try:
            writer = os.open("slow.sql", os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError:
            time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    os.close(writer)
    assert (process.returncode, out, err.strip()) == (130, b"", b"")


def test_a_reader_that_has_read_enough_gets_silence_and_the_status() -> None:
    tables = "".join(f"create table t{number} (owner uuid references auth.users (id));\n" for number in range(2000))
    write(SPLIT + tables)
    process = subprocess.Popen(
        [sys.executable, "-m", "referee", "check", "--verbose"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 1
    assert errors == b""


def test_a_terminal_that_knows_no_umlauts_gets_escapes() -> None:
    write('create table "bänd" (owner uuid references auth.users (id));')
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for format_, expected in (("text", rb"b\xe4nd"), ("json", "bänd".encode())):
        done = subprocess.run(
            [sys.executable, "-m", "referee", "check", "--format", format_], env=environment, capture_output=True
        )
        assert done.stderr == b""
        assert expected in done.stdout


def test_names_in_errors_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a\x1b[31m\n.sql").write_bytes(b"\xff")
    assert main(["check", "a\x1b[31m\n.sql"]) == 2
    assert "\x1b" not in capsys.readouterr().err
