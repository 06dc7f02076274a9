from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

import referee
from referee.cli.main import main
from tests.cli.projects import SPLIT, write


def cpu_seconds(*arguments: str) -> float:
    """CPU time of the fastest of ten runs of Python with these arguments."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(10))


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"referee {referee.__version__}\n"


def test_the_version_is_the_same_in_company(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version", "check"]) == 0
    assert capsys.readouterr().out == f"referee {referee.__version__}\n"


def test_the_version_costs_at_most_five_times_an_empty_program() -> None:
    assert cpu_seconds("-m", "referee", "--version") <= 5 * cpu_seconds("-c", "pass")


def test_the_version_loads_nothing_that_takes_time() -> None:
    code = (
        "import sys; from referee.cli.main import main; main(['--version']); "
        "print(sorted({'click', 'rich', 'msgspec', 'typing', 'dataclasses'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[1] == "[]"


PROGRAM = "from referee.cli.main import program; program()"


@pytest.mark.parametrize(
    ("arguments", "closed", "status"),
    [
        (["check"], ">&-", 1),
        (["check"], ">&- 2>&- <&-", 1),
        (["check", "nowhere"], "2>&-", 2),
        (["check"], ">/dev/full", 2),
        (["rules"], ">&-", 0),
        (["--version"], ">&-", 0),
        (["--version"], ">/dev/full", 2),
    ],
)
def test_without_its_streams_the_status_is_the_answer(arguments: list[str], closed: str, status: int) -> None:
    write(SPLIT)
    shell = ["sh", "-c", f'"$@" {closed}', "sh", sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(shell, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False)


def test_python_m_referee_is_referee() -> None:
    write(SPLIT)
    done = subprocess.run(
        [sys.executable, "-m", "referee", "check", "--fail-on", "error"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "split-identity-reference" in done.stdout


def test_the_library_has_the_two_functions_and_no_more() -> None:
    write(SPLIT)
    assert any(finding.rule == "split-identity-reference" for finding in referee.check(".").findings)
    assert [str(identity.canonical) for identity in referee.identities(Path()).identities.all] == ["public.users(id)"]
    with pytest.raises(AttributeError, match="has no attribute 'chekc'"):
        referee.chekc  # type: ignore[attr-defined]  # noqa: B018
