"""The entry point. It answers ``--version`` before anything is loaded that takes time."""

from __future__ import annotations

import os
import sys


def main(arguments: list[str] | None = None) -> int:
    """Runs a command line and gives the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _open_streams()
    if arguments == ["--version"]:
        return _tell_version()
    import gc

    # A run makes its objects once and ends; collecting every few hundred of them costs a fifth of its time.
    gc.set_threshold(500_000, 20, 100)

    from referee.cli.run import run

    gc.freeze()
    return run(arguments)


def _tell_version() -> int:
    from referee import __version__

    try:
        print(f"referee {__version__}", flush=True)
    except BrokenPipeError:
        return 0
    except OSError:
        return 2
    return 0


def _open_streams() -> None:
    """Gives a process that was started without one of its streams one that leads nowhere: the status is its answer."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open to the end


def program() -> None:
    """The installed command: ``main`` with its status as the process's own."""
    import atexit

    status = main()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # whoever read has read enough
        pass
    except OSError:
        status = 2
    # Freeing a million objects one by one takes a tenth of a run; the system frees them all at once.
    os._exit(status)
