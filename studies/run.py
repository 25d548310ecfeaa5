"""Studies over processes, resumable; each outcome is plain tables, ready for JSON, pages and pictures."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from planners.search.backend import Serial, backend
from planners.search.source import code_digest
from reports.files import write_text
from simcore.errors import InputError
from studies.answers import Answers
from studies.catalogue import recorded, study, text_of
from studies.checks import problems
from studies.form import Study
from studies.judge import MISSING, Judged, edges, judged, state_of

Outcome = dict[str, Any]
KEPT = ".studies"
"""folder below --out of finished studies"""
DRIFT_RATIO = 1e-4
"""machines differ in the last digits; a changed answer differs by more"""


def outcome(name: str, is_checked: bool = False) -> Outcome:
    """Everything that is told of one study. Raises InputError for a study that breaks a rule."""
    began = time.process_time()
    found = study(name)
    if found.ask is None:
        return head(found, MISSING) | {"missing": found.missing, "claims": [unanswered(found, c) for c in found.claims]}
    answers = Answers(found.ask)
    told = judged(found, answers)
    wrong = problems(found, answers) if is_checked else []
    spent = {"cpu_s": time.process_time() - began, "scenarios": len(answers.by_scenario)}
    return head(found, state_of(found, told)) | spent | {"problems": wrong, "claims": [row(one) for one in told]}


def head(found: Study, state: str) -> Outcome:
    """What a study says of itself."""
    return {
        "name": found.name,
        "group": found.group,
        "state": state,
        "title": found.title,
        "question": found.question,
        "paper": f"{found.paper.title} ({found.paper.id})",
        "free_inputs": found.free_inputs,
        "placebo": found.placebo.none or "kept",
        "missing": "",
        "cpu_s": 0.0,
        "scenarios": 0,
        "problems": [],
    }


def row(one: Judged) -> dict[str, Any]:
    """A claim for JSON: the seven fields of every reader first."""
    claim = one.claim
    bounds = [claim.at_least, claim.at_most]
    return {
        "says": claim.says,
        "kind": claim.kind,
        "published": bounds if claim.kind == "shape" else claim.published,
        "ours": one.ours,
        "gap_percent": one.gap_percent,
        "state": one.state,
        "why": " ".join((claim.why or claim.missing or ("" if one.ours else one.reason)).split()),
        "unit": claim.unit,
        "where": claim.where or f"derived: {claim.basis}",
        "derived": claim.derived,
        "low": one.low,
        "high": one.high,
        "mover": one.mover,
        "at": dict(one.at),
        "tried": [{"says": says, "ours": value} for says, value in one.tried],
        "note": one.reason if one.ours is not None else "",
        "null": one.null,
        "tolerance_percent": percent(one),
    }


def percent(one: Judged) -> float | None:
    """The tolerance that held, in percent of what was published."""
    if one.tolerance is None:
        return None
    low, high = edges(one.claim)
    return 100 * one.tolerance / min(abs(low), abs(high))


def unanswered(found: Study, claim: Any) -> dict[str, Any]:
    """A claim of a study that cannot be expressed."""
    return row(Judged(claim, None, MISSING)) | {"why": f"needs {found.missing}"}


def run(
    names: Sequence[str],
    workers: int | None = None,
    out: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    is_checked: bool = False,
) -> list[Outcome]:
    """Outcomes in the order of names. With `out`, finished ones are kept there and found again while nothing changed.

    Raises InputError for a study that breaks a rule.
    """
    places = {name: kept_at(out, name, is_checked) for name in names} if out is not None else {}
    found = {name: old for name, place in places.items() if (old := read_kept(place)) is not None}
    left = [name for name in names if name not in found]
    engine = backend("joblib", workers=workers) if len(left) > 1 and workers != 1 else Serial()
    task = checked_outcome if is_checked else outcome
    for index, one in engine.run(task, left):
        found[left[index]] = one
        if out is not None:
            write_text(places[left[index]], json.dumps(one))
        if progress is not None:
            progress(len(found), len(names))
    engine.close()
    return [found[name] for name in names]


def checked_outcome(name: str) -> Outcome:
    """With placebo and metrics that move."""
    return outcome(name, is_checked=True)


def kept_at(out: Path, name: str, is_checked: bool) -> Path:
    """Where a study's outcome is kept, under a digest of its text, of what answers it and of how it was asked."""
    root = Path(__file__).resolve().parent
    own = [path.read_bytes() for path in sorted(root.glob("*.py"))]
    whole = hashlib.sha256(b"\0".join([text_of(name).encode(), code_digest().encode(), *own]))
    return out / KEPT / f"{study(name).name}-{whole.hexdigest()[:16]}{'-checked' if is_checked else ''}.json"


def read_kept(place: Path) -> Outcome | None:
    """An outcome that was kept; None if there is none that can be read."""
    try:
        found: Outcome = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def drift(one: Outcome) -> list[str]:
    """Claims whose answer is no more what docs/studies.md says."""
    before = recorded().get(one["name"])
    if before is None:
        return [f"{one['name']} is not in docs/studies.md: simcore study run all --record"]
    wrong = []
    for claim in one["claims"]:
        then, now = before.get(claim["says"]), claim["ours"]
        same = then == now or (then is not None and now is not None and abs(now - then) <= DRIFT_RATIO * abs(then))
        if not same:
            wrong.append(f"{one['name']}: {claim['says']}: {now}, recorded {then}")
    return wrong


def checked(name: str) -> Outcome:
    """An outcome whose placebo and metrics were checked. Raises InputError where something is wrong."""
    one = outcome(name, is_checked=True)
    if one["problems"]:
        raise InputError("; ".join(one["problems"]), file=name)
    return one
