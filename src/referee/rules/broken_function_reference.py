from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from referee.model.finding import Confidence, Note, Problem, Severity
from referee.model.identity import Identities
from referee.model.names import FunctionName, QName, Ref
from referee.model.origins import Place
from referee.model.schema import Function, Schema, Trigger
from referee.rules._firing import pursuits
from referee.rules._names import Mentions, NameFault, mentions_of, missing_fields, uses_row
from referee.rules._nulls import NEVER, Facts, Name
from referee.rules._troubles import Names, catches, describe_missing, describe_path
from referee.rules._walk import Reach, Walk
from referee.rules.base import Rule
from referee.sql.bodies import read_body
from referee.sql.resolve import effective_path, resolve_function
from referee.sql.tree import Body, Handler, Step

_FIRING = ("origin", "always")
_EXAMPLES = 3
# Whoever asks the catalog whether a table is there expects that it may not be.
_ASKS_CATALOG = re.compile(r"information_schema|pg_catalog|pg_tables|pg_class|to_reg(?:class|proc|type)", re.IGNORECASE)


class BrokenFunctionReference(Rule):
    """
    A trigger function that names a table, column, function or type that does not exist.

    ## Why it fails
    Postgres does not look into the body of a PL/pgSQL function when it is created, nor when a table or a column that
    the body names is renamed or dropped. The error comes when the statement runs, and as the function belongs to a
    trigger, every write that fires it fails: 42P01 for a table, 42703 for a column or for a field of NEW and OLD,
    42883 for a function, 42P10 for ON CONFLICT without a unique constraint to match. A function with a search_path of
    its own that does not reach a name is just as broken. `supabase db lint` leaves trigger functions out.

    ## Wrong
    ```sql
    create table public.songs (id uuid primary key, title text);
    create table public.changes (song_id uuid, changed_at timestamptz);
    create function public.touch() returns trigger language plpgsql set search_path = '' as $$
    begin
      new.updated_at := now();  -- finding
      insert into public.changes (song, changed_at) values (new.id, now());  -- finding
      insert into public.history (song_id) values (new.id);  -- finding
      return new;
    end $$;
    create trigger touch before update on public.songs for each row execute function public.touch();
    ```
    ## Right
    ```sql
    create table public.songs (id uuid primary key, title text, updated_at timestamptz);
    create table public.changes (song_id uuid, changed_at timestamptz);
    create function public.touch() returns trigger language plpgsql set search_path = '' as $$
    begin
      new.updated_at := now();
      insert into public.changes (song_id, changed_at) values (new.id, now());
      return new;
    end $$;
    create trigger touch before update on public.songs for each row execute function public.touch();
    ```
    ## When it is deliberate
    A function that serves databases with and without a table asks the catalog first; such statements are left out,
    and so are tables that the function itself creates, and names that an extension may bring.

    ## Severity and confidence
    An error; a warning where the function swallows the error and so does nothing instead. Columns and fields are
    certain where the statement is reached without a condition. Tables, functions and types are likely, since they may
    come from a script that referee was not shown; so is what a table lacks, where a statement about it was not
    understood, SQL was built at run time, or some of the migrations are programs. Where such a program names the table,
    or what is missing, it is no more than possible.
    """

    severity = Severity.ERROR
    misses_something = True

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        told = {
            fault.function
            for _, pursuit in pursuits(schema, identities)
            for fault in pursuit.faults
            if fault.trouble.name == "unresolved-name"
        }
        writer_paths = {identity.source.table: identity.writer.search_path for identity in identities.all}
        api_path = next((identity.writer.api_path for identity in identities.all), ("public",))
        search = _Search(schema, frozenset(told), writer_paths, api_path)
        search.run()
        for breaches in _together(search.breaches.values()):
            yield _problem(identities, breaches)


@dataclass
class _Breach:
    """A name that a function breaks on, and the triggers in which it does."""

    function: Function
    fault: NameFault
    sure: bool
    caught: bool
    path: tuple[str, ...]
    events: set[str] = field(default_factory=set)
    triggers: dict[Ref, Trigger] = field(default_factory=dict)


class _Search:
    """Looks into every function that a trigger runs, and into the functions that those call."""

    def __init__(
        self,
        schema: Schema,
        told: frozenset[Ref],
        writer_paths: dict[QName, tuple[str, ...]],
        api_path: tuple[str, ...],
    ) -> None:
        self.schema = schema
        self.told = told
        self.writer_paths = writer_paths
        self.api_path = api_path
        self.own_names = frozenset(name.name for name in schema.functions if not schema.is_managed(name.schema))
        self.breaches: dict[tuple[FunctionName, str, str], _Breach] = {}
        self._visited: set[tuple[FunctionName, tuple[str, ...], bool, tuple[Handler, ...]]] = set()

    def run(self) -> None:
        for name, triggers in self.schema.triggers_by_function.items():
            function = self.schema.functions.get(FunctionName(*name))
            firing = [trigger for trigger in triggers if trigger.enabled in _FIRING]
            if function is not None and function.language == "plpgsql" and firing and not self._is_managed(function):
                self._visited.clear()
                path = effective_path(function, self.writer_paths.get(firing[0].table, self.api_path))
                said = self._mentions(function)
                self._look_into(function, said, path, firing)
                self._look_at_rows(function, said, firing)

    def _is_managed(self, function: Function) -> bool:
        return self.schema.is_managed(function.name.schema)

    def _look_into(
        self,
        function: Function,
        said: list[Mentions],
        path: tuple[str, ...],
        triggers: list[Trigger],
        around: frozenset[FunctionName] = frozenset(),
        sure: bool = True,
        catchers: tuple[Handler, ...] = (),
    ) -> None:
        """Notes the names in a function that lead nowhere, and goes on into what it calls.

        ``around`` are the functions that have called it, ``sure`` whether they do so without a condition, ``catchers``
        the EXCEPTION sections around the calls.
        """
        body = read_body(function.language, function.body)
        names = Names(self.schema, function, body, path)
        for fault in names.of_variables():
            self._note(_Breach(function, fault, sure, _is_caught(catchers, fault), path), triggers)
        missing = {index: faults for index, each in enumerate(said) if (faults := names.of_step(each))}
        for event in _events(triggers) if missing else ():
            fired = [trigger for trigger in triggers if event in trigger.events]
            for index, step, reached in _reached(body, _facts(event, fired[0] if len(fired) == 1 else None)):
                for fault in missing.get(index, ()):
                    caught = _is_caught((*catchers, *_handlers(body, step)), fault)
                    self._note(_Breach(function, fault, sure and reached, caught, path, {event}), fired)
        inside = around | {function.name}
        for each in said:
            step = each.step
            for called in self._called(each, path):
                plain = sure and not step.guards and not step.in_loop
                within = (*catchers, *_handlers(body, step))
                visit = (called.name, path, plain, within)
                if called.name not in inside and step.in_handler < 0 and visit not in self._visited:
                    self._visited.add(visit)
                    inner = self._mentions(called)
                    self._look_into(called, inner, effective_path(called, path), triggers, inside, plain, within)

    def _mentions(self, function: Function) -> list[Mentions]:
        return [mentions_of(step) for step in read_body(function.language, function.body).steps]

    def _called(self, said: Mentions, path: tuple[str, ...]) -> Iterator[Function]:
        """The project's functions that a step calls, where there is no doubt which."""
        for call in said.calls:
            if call.name not in self.own_names:
                continue
            found = resolve_function(self.schema, path, call).functions
            if len(found) == 1 and found[0].language in ("plpgsql", "sql") and not self._is_managed(found[0]):
                yield found[0]

    def _look_at_rows(self, function: Function, said: list[Mentions], triggers: list[Trigger]) -> None:
        """Notes the fields of NEW and OLD that the tables of the triggers lack."""
        used = [(index, each) for index, each in enumerate(said) if uses_row(each)]
        if not used:
            return
        body = read_body(function.language, function.body)
        for trigger in triggers:
            table = self.schema.table(trigger.table)
            if table is None or not table.columns or self.schema.is_managed(trigger.table.schema):
                continue
            missing = {index: faults for index, each in used if (faults := [*missing_fields(table, each)])}
            for event in sorted(trigger.events) if missing else ():
                for index, step, sure in _reached(body, _facts(event, trigger)):
                    for fault in missing.get(index, ()):
                        caught = _is_caught(_handlers(body, step), fault)
                        self._note(_Breach(function, fault, sure, caught, (), {event}), [trigger])

    def _is_path_known(self, function: Function, triggers: list[Trigger]) -> bool:
        """Whether it is certain where a function's names are looked up, and no other rule tells what comes of it."""
        own = function.search_path is not None or all(trigger.table in self.writer_paths for trigger in triggers)
        return own and function.ref not in self.told

    def _note(self, breach: _Breach, triggers: list[Trigger]) -> None:
        function, fault = breach.function, breach.fault
        if fault.kind == "astray" or (fault.elsewhere and not self._is_path_known(function, triggers)):
            return
        if fault.is_bare_table and any(_may_have_transition_tables(trigger) for trigger in triggers):
            return
        known = self.breaches.setdefault((function.name, fault.kind, fault.text), breach)
        known.sure, known.caught = known.sure or breach.sure, known.caught and breach.caught
        known.events |= breach.events
        for trigger in triggers:
            known.triggers.setdefault(trigger.ref, trigger)


def _may_have_transition_tables(trigger: Trigger) -> bool:
    """Whether REFERENCING may have given the trigger tables of its own, of which a schema does not tell."""
    return trigger.timing == "AFTER" and trigger.level == "statement"


def _events(triggers: list[Trigger]) -> list[str]:
    return sorted({event for trigger in triggers for event in trigger.events})


def _facts(event: str, trigger: Trigger | None) -> Facts:
    """What a function knows of the event, and of the trigger where it is only one, that fires it."""
    words: dict[Name, str] = {("tg_op",): event.upper()}
    if trigger is not None:
        words |= {
            ("tg_table_name",): trigger.table.name,
            ("tg_relname",): trigger.table.name,
            ("tg_table_schema",): trigger.table.schema,
            ("tg_name",): trigger.name,
            ("tg_when",): trigger.timing,
            ("tg_level",): trigger.level.upper(),
        }
    return Facts(nulls=dict.fromkeys(words, NEVER), words=words)


def _reached(body: Body, facts: Facts) -> Iterator[tuple[int, Step, bool]]:
    """The steps that may run, each with its index and whether it runs for certain."""
    walk = Walk(facts)
    for index, step in enumerate(body.steps):
        reach = walk.reach(step)
        if reach is Reach.NOT:
            continue
        if not any(_ASKS_CATALOG.search(guard.text) for guard in step.guards):
            yield index, step, reach is Reach.SURE
        if walk.finish(step):
            return


def _handlers(body: Body, step: Step) -> tuple[Handler, ...]:
    return tuple(body.handlers[index] for index in step.handlers)


def _is_caught(handlers: Iterable[Handler], fault: NameFault) -> bool:
    return any(catches(handler, fault.sqlstate) for handler in handlers)


_UNSURE = frozenset({"table", "function", "type"})


def _together(breaches: Iterable[_Breach]) -> list[list[_Breach]]:
    """The columns that one table lacks in one function are told together, as are the fields."""
    groups: dict[tuple[object, ...], list[_Breach]] = {}
    for breach in breaches:
        key: tuple[object, ...] = (breach.function.name, breach.fault.kind, breach.caught)
        if breach.fault.kind == "column":
            key += (breach.fault.table,)
        elif breach.fault.kind == "field":
            key += tuple(_tables(breach))
        else:
            key += (breach.fault.text,)
        groups.setdefault(key, []).append(breach)
    return [sorted(group, key=lambda breach: breach.fault.within) for group in groups.values()]


def _problem(identities: Identities, breaches: list[_Breach]) -> Problem:
    breach = breaches[0]
    fault, function = breach.fault, breach.function
    return Problem(
        object=function.ref,
        cause=_cause(breaches),
        consequence=_consequence(identities, breach),
        severity=Severity.WARNING if breach.caught or fault.unseen else Severity.ERROR,
        confidence=_confidence(breach),
        table=fault.table,
        place=Place(function.ref, fault.within),
        related=(
            *(Note(f"{other.fault.text} is here", Place(function.ref, other.fault.within)) for other in breaches[1:]),
            *(
                Note(f"{trigger.name} on {trigger.table} fires it", Place(trigger.ref))
                for trigger in list(breach.triggers.values())[:_EXAMPLES]
            ),
        ),
        key=f"{fault.kind} {fault.table if fault.kind == 'column' else fault.text}",
        misses=_bare(fault.text) if fault.kind in _UNSURE and not fault.elsewhere else "",
    )


def _bare(text: str) -> str:
    """The name of a table, function or type without its schema, quotes and parentheses."""
    return text.removesuffix("()").rpartition(".")[2].strip('"')


def _confidence(breach: _Breach) -> Confidence:
    if breach.fault.unseen:
        return Confidence.POSSIBLE
    known = bool(breach.fault.elsewhere) or breach.fault.kind not in _UNSURE
    return Confidence.CERTAIN if known and breach.sure else Confidence.LIKELY


def _cause(breaches: list[_Breach]) -> str:
    breach = breaches[0]
    fault = breach.fault
    if fault.elsewhere:
        path = describe_path(breach.function, breach.path)
        return f"{fault.text} is looked up in {path}, but it is {fault.elsewhere[0]}."
    if fault.unseen:
        return f"{fault.text} does not exist in what was read, and neither does its schema."
    if fault.kind == "column":
        names = [other.fault.text.removeprefix(f"{fault.table}.") for other in breaches]
        return f"{fault.table} has no column {_listed(names, 'or')}."
    if fault.kind == "field":
        tables = _tables(breach)
        names = [other.fault.text for other in breaches]
        verbs = (
            "whose trigger fires this function, has" if len(tables) == 1 else "whose triggers fire this function, have"
        )
        return f"{_listed(tables, 'and')}, {verbs} no column for {_listed(names, 'or')}."
    return describe_missing(fault)


def _tables(breach: _Breach) -> list[str]:
    return list(dict.fromkeys(str(trigger.table) for trigger in breach.triggers.values()))


def _listed(names: list[str], word: str) -> str:
    """A few names with a word between the last two.

    >>> _listed(["a", "b", "c"], "or")
    'a, b or c'
    """
    if len(names) > _EXAMPLES + 1:
        names = [*names[:_EXAMPLES], f"{len(names) - _EXAMPLES} more"]
    return f" {word} ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


# What happens to a user when the source's row is written.
_MEANINGS = {"insert": "sign-up", "update": "login", "delete": "deletion of a user"}


def _consequence(identities: Identities, breach: _Breach) -> str:
    triggers = list(breach.triggers.values())
    events = sorted(breach.events) or _events(triggers)
    what = f"every {_listed([event.upper() for event in events], 'or')} on {_listed(_tables(breach), 'and')}"
    sources = {identity.source.table for identity in identities.all}
    if any(trigger.table in sources for trigger in triggers):
        what += next((f", hence every {name}," for event, name in _MEANINGS.items() if event in events), "")
    if breach.caught:
        return f"The function swallows the error ({breach.fault.sqlstate}) of {what} and leaves its work undone."
    start = what[0].upper() + what[1:] if breach.sure else f"Where its condition holds, {what}"
    return f"{start} fails with {breach.fault.sqlstate}."
