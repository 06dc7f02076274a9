"""Expressions as canonical text."""

from __future__ import annotations

import pytest

from referee.sql.describe import describe, describe_query
from referee.sql.expressions import read_expression
from referee.sql.queries import read_statement


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NEW.Created_By", "new.created_by"),
        ('t."Mixed"', 't."Mixed"'),
        ("t.*", "t.*"),
        ("$1", "$1"),
        ("'it''s'::text", "'it''s'"),
        ("'{}'::jsonb", "'{}'"),
        ("NULL::uuid", "null"),
        ("((1))", "1"),
        ("AUTH.uid()", "auth.uid()"),
        ("COALESCE(a, 'x'::text)", "coalesce(a, 'x')"),
        ("CURRENT_TIMESTAMP", "current_timestamp"),
        ('"Org\'s".f(a)', '"Org\'s".f(a)'),
        ("CAST(a AS uuid)", "a::uuid"),
        ("(a ->> 'sub')::uuid", "(a ->> 'sub')::uuid"),
        ("a = b AND (c OR NOT d)", "(a = b) and (c or (not d))"),
        ("a IN (1, 2)", "a in (1, 2)"),
        ("a = ANY (ARRAY[1, 2])", "a in (1, 2)"),
        ("a = ANY ((ARRAY['x'::character varying])::text[])", "a = 'x'"),
        ("a <> ALL (ARRAY[1, 2])", "a not in (1, 2)"),
        ("a = ANY (b)", "a = any (b)"),
        ("a ~~ 'x'", "a like 'x'"),
        ("a BETWEEN 1 AND 2", "(a >= 1) and (a <= 2)"),
        ("a NOT BETWEEN 1 AND 2", "(a < 1) or (a > 2)"),
        ("a IS NOT NULL", "a is not null"),
        ("- a", "- a"),
        ("a[1:2]", "a[1:2]"),
        ("(f(x)).y", "(f(x)).y"),
        ("f(x => 1)", "f(x => 1)"),
        ("ARRAY[a]::text[]", "array[a]"),
        ("CASE a WHEN 1 THEN b ELSE c END", "case a when 1 then b else c end"),
        ("(SELECT auth.uid() AS uid)", "(select auth.uid())"),
        ("a IN (SELECT b FROM s.t x WHERE c)", "a in (select b from s.t x where c)"),
        ("EXISTS (SELECT 1 FROM t)", "exists (select 1 from t)"),
        ("a <> ALL (SELECT 1)", "a <> all (select 1)"),
        ("count(*) FILTER (WHERE a)", "...(count(*), a)"),
    ],
)
def test_describe(text: str, expected: str) -> None:
    assert describe(read_expression(text)) == expected


def test_describe_query() -> None:
    query = read_statement("with w as (select 1) update s.t set a = new.id, b = default from w, u where t.a = u.a")
    assert describe_query(query) == "update s.t set a = new.id, b = default from u, w where (t.a = u.a)"
