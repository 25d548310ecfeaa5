"""Replay of one serving measurement: step times of its plan, its stack's scheduler, the closed loop of its client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any

import numpy as np

from simcore.calibration.serving_models import served_model
from simcore.calibration.serving_rows import Pool, Question
from simcore.calibration.serving_tables import PEER_SHARE, ServingParameters, StepParts, scaled, step_parts
from simcore.cost.machine import machine_of
from simcore.cost.memory import activation_bytes, buffer_bytes, kv_bytes_per_sequence, weight_bytes
from simcore.engine.settings import UNLIMITED, ReplicaSettings
from simcore.errors import InputError
from simcore.ops.op import PlanColumns
from simcore.spec.formats import number_format
from simcore.step.price import Physics
from simcore.step.times import SampleRange

REACH = SampleRange(tokens=16384, past_tokens=16384, decodes=512, sequences=512, linear_count=4)
BLOCK_TOKENS = 16
REQUESTS_PER_USER = 10
SHORTEST = 0.8
"""lengths are uniform between this share of the stated length and all of it"""
EXPERT_LOAD = "power_law_1.01"
"""real routing leaves experts of a small batch untouched and overloads some of a large one"""
MISSES_S = 1e-3
"""a completed request's successor reaches the scheduler so much later"""


@dataclass(frozen=True)
class Answer:
    """Seconds; `reason` says why there are none."""

    ttft_s: float = np.nan
    tpot_s: float = np.nan
    reason: str = ""


def chosen(recipe: Mapping[str, Any], question: Question) -> dict[str, Any]:
    """The recipe's settings for a question: defaults, then every rule that applies, later ones winning."""
    settings = dict(recipe["default"])
    for rule in recipe.get("rule", ()):
        if all(_applies(name, wanted, question) for name, wanted in rule["when"].items()):
            settings.update(rule["set"])
    return settings


def _applies(name: str, wanted: Any, question: Question) -> bool:
    value = getattr(question, name) if name != "attention_dp" else question.pool.attention_dp
    if name in ("users", "attention_dp"):
        return bool(wanted[0] <= value <= wanted[1])
    return value in wanted if isinstance(wanted, list) else bool(value == wanted)


def formats(model: Any, precision: str) -> dict[str, str | None]:
    """Weights and experts of a checkpoint at a stated precision.

    Checkpoints with their own expert format (gpt-oss) keep it. Four-bit checkpoints of expert models quantise the
    experts alone and leave attention in bf16; eight-bit ones of models with block scales keep their blocks.
    """
    native = str(model.native_format)
    if model.expert_format:
        return {"weights": native, "experts": str(model.expert_format)}
    if precision in ("fp4", "nvfp4"):
        return {"weights": "bf16" if model.is_moe else "fp4", "experts": "fp4" if model.is_moe else None}
    if precision == "fp8":
        return {"weights": native if native.startswith("fp8") else "fp8-block" if model.is_moe else "fp8"}
    return {"weights": "bf16"}


def with_known_prompts(trace: Any, question: Question) -> Any:
    """The trace of a client whose prompts the server has seen before, where the prefix cache is on: all of them equal,
    so that only the first burst and the last block of each prompt are computed."""
    blocks, count = (question.input_tokens - 1) // BLOCK_TOKENS, len(trace.input_tokens)
    hashes = np.tile(np.arange(blocks), count)
    return replace(
        trace,
        prefix_hashes=hashes,
        prefix_start=np.arange(count + 1) * blocks,
        prefix_block_tokens=BLOCK_TOKENS,
    )


def mean_stall_s(question: Question, recipe: Mapping[str, Any]) -> float:
    """What a stall in the first burst adds to the mean TTFT of all requests, where a release has one.

    A recipe's `stall_s` strikes once, when the burst holds at least `stall_tokens` prompt tokens; one request in
    `REQUESTS_PER_USER` belongs to the burst.
    """
    if question.users * question.input_tokens < float(recipe.get("stall_tokens", np.inf)):
        return 0.0
    return float(recipe["stall_s"]) / REQUESTS_PER_USER


@dataclass
class Replayer:
    """Answers questions; keeps step times of plans and answers already given."""

    resolve: Callable[[str, str], Any]
    cost_model: Callable[[str, str], Any]
    recipes: Callable[[str], Mapping[str, Any]]
    parts: dict[Any, tuple[StepParts, float]] = field(default_factory=dict)
    lengths: dict[Any, Any] = field(default_factory=dict)

    def answer(self, question: Question, by: ServingParameters) -> Answer:
        """TTFT and TPOT of a question; a reason instead where the plan cannot run."""
        settings = chosen(self.recipes(question.stack), question)
        try:
            if question.prefill is not None:
                from simcore.calibration.serving_disagg import disaggregated

                return disaggregated(self, question, by, settings)
            return self.aggregated(question, by, settings)
        except InputError as error:
            return Answer(reason=str(error))

    def pool_parts(self, question: Question, pool: Pool, recipe: Mapping[str, Any]) -> tuple[StepParts, float]:
        """(step times in parts, bytes of KV room per rank over bytes per token) of a pool, once per plan."""
        kernels: Any = (recipe["kv"], recipe.get("expert_kernels", question.stack))
        plan: Any = (
            question.model,
            question.system,
            question.stack,
            question.precision,
            pool.tp,
            pool.attention_dp,
            pool.ep,
        )
        key = (*plan, *kernels, question.input_tokens + question.output_tokens)
        if key not in self.parts:
            shared = next((v[0] for k, v in self.parts.items() if k[:-1] == key[:-1]), None)
            self.parts[key] = self._sample(question, pool, kernels, shared)
        return self.parts[key]

    def _sample(
        self, question: Question, pool: Pool, kernels: tuple[str, str], known: StepParts | None
    ) -> tuple[StepParts, float]:
        kv, expert_stack = kernels
        model, system = served_model(self.resolve, question.model), self.resolve("system", question.system)
        if model.min_heads % pool.tp:
            raise InputError(f"tp = {pool.tp} does not divide the {model.min_heads} heads of {model.name}")
        named = formats(model, question.precision)
        weights = str(named["weights"])
        experts = str(named.get("experts") or weights)
        machine = machine_of(system, weights, experts, "bf16", kv=kv)
        width = {name: number_format(name).bytes_per_element for name in (weights, experts, "bf16", kv)}
        degrees = {"tp": pool.tp, "pp": 1, "dp": 1, "attention_dp": pool.attention_dp, "ep": pool.ep, "cp": 1, "sp": 0}
        plan = PlanColumns(
            **{name: float(value) for name, value in degrees.items()},  # type: ignore[arg-type]
            weight_bytes=width[weights],
            expert_bytes=width[experts],
            activation_bytes=2.0,
            kv_bytes=width[kv],
            head_bytes=2.0,
        )
        physics, expert_physics = (
            Physics(model, machine, self._skewed(system.chip.name, stack)) for stack in (question.stack, expert_stack)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = known or step_parts(
                physics, plan, REACH, None if expert_stack == question.stack else expert_physics
            )
        context = float(question.input_tokens + question.output_tokens)
        used = (
            weight_bytes(model, plan) + activation_bytes(model, plan, 8192.0) + buffer_bytes(model, plan, 256.0, 8192)
        )
        per_token = kv_bytes_per_sequence(model, plan, context) / context
        return parts, float((machine.memory_bytes - used) / per_token)

    def _skewed(self, chip: str, stack: str) -> Any:
        """The cost model of a chip and stack, with a skewed load of experts where it knows one."""
        cost = self.cost_model(chip, stack)
        if is_dataclass(cost) and hasattr(cost, "distribution"):
            return replace(cost, distribution=EXPERT_LOAD)  # type: ignore[type-var]
        return cost

    def settings(self, question: Question, recipe: Mapping[str, Any], room_tokens: float, share: float = 0.0) -> Any:
        """The replica's limits under a recipe; raises InputError where the weights do not fit."""
        blocks = int(room_tokens * (1.0 - share) / BLOCK_TOKENS)
        need = -(-(question.input_tokens + question.output_tokens) // BLOCK_TOKENS)
        if blocks < need:
            raise InputError(
                f"weights of {question.model} leave no room for one request on {question.pool.chips} chips"
            )
        slots = min(int(recipe["max_running"]), max(question.users - int(recipe.get("fewer_slots", 0)), 1))
        prompt = question.input_tokens if recipe.get("budget_covers_prompt") else 0
        return ReplicaSettings(
            scheduler=recipe["scheduler"],
            kv_blocks=min(blocks, UNLIMITED),
            block_tokens=BLOCK_TOKENS,
            max_running=slots,
            token_budget=max(int(recipe["token_budget"]), prompt),
            reserve_output=bool(recipe["reserve_output"]),
            draft_tokens=int(recipe.get("draft_tokens", 0)),
            acceptance_ratio=float(recipe.get("acceptance_ratio", 0.0)),
        )

    def aggregated(self, question: Question, by: ServingParameters, recipe: Mapping[str, Any]) -> Answer:
        """One replica, the closed loop of its users."""
        from simcore.engine.metrics import as_streamed
        from simcore.engine.serving import Clients, Ranks, serve_clients

        pool = question.pool
        parts, room_tokens = self.pool_parts(question, pool, recipe)
        how = self.settings(question, recipe, room_tokens, 1.0 - float(recipe["memory_fraction"]))
        trace = self.trace(question)
        if recipe.get("cached_prompts"):
            trace, how = with_known_prompts(trace, question), replace(how, hash_tokens=BLOCK_TOKENS, radix=True)
        clients = Clients(question.users, MISSES_S, by.token_s, float(recipe.get("output_s", 0.0)))
        hold = int(recipe.get("hold_steps", 0))
        least = float(recipe.get("least_expert_tokens", 0.0))
        times = scaled(parts, by, question.fixed_lengths, 1.0 if hold else PEER_SHARE, least)
        run = serve_clients(trace, times, how, clients, Ranks(pool.attention_dp, hold))
        seen = as_streamed(run, int(recipe["stream_interval"]), by.first_token_s)
        first_s = float(np.nanmean(seen["ttft_s"])) + mean_stall_s(question, recipe)
        return Answer(first_s, float(np.nanmean(seen["tpot_s"])))

    def trace(self, question: Question) -> Any:
        """Lengths of the client's requests; arrivals are the loop's."""
        from simcore.spec.traffic import Trace

        key = (question.input_tokens, question.output_tokens, question.users, question.fixed_lengths)
        if key not in self.lengths:
            count = REQUESTS_PER_USER * question.users
            random = np.random.default_rng(0)
            low = 1.0 if question.fixed_lengths else SHORTEST
            inputs = random.integers(int(low * question.input_tokens), question.input_tokens + 1, count)
            outputs = random.integers(int(low * question.output_tokens), question.output_tokens + 1, count)
            self.lengths[key] = Trace(np.zeros(count), inputs, outputs)
        return self.lengths[key]
