"""`train`: one step of a training plan as a flat answer, the length and price of the run, goodput under failures."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from scenarios.prices import prices_of
from scenarios.training import Question, question_of
from simcore.cost import money
from simcore.cost.material import is_asked, taken
from simcore.engine.training.faults import Faults, best_interval, months
from simcore.engine.training.memory import CLASSES
from simcore.engine.training.step import Step, train
from simcore.errors import InputError
from simcore.result import frame, html_table
from simcore.spec.scenario import Scenario

HOUR_S = 3600.0
MILLION = 1e6
MONTHS = 200
"""run event by event beside the closed form"""
DEFAULT_STORAGE_BYTES_PER_S = 50e9
"""of a checkpoint store that is not named; a small parallel file system"""


@dataclass(frozen=True)
class Trained:
    """A step with its question."""

    question: Question
    step: Step

    @property
    def exit_code(self) -> int:
        return 1 if self.step.infeasible else 0

    @cached_property
    def flat(self) -> dict[str, Any]:
        """Fields of `--json`; seconds, bytes and rates are there where the plan has a step at all."""
        step, job = self.step, self.question.job
        reason = str(step.infeasible) if step.infeasible else ""
        found: dict[str, Any] = {
            "verb": "train",
            "name": self.question.scenario.name,
            "model": job.trainee.model.name,
            "system": self.question.system.name,
            "chips": job.degrees.chips,
            "plan": {f.name: getattr(job.degrees, f.name) for f in fields(job.degrees)},
            "schedule": job.schedule_name,
            "feasible": not step.infeasible,
            "reason": reason,
            "notes": list(self.question.notes),
            "assumptions": self.question.system.assumptions(),
        }
        if step.pipeline is not None:
            found |= self.times() | self.memory() | self.costs()
        return found

    def to_frame(self) -> Any:
        """A pandas DataFrame of one row."""
        return frame({name: [value] for name, value in self.flat.items() if not isinstance(value, list | dict)})

    def _repr_html_(self) -> str:
        """Its numbers, for a notebook."""
        numbers = [(k, v) for k, v in self.flat.items() if not isinstance(v, list | dict) and v not in (None, "")]
        return html_table(self.flat["reason"], numbers)

    def times(self) -> dict[str, Any]:
        """Seconds and rates."""
        step, job = self.step, self.question.job
        assert step.pipeline is not None
        spread = job.constants.expert_spread if job.trainee.model.is_moe else job.constants.spread
        found = {
            "step_time_s": step.time_s,
            "step_time_low_s": step.time_s * float(np.exp(-spread)),
            "step_time_high_s": step.time_s * float(np.exp(spread)),
            "tokens_per_step": step.tokens,
            "throughput_tokens_per_s": step.tokens / step.time_s,
            "throughput_per_chip_tokens_per_s": step.tokens_per_s_per_chip,
            "mfu_ratio": step.mfu_ratio,
            "microbatches": job.microbatches,
            "bubble_ratio": step.pipeline.bubble_ratio,
            "parts_s": step.parts_s,
            "pass_s": step.classes_s,
        }
        found |= goodput(self)
        if job.recipe.tokens is not None:
            ratio = faults_of(self).goodput_ratio if job.recipe.failures else 1.0
            run_s = job.recipe.tokens / step.tokens * step.time_s / ratio
            found |= {"run_s": run_s, "chip_hours": run_s * job.degrees.chips / HOUR_S}
        return found

    def memory(self) -> dict[str, Any]:
        """Bytes of the fullest rank, and of every rank."""
        held = self.step.holdings
        assert held is not None
        ranks = [{name: float(getattr(held, name)[r]) for name in CLASSES} for r in range(len(held.weights))]
        need = float(held.need.max())
        return {"need_bytes": need, "have_bytes": held.have_bytes, **held.classes(), "memory_by_rank_bytes": ranks}

    def costs(self) -> dict[str, Any]:
        """Power of busy chips, energy and price."""
        step, job = self.step, self.question.job
        machine, chips = job.trainee.machine, float(job.degrees.chips)
        busy = step.model_flop / chips / float(np.max(machine.matrix_flop_per_s)) / step.time_s
        moved = min(1.0, step.moved_bytes / float(np.max(machine.memory_bytes_per_s)) / step.time_s)
        chip_w = float(np.max(job.trainee.cost_model.board_power_w(machine, min(busy, 1.0), moved)))
        power_w = chips * (chip_w + float(np.max(machine.node_w)))
        prices = prices_of(self.question.scenario, self.question.system)
        spent = float(np.max(money.usd_per_s(machine, prices, chips, power_w)))
        tokens_per_s = step.tokens / step.time_s
        material = self.question.system.chip.material
        count = job.recipe.tokens or MILLION
        more: dict[str, Any] = {}
        if is_asked(material, prices) or job.recipe.tokens:
            chip_s = chips * count / tokens_per_s
            told = taken(material, prices, chip_s, power_w / chips * prices.pue_ratio * chip_s)
            more = told if job.recipe.tokens else {f"{name}_per_million_tokens": v for name, v in told.items()}
        return {
            **more,
            "chip_power_w": chip_w,
            "energy_j_per_token": power_w / tokens_per_s,
            "usd_per_hour": spent * HOUR_S,
            "usd_per_million_tokens": float(np.max(money.usd_per_million_tokens(spent, tokens_per_s))),
        }


def goodput(found: Trained) -> dict[str, Any]:
    """Share of a month that advances the run under [training.failures]: closed form, and months run event by event."""
    failures = found.question.job.recipe.failures
    if failures is None:
        return {}
    faults = faults_of(found)
    run = months(faults, MONTHS, found.question.scenario.seed)
    return {
        "goodput_ratio": faults.goodput_ratio,
        "goodput_event_ratio": float(run.mean()),
        "goodput_low_ratio": float(np.quantile(run, 0.1)),
        "goodput_high_ratio": float(np.quantile(run, 0.9)),
        "checkpoint_interval_s": faults.interval_s,
        "checkpoint_stop_s": faults.stop_s,
        "failures_per_day": faults.rate_per_s * 24 * HOUR_S,
    }


def faults_of(found: Trained) -> Faults:
    """Failures and checkpoints of a recipe as rates and seconds. Raises InputError for an unknown component."""
    job, system = found.question.job, found.question.system
    failures, save = job.recipe.failures, job.recipe.checkpoint
    assert failures is not None and found.step.holdings is not None
    chips = job.degrees.chips
    counts = {"chip": chips, "node": -(-chips // system.chips_per_node), "link": chips, **failures.counts}
    for name in failures.mtbf_s:
        if name not in counts:
            key, fix = f"training.failures.mtbf.{name}", "say how many in [training.failures.counts]"
            raise InputError("is a component of unknown number", file=found.question.scenario.file, key=key, fix=fix)
    rate = sum(counts[name] / value for name, value in failures.mtbf_s.items())
    held = found.step.holdings
    state = float((held.weights + held.optimizer).sum()) * chips / len(held.weights)
    write_s = save.write_s if save.write_s is not None else state / (save.bytes_per_s or DEFAULT_STORAGE_BYTES_PER_S)
    stops = save.kind == "blocking"
    near = save.kind in ("multi-level", "in-memory")
    made = Faults(
        rate,
        save.interval_s or 1800.0,
        stop_s=write_s if stops else save.snapshot_s,
        lag_s=0.0 if stops or near else write_s,
        down_s=failures.detect_s + failures.restart_s,
        far_ratio=1.0 - save.fast_ratio if near else 0.0,
        slow_every=save.slow_every if near else 1,
        spares=failures.spare_nodes,
        repair_s=failures.repair_s,
    )
    return made if save.interval_s else best_interval(made)


def train_scenario(scenario: Scenario) -> Trained:
    """One step of a scenario's training plan. Raises InputError."""
    question = question_of(scenario)
    return Trained(question, train(question.job))
