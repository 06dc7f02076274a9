"""Repairs of rows as JSON, version 1: what is planned, what was done, what was taken back."""

from __future__ import annotations

from typing import Any

import msgspec

from referee.model.row_repair import Action, Outcome, PlanRun, RowPlan, RowRepair, Undoing
from referee.model.scan import Answer


def render_plan(plan: RowPlan) -> str:
    """What would be done."""
    return _encode({"version": 1, "executed": False, "database": plan.scan.scope.database, **_plan(plan)})


def render_repair(repair: RowRepair) -> str:
    """What was planned, and what came of it."""
    return _encode(
        {
            "version": 1,
            "executed": True,
            "database": repair.database,
            "run": repair.run or None,
            "resumed": repair.resumed,
            "finished": repair.is_finished,
            "outcomes": [_outcome(outcome) for outcome in repair.outcomes],
            "journal": [
                {"action": action, "question": question, "rows": rows} for action, question, rows in repair.totals
            ],
            "verification": [_answer(answer) for answer in repair.answers],
            "seconds": repair.seconds,
            **_plan(repair.plan),
        }
    )


def render_run(run: PlanRun) -> str:
    """What came of the steps of a plan."""
    return _encode(
        {
            "version": 1,
            "database": run.database,
            "run": run.run,
            "resumed": run.resumed,
            "finished": run.is_done,
            "steps": [
                {
                    "number": step.number,
                    "phase": str(step.step.phase),
                    "about": step.step.about,
                    "state": step.state,
                    "trouble": step.trouble,
                    "rows_filled": step.filled,
                    "seconds": step.seconds,
                }
                for step in run.steps
            ],
            "not_reached": run.to_do - len(run.steps),
            "broken": [{"query": query, "rows": rows} for query, rows in run.broken],
            "seconds": run.seconds,
        }
    )


def render_undoing(undoing: Undoing) -> str:
    """What was taken back."""
    entries = [
        {"action": one.action, "table": one.table, "rows": one.rows, "undone": one.done, "reason": one.reason}
        for one in undoing.entries
    ]
    return _encode(
        {
            "version": 1,
            "database": undoing.database,
            "run": undoing.run,
            "whole": undoing.is_whole,
            "entries": entries,
            "seconds": undoing.seconds,
        }
    )


def _encode(value: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def _plan(plan: RowPlan) -> dict[str, Any]:
    return {
        "actions": [_action(action) for action in plan.actions],
        "values": {
            id_: [{"column": value.column, "expression": value.expression} for value in values]
            for id_, values in plan.values.items()
        },
        "skipped": [{"subject": one.subject, "reason": one.reason} for one in plan.scan.skipped],
    }


def _action(action: Action) -> dict[str, Any]:
    return {
        "action": action.kind,
        "question": action.question.id,
        "table": str(action.question.table),
        "rows": action.rows,
        "values": action.values,
        "cured_by_created_rows": action.cured,
        "reason": action.reason,
        "other_ids": [{"old": old, "new": new} for old, new in action.pairs],
        "hazards": list(action.hazards),
        "moves_along": list(action.moves_along),
        "alternatives": list(action.alternatives),
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "action": outcome.action.kind,
        "question": outcome.action.question.id,
        "done": outcome.done,
        "origins": dict(outcome.origins),
        "left": outcome.left,
        "left_because": outcome.left_because,
        "unfinished": outcome.unfinished,
        "refused": [{"key": list(row.key), "reason": row.reason} for row in outcome.refused],
        "seconds": outcome.seconds,
        "batches": outcome.batches,
        "longest_batch": outcome.longest_batch,
    }


def _answer(answer: Answer) -> dict[str, Any]:
    return {"question": answer.question.id, "violations": answer.violations, "complete": answer.complete}
