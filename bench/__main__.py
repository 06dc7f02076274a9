"""Runs one benchmark, or every one: ``python -m bench [NAME [OPTIONS]]``; ``python -m bench NAME --help``.

Options without a name are those of ``check``.
"""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("check", "server", "catalog", "prove", "compare", "drift", "fix", "scan", "tests")


def main(arguments: list[str]) -> int:
    """The gravest exit status of what was run: 1 where a target was missed."""
    if arguments in (["-h"], ["--help"]):
        print(f"{(__doc__ or '').strip()}\n\nNAME is one of {', '.join(NAMES)}.")
        return 0
    if not arguments:
        return max([run(name, []) for name in NAMES])
    name, *options = arguments if not arguments[0].startswith("-") else ["check", *arguments]
    if name not in NAMES:
        print(f"There is no benchmark {name}; there are {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    return run(name, options)


def run(name: str, options: list[str]) -> int:
    """Runs one benchmark as if it had been called by itself."""
    sys.argv = [f"python -m bench {name}", *options]
    print(f"# {name}\n", flush=True)
    status = import_module(f"bench.{name}").main()
    print(flush=True)
    return int(status or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
