"""The configuration of a run: options before environment before ``referee.toml`` or ``[tool.referee]``."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple

from referee import rules
from referee.errors import ConfigError, RefereeError, UsageError
from referee.model.finding import Severity
from referee.model.names import QName, Target
from referee.workflow.keys import BY_NAME, KEYS, Key
from referee.workflow.nearest import nearest

FILE_NAME = "referee.toml"

_NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_TABLE = re.compile(rf"\s*(?:(?P<schema>{_NAME})\s*\.\s*)?(?P<table>{_NAME})\s*(?:\(\s*(?P<column>{_NAME})\s*\)\s*)?")
_COMMA = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')
_EQUALS = re.compile(r'=(?=(?:[^"]*"[^"]*")*[^"]*$)')
_PREFIX = "REFEREE_"
# What follows the prefix. The last two are read where the folders are made.
_VARIABLES = (*(key.variable.removeprefix(_PREFIX) for key in KEYS), "CACHE_DIR", "TEMP_DIR")
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class Canonical(NamedTuple):
    """The table that references should point to. ``source`` is the identity it holds for; None for all."""

    source: Target | None
    target: Target


@dataclass(frozen=True)
class Config:
    """What a run was asked to do.

    ``sources`` is None for the platform's own; the columns of a Target are empty where only the table was named, and
    mean its primary key then. ``select`` is None for all rules. ``fail_on`` is None for never. ``exclude`` holds
    patterns relative to ``exclude_base``. ``api_schemas`` is None for what the project says. ``file`` is where it was
    read.
    """

    platform: Literal["auto", "supabase", "plain"] = "auto"
    sources: tuple[Target, ...] | None = None
    canonical: tuple[Canonical, ...] = ()
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, Severity] = field(default_factory=dict)
    fail_on: Severity | None = Severity.WARNING
    baseline: Path | None = None
    strict_gaps: bool = False
    exclude: tuple[str, ...] = ()
    exclude_base: Path = Path()
    all_files: bool = False
    declarative: bool = False
    api_schemas: tuple[str, ...] | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[QName, Mapping[str, str]] = field(default_factory=dict)
    cache: bool = True
    file: Path | None = None

    @property
    def rules(self) -> tuple[rules.Rule, ...]:
        """The rules to run."""
        return tuple(
            rule for rule in rules.ALL if (self.select is None or rule.id in self.select) and rule.id not in self.ignore
        )


class _Given(NamedTuple):
    """A value as it was given, and where: the beginning of a message about it. Its paths start from ``base``."""

    value: Any
    where: str
    base: Path
    error: type[RefereeError]


def read_config(
    path: str | os.PathLike[str] = ".",
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: str | os.PathLike[str] | None = None,
) -> Config:
    """The configuration for a project at ``path``.

    ``options`` maps fields of Config to what the command line said, None where it said nothing. ``environ`` is the
    environment, by default the process's own; an empty variable says nothing. ``file`` is the configuration file;
    without it the nearest one at or above ``path`` counts, not above the root of the repository. Raises ConfigError
    for a faulty file and UsageError for a faulty option and for a faulty or misspelt variable.
    """
    found = find_file(path) if file is None else Path(file)
    given: dict[str, _Given] = {}
    if found is not None:
        given.update(_from_file(found))
    given.update(_from_environment(os.environ if environ is None else environ))
    given.update(_from_options(options or {}))
    values = {BY_NAME[name].field: _READERS[name](BY_NAME[name], value) for name, value in given.items()}
    base = given["exclude"].base if "exclude" in given else Path()
    config = replace(Config(), **values, exclude_base=base, file=found)
    if not config.rules:
        ignore = given["ignore"]
        raise ignore.error(f"{ignore.where} leaves out every rule that is selected: nothing would be checked.")
    return config


def find_file(path: str | os.PathLike[str]) -> Path | None:
    """The nearest configuration file in the folder of ``path`` or above it, inside the repository."""
    start = Path(os.path.abspath(path))
    for folder in (start, *start.parents):
        own, project = folder / FILE_NAME, folder / "pyproject.toml"
        # A link that leads nowhere is a configuration that is missing. Folders that may not be entered hold nothing.
        if os.path.isfile(own) or os.path.islink(own):
            return own
        if os.path.isfile(project) and _table(project) is not None:
            return project
        if os.path.exists(folder / ".git"):
            return None
    return None


def parse_table(text: str) -> Target | None:
    """A table and perhaps its column as SQL writes them, in ``public`` if no schema is named; None for other text.

    >>> parse_table('Auth."Users"(id)')
    Target(table=QName(schema='auth', name='Users'), columns=('id',))
    """
    match = _TABLE.fullmatch(text)
    if match is None:
        return None
    schema = _fold(match["schema"]) if match["schema"] else "public"
    return Target(QName(schema, _fold(match["table"])), (_fold(match["column"]),) if match["column"] else ())


def _fold(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


# What was given


def _from_file(path: Path) -> Iterator[tuple[str, _Given]]:
    name, text = _named(path), _text(path)
    for key, value in (_table(path) or {}).items():
        where = name + _line_of(key, text)
        if key not in BY_NAME:
            known = ", ".join(BY_NAME)
            hint = f" In {FILE_NAME} the keys stand without [tool.referee]." if key == "tool" else nearest(key, BY_NAME)
            raise ConfigError(f'{where}: there is no key "{key}".{hint} The keys are {known}.')
        yield key, _Given(value, f'{where}: "{key}"', path.parent, ConfigError)


def _table(path: Path) -> Mapping[str, Any] | None:
    """What a file says of referee; None for a pyproject.toml that says nothing of it."""
    text = _text(path)
    if path.name != "pyproject.toml":
        return _parsed(path, text)
    if "referee" not in text:
        return None
    tools = _parsed(path, text).get("tool")
    table = tools.get("referee") if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ConfigError(f"{_named(path)}: tool.referee must be a table; write its keys below [tool.referee].")
    return table


def _named(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no file {_named(path)}. Check the path, or make one with `referee init`."
        ) from error
    except OSError as error:
        raise ConfigError(f"{_named(path)} could not be read: {error.strerror or error}.") from error
    if path.name == "pyproject.toml" and b"referee" not in data:
        return ""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{_named(path)} is not text in UTF-8. Save it as UTF-8.") from error


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{_named(path)} is not valid TOML: {error}.") from error


def _line_of(key: str, text: str) -> str:
    match = re.search(rf"^[ \t]*(?:\[[\w.\- ]*)?[\"']?{re.escape(key)}[\"']?[ \t]*[=.\]]", text, re.MULTILINE)
    return "" if match is None else f", line {text.count(chr(10), 0, match.start()) + 1}"


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, _Given]]:
    _refuse_misspelt(environ)
    for key in KEYS:
        # Build services set variables that nobody filled to nothing; that must not select no rule.
        if value := environ.get(key.variable):
            yield key.name, _Given(value, f"The variable {key.variable}", Path(), UsageError)


def _refuse_misspelt(environ: Mapping[str, str]) -> None:
    """Raises UsageError for a variable that is nearly one of referee's. What resembles none is somebody else's."""
    for name, value in environ.items():
        if not value or not name.startswith(_PREFIX) or (word := name.removeprefix(_PREFIX)) in _VARIABLES:
            continue
        if close := get_close_matches(word, _VARIABLES, n=1, cutoff=0.75):
            raise UsageError(
                f"There is no variable {name}. Did you mean {_PREFIX}{close[0]}? Rename it, or remove it from the "
                "environment."
            )


def _from_options(options: Mapping[str, object]) -> Iterator[tuple[str, _Given]]:
    for key in KEYS:
        value = options.get(key.field)
        if isinstance(value, tuple):  # `--source "$SOURCE"` says no more than a variable that nobody filled
            value = tuple([text for text in value if not isinstance(text, str) or text.strip()])
        if value is not None and value != ():
            yield key.name, _Given(value, f"The option {key.option}", Path(), UsageError)


# How each kind of key is read


def _choice(key: Key, given: _Given) -> str:
    if given.value not in key.choices:
        raise given.error(f"{given.where} must be one of {', '.join(key.choices)}; it is {_shown(given.value)}.")
    return str(given.value)


def _fail_on(key: Key, given: _Given) -> Severity | None:
    choice = _choice(key, given)
    return None if choice == "never" else Severity[choice.upper()]


def _flag(key: Key, given: _Given) -> bool:
    if isinstance(given.value, bool):
        return given.value
    word = given.value.strip().lower() if isinstance(given.value, str) and given.error is UsageError else ""
    if word not in _YES + _NO:
        raise given.error(f"{given.where} must be true or false; it is {_shown(given.value)}.")
    return word in _YES


def _list(key: Key, given: _Given) -> tuple[str, ...]:
    value = given.value
    if isinstance(value, str) and given.error is UsageError:
        value = (value,)
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise given.error(f"{given.where} must be a list of texts; it is {_shown(value)}.")
    if given.error is UsageError:
        value = [part for item in value for part in _COMMA.split(item)]
    return tuple(item.strip() for item in value if item.strip())


def _pairs(key: Key, given: _Given) -> Iterator[tuple[str, str]]:
    """The pairs; the first is empty where a value stands alone."""
    if isinstance(given.value, Mapping):
        if not all(isinstance(value, str) for value in given.value.values()):
            raise given.error(f"{given.where} must map texts to texts; it is {_shown(given.value)}.")
        yield from given.value.items()
        return
    is_one_text = isinstance(given.value, str) and given.error is ConfigError
    for text in (given.value,) if is_one_text else _list(key, given):
        *left, right = _EQUALS.split(text, maxsplit=1)
        yield (left[0].strip() if left else ""), right.strip()


def _path(key: Key, given: _Given) -> Path:
    if not isinstance(given.value, str | Path) or not str(given.value) or "\0" in str(given.value):
        raise given.error(f"{given.where} must be the path of a file; it is {_shown(given.value)}.")
    return given.base / given.value


def _rules(key: Key, given: _Given) -> tuple[str, ...]:
    return tuple(check_rule(name, given.where, given.error) for name in _list(key, given))


def _select(key: Key, given: _Given) -> tuple[str, ...] | None:
    return _rules(key, given) or None  # to run no rule at all is nobody's wish


def check_rule(name: str, where: str = "", error: type[RefereeError] = UsageError) -> str:
    """The name, if a rule has it. Raises ``error`` otherwise, with the nearest one."""
    known = [rule.id for rule in rules.ALL]
    if name in known:
        return name
    subject = f"{where} names" if where else "There is"
    raise error(f'{subject} no rule "{name}".{nearest(name, known)} `referee rules` lists them.')


def _severities(key: Key, given: _Given) -> Mapping[str, Severity]:
    found: dict[str, Severity] = {}
    for rule, severity in _pairs(key, given):
        if not rule:
            raise given.error(f"{given.where} needs a rule and a severity, such as unsynced-mirror=error.")
        if severity not in key.choices:
            choices = ", ".join(key.choices)
            raise given.error(f"{given.where}: the severity must be one of {choices}; it is {_shown(severity)}.")
        found[check_rule(rule, given.where, given.error)] = Severity[severity.upper()]
    return found


def _answers(key: Key, given: _Given) -> Mapping[str, str]:
    found = dict(_pairs(key, given))
    if "" in found:
        raise given.error(f'{given.where} needs a question and an answer, such as "value public.users.role"=1.')
    return found


def _rows(key: Key, given: _Given) -> Mapping[QName, Mapping[str, str]]:
    """SQL expressions by table and column."""
    found: dict[QName, dict[str, str]] = {}
    for place, value in _pairs(key, given):
        target = parse_table(place)
        if target is None or not target.columns or not value:
            raise given.error(
                f"{given.where} needs a column and an SQL expression for it, such as "
                f'"public.bands(name)" = "\'The Examples\'"; it has {_shown(place)}.'
            )
        found.setdefault(target.table, {})[target.columns[0]] = value
    return found


def _sources(key: Key, given: _Given) -> tuple[Target, ...]:
    names = _list(key, given)
    return () if names == ("none",) else tuple(_target(name, given) for name in names)


def _canonical(key: Key, given: _Given) -> tuple[Canonical, ...]:
    return tuple(
        Canonical(_target(source, given) if source else None, _target(target, given))
        for source, target in _pairs(key, given)
    )


def _target(text: str, given: _Given) -> Target:
    target = parse_table(text)
    if target is None:
        raise given.error(
            f"{given.where}: {_shown(text)} is no table; write it as schema.table or schema.table(column)."
        )
    return target


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


_READERS: Mapping[str, Any] = {
    "platform": _choice,
    "sources": _sources,
    "canonical": _canonical,
    "select": _select,
    "ignore": _rules,
    "severity": _severities,
    "fail-on": _fail_on,
    "baseline": _path,
    "strict-gaps": _flag,
    "exclude": _list,
    "all-files": _flag,
    "declarative": _flag,
    "api-schemas": _list,
    "answers": _answers,
    "rows": _rows,
    "cache": _flag,
}
