"""The plan and everything around it as JSON: what ``repair --plan`` and other programs read."""

from __future__ import annotations

from typing import Any

import msgspec

from referee.model.plan import Embedding, Plan, Question, Step
from referee.model.repair import FixtureProposal, Proof, Proposal, Repair


def render(repair: Repair) -> str:
    """One JSON object and a line end; version 1."""
    return msgspec.json.format(msgspec.json.encode(document(repair)), indent=2).decode() + "\n"


def document(repair: Repair) -> dict[str, Any]:
    """The object before it is encoded. In-place edits have no steps."""
    plan = repair.plan or Plan("", ())
    return {
        "version": 1,
        "subject": repair.subject,
        "way": repair.way,
        "because": repair.because,
        "schema_before": plan.schema_before or None,
        "proposals": [_proposal(proposal, str(repair.safety)) for proposal in repair.proposals],
        "steps": [_step(step) for step in plan.steps],
        "questions": [_question(question) for question in repair.questions],
        "verification": list(plan.verification),
        "embeddings": [_embedding(embedding) for embedding in plan.embeddings],
        "changes_types": plan.changes_types,
        "files": [
            {"path": file.path, "kind": file.kind, "new": file.before is None, "text": file.after}
            for file in repair.files
        ],
        "proof": None if repair.proof is None else _proof(repair.proof),
        "written": repair.written,
        "commands": list(repair.commands),
    }


def _proposal(proposal: Proposal | FixtureProposal, safety: str) -> dict[str, Any]:
    return {
        "change": proposal.change.kind,
        "text": proposal.change.describe(),
        "applied": proposal.is_applied,
        "safety": safety if proposal.is_applied else "show-only",
        "reason": proposal.reason,
        "findings": sorted({finding.fingerprint for finding in proposal.findings}),
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "phase": str(step.phase),
        "sql": step.sql,
        "about": step.about,
        "locks": [{"relation": str(lock.relation), "mode": lock.mode} for lock in step.locks],
        "in_transaction": step.in_transaction,
        "alone": step.alone,
        "repeatable": step.repeatable,
        "timeouts": {"lock": step.timeouts.lock, "statement": step.timeouts.statement},
        "rows": step.rows,
        "hazards": list(step.hazards),
        "undo": None if step.undo is None else list(step.undo),
    }


def _embedding(embedding: Embedding) -> dict[str, Any]:
    return {
        "change": embedding.change,
        "referencing": str(embedding.referencing),
        "referenced": str(embedding.referenced),
        "key": embedding.key,
    }


def _question(question: Question) -> dict[str, Any]:
    return {
        "id": question.id,
        "text": question.text,
        "recommended": question.recommended,
        "reason": question.reason,
        "choices": list(question.choices),
        "answer": question.answer,
    }


def _proof(proof: Proof) -> dict[str, Any]:
    return {
        "holds": proof.holds,
        "version": proof.version or None,
        "checks": [
            {"name": check.name, "passed": check.passed, "details": list(check.details)} for check in proof.checks
        ],
    }
