"""Diagnoses made by hand."""

from __future__ import annotations

from dataclasses import replace

from referee.model.change import Remedy, RetargetForeignKey
from referee.model.diagnosis import Diagnosis, Notice, Subject
from referee.model.finding import Confidence, Finding, LocatedNote, Problem, Severity
from referee.model.identity import Evidence, Identities, Identity, Mirror, Reference, Write
from referee.model.names import QName, Ref, Target
from referee.model.origins import Gap, Origins, Place
from referee.model.schema import ForeignKey, Schema
from referee.model.source import Location, Source, Span

FILE = "supabase/migrations/1_baseline.sql"
TEXT = """\
create table public.users (id uuid primary key);
create table public.bands (owner uuid references public.users (id));
create table public.songs (edited_by uuid references auth.users (id));
begin new.edited_by = auth.uid(); end
"""
SOURCE = Source(FILE, TEXT)

AUTH, USERS = Target(QName("auth", "users"), ("id",)), Target(QName("public", "users"), ("id",))
BANDS_KEY = ForeignKey(QName("public", "bands"), "bands_owner_fkey", ("owner",), USERS, on_delete="CASCADE")
SONGS_KEY = ForeignKey(QName("public", "songs"), "songs_edited_by_fkey", ("edited_by",), AUTH)
STAMP = Ref("function", "public", "stamp", "()")


def span(words: str) -> Span:
    start = TEXT.index(words)
    return Span(FILE, start, start + len(words))


def location(words: str) -> Location:
    return Location.of(span(words), SOURCE)


ORIGINS = Origins(
    sources={FILE: SOURCE},
    anchors={
        Ref("table", "public", "users"): span("public.users"),
        BANDS_KEY.ref: span("references public.users (id)"),
        SONGS_KEY.ref: span("references auth.users (id)"),
        STAMP: span("auth.uid()"),
    },
)

SPLIT = Finding(
    "split-identity-reference",
    Problem(
        object=SONGS_KEY.ref,
        cause="public.songs(edited_by) references auth.users(id), while the others point to public.users(id).",
        consequence="An insert is accepted here and refused elsewhere with 23503.",
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY,
        table=SONGS_KEY.table,
        columns=("edited_by",),
        target=AUTH,
        expected_target=USERS,
        remedy=Remedy(RetargetForeignKey(SONGS_KEY, USERS)),
    ),
    location("references auth.users (id)"),
    (
        LocatedNote("a right one", "public.bands.bands_owner_fkey", location("references public.users (id)")),
        LocatedNote("another file", "public.x", Location("other.sql", 7, 1, 7, 2)),
        LocatedNote("an object of the platform", "auth.users", None),
        LocatedNote("the last one", None, None),
    ),
    "0123456789abcdef",
)

IDENTITY = Identity(
    source=AUTH,
    mirrors=(
        Mirror(
            USERS.table,
            "id",
            Confidence.LIKELY,
            (
                Evidence("name", "it is named like a table of users", Place(Ref("table", "public", "users"))),
                Evidence("write", "something writes it"),
            ),
        ),
    ),
    canonical=USERS,
    decided_by="vote",
    votes=((USERS, 2), (AUTH, 1)),
    references=(Reference(SONGS_KEY, "edited_by", "wrong"), Reference(BANDS_KEY, "owner", "right")),
    writes=(
        Write("auth.uid()", "trigger", STAMP, Place(STAMP), ((SONGS_KEY.table, "edited_by"),), (SONGS_KEY,)),
        Write(
            "auth.uid()", "default", Ref("column", "public", "x", "y"), Place(Ref("column", "public", "x", "y")), (), ()
        ),
    ),
)

SUBJECT = Subject(
    "supabase", "bandbook", "supabase", files=1, statements=4, tables=3, rules=("split-identity-reference",)
)

GAPS = (
    *(Gap("dynamic-sql", f"EXECUTE number {number}", span("begin")) for number in range(5)),
    Gap("skipped-file", "supabase/migrations/fix.sql: not run", None),
    Gap("missing-object", "no file creates it", span("songs"), Ref("table", "public", "gone")),
)

CLEAN = Diagnosis(Schema(), Identities(), ORIGINS, (), (), SUBJECT)
FULL = Diagnosis(
    Schema(),
    Identities((IDENTITY,)),
    ORIGINS,
    (SPLIT,),
    GAPS,
    SUBJECT,
    suppressed=2,
    baselined=3,
    notices=(Notice("This comment suppresses nothing.", location("begin")), Notice("By the way.")),
)

HOSTILE = "Org's :: mem\"bers\n::error::x, org;id % 🎸 \x1b[31m\u202e"


def hostile() -> Diagnosis:
    """A diagnosis whose every name is a trap."""
    name = QName(HOSTILE, HOSTILE)
    key = ForeignKey(name, HOSTILE, (HOSTILE,), Target(name, (HOSTILE,)))
    text = f"-- {HOSTILE}\nreferences \x07{HOSTILE}"
    path = "a,b:c%d/Org's 🎸\n.sql"
    source = Source(path, text)
    at = Location.of(Span(path, text.index("references"), len(text)), source)
    problem = replace(
        SPLIT.problem,
        object=key.ref,
        table=name,
        columns=(HOSTILE,),
        cause=f"{HOSTILE} is wrong.",
        consequence=f"{HOSTILE} fails.",
        remedy=Remedy(RetargetForeignKey(key, key.target)),
    )
    finding = Finding(
        "split-identity-reference",
        problem,
        at,
        (LocatedNote(HOSTILE, HOSTILE, at), LocatedNote(HOSTILE, HOSTILE, None)),
        "",
    )
    place = Place(key.ref)
    identity = Identity(
        key.target,
        (Mirror(name, HOSTILE, Confidence.POSSIBLE, (Evidence("policy", HOSTILE, place),), key, (key.ref,)),),
        key.target,
        "default",
        ((key.target, 1),),
        (Reference(key, HOSTILE, "dual"),),
        (Write(HOSTILE, "function", key.ref, place, (), (key,)),),
    )
    return Diagnosis(
        Schema(),
        Identities((identity,)),
        Origins({path: source}, {key.ref: Span(path, 3, 9)}),
        (finding,),
        (Gap("syntax", HOSTILE, Span(path, 0, 5), key.ref),),
        replace(SUBJECT, name=HOSTILE),
        notices=(Notice(HOSTILE, at),),
    )
