"""The keys of the configuration: each has a line in referee.toml, an option and an environment variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KeyKind = Literal["choice", "flag", "list", "pairs", "path"]


@dataclass(frozen=True, slots=True)
class Key:
    """One key. ``option`` takes one item of a list.

    ``default`` is TOML, or words where the default cannot be written down; then ``example`` is TOML.
    """

    name: str
    kind: KeyKind
    help: str
    option: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    default: str = "[]"
    example: str = ""

    @property
    def field(self) -> str:
        """The name of the attribute of Config."""
        return self.name.replace("-", "_")

    @property
    def default_in_words(self) -> str:
        """The default for people; empty where it is nothing."""
        return "" if self.default in ("[]", "{}") else self.default.strip('"')

    @property
    def variable(self) -> str:
        """The environment variable. It holds a list with commas, pairs as ``a=b,c=d``."""
        return f"REFEREE_{self.field.upper()}"


KEYS = (
    Key(
        "platform",
        "choice",
        "The host of the database. auto: supabase if the files look like it, else plain.",
        "--platform",
        choices=("auto", "supabase", "plain"),
        default='"auto"',
    ),
    Key(
        "sources",
        "list",
        'The tables that own an identity, as "table" or "table(column)"; ["none"] if there is none.',
        "--source",
        "TABLE",
        default="the platform's",
        example='["app.accounts(id)"]',
    ),
    Key(
        "canonical",
        "pairs",
        "The table that user references should point to, for one source or for all.",
        "--canonical",
        "[SOURCE=]TABLE",
        default="by vote",
        example='{ "auth.users" = "public.users(id)" }',
    ),
    Key(
        "select",
        "list",
        "Run these rules only.",
        "--select",
        "RULE",
        default="all",
        example='["split-identity-reference"]',
    ),
    Key("ignore", "list", "Leave these rules out.", "--ignore", "RULE", example='["unindexed-foreign-key"]'),
    Key(
        "severity",
        "pairs",
        "Give all findings of a rule another severity.",
        "--severity",
        "RULE=SEVERITY",
        choices=("error", "warning", "info"),
        default="{}",
        example='{ unsynced-mirror = "error" }',
    ),
    Key(
        "fail-on",
        "choice",
        "End with status 1 if a finding is at least this severe.",
        "--fail-on",
        choices=("error", "warning", "info", "never"),
        default='"warning"',
    ),
    Key(
        "baseline",
        "path",
        "A file of old findings, which are counted and not reported.",
        "--baseline",
        "FILE",
        default="none",
        example='"referee-baseline.json"',
    ),
    Key(
        "strict-gaps",
        "flag",
        "End with status 2 if anything could not be known. Files left out on purpose do not count.",
        "--strict-gaps",
        default="false",
    ),
    Key(
        "exclude",
        "list",
        "Leave out the files that match a pattern such as those of .gitignore.",
        "--exclude",
        "PATTERN",
        example='["**/seed_*.sql"]',
    ),
    Key(
        "all-files",
        "flag",
        "Read the .sql files too that the tool of the project would skip.",
        "--all-files",
        default="false",
    ),
    Key(
        "declarative",
        "flag",
        "Read the schema that a Supabase project declares instead of its migrations.",
        "--declarative",
        default="false",
    ),
    Key(
        "api-schemas",
        "list",
        "The schemas that the API serves, the one that requests use by default first.",
        "--api-schema",
        "SCHEMA",
        default="config.toml's",
        example='["public", "api"]',
    ),
    Key(
        "answers",
        "pairs",
        "Answers to the questions that fix asks, by the question's name.",
        "--answer",
        "QUESTION=ANSWER",
        default="{}",
        example="""{ "value public.users.role" = "'member'" }""",
    ),
    Key(
        "rows",
        "pairs",
        "Values for the rows that prove makes, as SQL, by table(column).",
        "--row",
        "TABLE(COLUMN)=SQL",
        default="{}",
        example="""{ "public.bands(name)" = "'The Examples'" }""",
    ),
    Key("cache", "flag", "Keep what each file contributes, for the next run.", "--cache", default="true"),
)

BY_NAME = {key.name: key for key in KEYS}
