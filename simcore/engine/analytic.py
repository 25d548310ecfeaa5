"""The analytic engine: steady state of a replica under a closed loop of `batch` requests, arrays over plans.

Per lane (attention-dp rank x pipeline microbatch) with b requests in flight, decode step D(b) and mean output O, every
prompt of another request stalls the decodes by E:

    TPOT       = D + (b - 1) E / O
    E          = P, a prefill step of its own, or n (M - D): the n steps that hold its chunks beside the decodes
    rho        = b E / (O D + b E)                     share of time that prompts take
    TTFT       = P(q) + (1 - 1/b) (rho P + (1 - rho) D) / 2
    throughput = batch x O / (TTFT + (O - 1) TPOT)     Little's law

P(q) is the prefill of the q-quantile input. `users` send at once at the start: their prompts wait for each other, which
`burst_s` adds to the mean of the run. Derivation in docs/analytic.md. Wrong near saturation of an open arrival process,
where queues grow: that is the event engine's work.
"""

from __future__ import annotations

import numpy as np

from simcore.cost import memory, money
from simcore.cost.machine import Machine
from simcore.cost.residency import elsewhere, tiers_in_use
from simcore.engine.masking import mask_infeasible
from simcore.engine.peak import request_flop, within_peak
from simcore.engine.phases import Phases, Setting, phases, physics_of
from simcore.engine.waiting import with_queue
from simcore.ops.op import Array, Column, PlanColumns
from simcore.result import Reason
from simcore.step.price import StepTotal, dynamic_w


def evaluate(
    setting: Setting, machine: Machine, plan: PlanColumns, batch: Column, busy: Column = 1.0
) -> dict[str, Array]:
    """Steady state of every plan. Returns columns [plans]; rows that do not fit are NaN with a reason code.

    `batch` is the number of requests in flight per replica, `busy` the share of the time in which they are; replicas
    are empty and idle for the rest.
    """
    space = fit(setting, machine, plan, batch)
    running = running_of(setting, plan, batch, space["max_resident"])
    found = phases(setting, machine, plan, running)
    served = within_peak(steady_state(setting, found, running), setting, machine, plan, running)
    times = with_queue(served, batch, running)
    columns = {**times, **space}
    columns |= efficiency(setting, machine, plan, found, times, busy)
    columns |= {"decode_bound": found.decode.bound.astype(float), "prefill_bound": found.prefill.bound.astype(float)}
    return mask_infeasible(columns, _rows(plan, batch))


def running_of(setting: Setting, plan: PlanColumns, batch: Column, most: Column) -> Column:
    """Requests that run of those in flight: users beyond the memory's or the policy's limit wait for a slot; a batch is
    what somebody asks to run."""
    if not setting.waves:
        return batch
    limit = setting.policy.max_running
    slots = np.inf if limit is None else limit * plan.attention_dp
    return np.maximum(np.minimum(np.minimum(batch, most), slots), 1.0)


def steady_state(setting: Setting, found: Phases, batch: Column) -> dict[str, Column]:
    """TTFT, TPOT, end-to-end time and throughput of one replica."""
    output, b = setting.demand.output.mean_tokens, found.lane_batch
    prefill_s, decode_s, stall_s = found.prefill.time_s, found.decode.time_s, found.stall_s
    first_s = first_token_s(setting, found)
    tpot_s = decode_s + busy_share(setting, found, first_s) * others(found) * stall_s / output
    ttft_s = first_s + found.prefill_quantile_s - prefill_s + frontend_s(setting, tpot_s)
    e2e_s = first_s + frontend_s(setting, 0.0) + (output - 1.0) * tpot_s
    return {
        "ttft_s": ttft_s,
        "tpot_s": tpot_s,
        "e2e_s": e2e_s,
        "prefill_s": prefill_s,
        "decode_step_s": decode_s,
        "prefill_share_ratio": b * stall_s / (output * decode_s + b * stall_s),
        "replica_tokens_per_s": batch * output / e2e_s,
    }


def others(found: Phases) -> Column:
    """Requests in a lane beside one's own."""
    return np.maximum(found.lane_batch - 1.0, 0.0)


def busy_share(setting: Setting, found: Phases, first_s: Column) -> Column:
    """Share of the others' prompts that fall into one's own decoding: x / (x + T), x = (O - 1) TPOT, T the time to the
    first token, where x solves x = (O - 1) D + (b - 1) E x / (x + T). Of a run of n requests per user, the first wave
    meets half of its own prompts and the last one's decodes none: 1 - 1 / (2 n) of them.

    A steady state without a server's effects counts them all.
    """
    if not setting.served.adds:
        return 1.0
    decode_s = np.maximum(setting.demand.output.mean_tokens - 1.0, 1e-9) * found.decode.time_s
    stalls_s = others(found) * found.stall_s
    half = 0.5 * (first_s - decode_s - stalls_s)
    own_s = np.sqrt(half**2 + decode_s * first_s) - half
    share = own_s / np.maximum(own_s + first_s, 1e-12)
    found_s: Column = share * (1.0 - 0.5 / setting.waves) if setting.waves else share
    return found_s


def first_token_s(setting: Setting, found: Phases) -> Column:
    """Mean seconds from a request's arrival at the scheduler to its first token.

    A steady state waits for half of a step and prefills. Users who all start at once form a burst of b prompts, served
    `full_prompts` a step; their next requests come in waves that widen with the spread of answer lengths.
    """
    if not setting.waves:
        prompts = found.lane_batch if found.mixed is None else others(found)
        return found.prefill.time_s + residual_s(found, prompts / setting.demand.output.mean_tokens)
    assert found.full is not None
    burst_s = 0.5 * found.full.time_s * (found.lane_batch / found.full_prompts + 1.0)
    count = max(round(setting.waves), 1)
    rest: Column = 0.0
    for wave in range(1, count):
        rest = rest + wave_s(setting, found, wave)
    return (burst_s + rest) / count


def wave_s(setting: Setting, found: Phases, wave: int) -> Column:
    """Mean seconds to the first token in a later wave: what is left of the step in progress, then steps that hold
    one's own prompt and those that came with it."""
    output = setting.demand.output
    spread = np.sqrt(12.0 * max((output.mean_square_tokens or 0.0) - output.mean_tokens**2, 0.0) * wave)
    width = np.minimum(spread + found.lane_batch / found.full_prompts, output.mean_tokens)
    density = np.minimum(others(found) / np.maximum(width, 1.0), found.full_prompts)
    wait_s = residual_s(found, density)
    if found.mixed is None:
        alone: Column = wait_s + found.prefill.time_s * (1.0 + 0.5 * density)
        return alone
    long = np.maximum(np.ceil(1.0 / np.maximum(found.full_prompts, 1e-9)), 1.0)
    found_s: Column = wait_s + long * found.decode.time_s + (1.0 + density) * found.stall_s
    return found_s


def residual_s(found: Phases, density: Column) -> Column:
    """Half of the step that an arrival falls into, E[T^2] / (2 E[T]), with `density` prompts per decode step."""
    decode_s, stall_s = found.decode.time_s, found.stall_s
    mean_s = decode_s + density * stall_s
    alone = 1.0 / np.maximum(found.lane_batch, 1.0)
    if found.mixed is None:
        share = density * stall_s / mean_s
        return (1.0 - alone) * 0.5 * (share * found.prefill.time_s + (1.0 - share) * decode_s)
    return (1.0 - alone) * 0.5 * (mean_s + density * stall_s**2 / np.maximum(mean_s, 1e-12))


def frontend_s(setting: Setting, tpot_s: Column) -> Column:
    """What the server's frontend adds to a first token: reading the prompt, HTTP, and the tokens that it waits for."""
    served, inputs = setting.served, setting.demand.input.mean_tokens
    held = min(setting.policy.stream_interval, setting.demand.output.mean_tokens) - 1.0
    return served.first_token_s + served.token_s * inputs + held * tpot_s


def sizes(setting: Setting, machine: Machine, plan: PlanColumns, batch: Column) -> memory.Footprint:
    """Memory per chip. Paged KV of the mean input + output."""
    policy, lane = setting.policy, np.ceil(batch / plan.attention_dp)
    sampled = None if policy.max_running is None else float(policy.max_running)
    load = memory.Load(context_of(setting), lane, float(policy.token_budget), sampled)
    home = memory.Home(
        machine.memory_bytes,
        setting.stack,
        policy.memory_fraction,
        machine.reserve_bytes,
        **elsewhere(machine),
    )
    return memory.footprint(setting.model, plan, load, home)


def context_of(setting: Setting) -> float:
    """Tokens of the mean request at its end."""
    return setting.demand.input.mean_tokens + setting.demand.output.mean_tokens


def fit(setting: Setting, machine: Machine, plan: PlanColumns, batch: Column) -> dict[str, Column]:
    """Memory per chip, what is there, and the largest batch that fits. Paged KV of the mean input + output."""
    demand, policy, context = setting.demand, setting.policy, context_of(setting)
    found = sizes(setting, machine, plan, batch)
    most = found.max_concurrency(context)
    held = most if policy.reserve_output else found.max_concurrency(demand.decode_context_tokens)
    asked = plan.attention_dp if setting.waves else batch
    fits = (most * plan.attention_dp >= asked) & ((found.need_bytes <= found.have_bytes) | bool(setting.waves))
    for need, have in tiers_in_use(machine, found).values():
        fits = fits & (need <= have)
    named = ("weights", "experts", "kv", "state", "activation", "buffer", "reserve", "need", "have")
    return {
        **{f"{name}_bytes": getattr(found, f"{name}_bytes") for name in named},
        "kv_tokens": found.kv_tokens,
        "max_concurrency": most,
        "max_batch": most * plan.attention_dp,
        "max_resident": held * plan.attention_dp,
        "reason": np.where(fits, int(Reason.FEASIBLE), int(Reason.DOES_NOT_FIT)),
    }


def efficiency(
    setting: Setting,
    machine: Machine,
    plan: PlanColumns,
    found: Phases,
    times: dict[str, Column],
    busy: Column,
) -> dict[str, Column]:
    """Throughput, utilisation, power, energy and cost of the whole deployment, whose replicas serve in `busy` of the
    time."""
    output = setting.demand.output.mean_tokens
    replica_tokens_per_s = times["replica_tokens_per_s"] * busy
    tokens_per_s = replica_tokens_per_s * plan.dp
    chips = plan.chips
    lanes = found.lanes / (plan.attention_dp * plan.pp)
    prefill_w, decode_w = (phase_power_w(setting, machine, phase, lanes) for phase in (found.prefill, found.decode))
    share = times["prefill_share_ratio"]
    idle = between_ratio(setting, times, found.lane_batch)
    serving_w = idle * machine.idle_w + (1.0 - idle) * (share * prefill_w + (1.0 - share) * decode_w)
    chip_w = busy * serving_w + (1.0 - busy) * machine.idle_w
    power_w = chips * (chip_w + machine.node_w)
    spent = money.usd_per_s(machine, setting.economics, chips, power_w)
    useful = request_flop(setting.model, setting.demand) / output * tokens_per_s / chips
    moved = found.decode.moved_bytes / (found.decode.time_s * machine.memory_bytes_per_s) * lanes * busy
    return {
        "replica_tokens_per_s": replica_tokens_per_s,
        "throughput_tokens_per_s": tokens_per_s,
        "throughput_per_chip_tokens_per_s": tokens_per_s / chips,
        "requests_per_s": tokens_per_s / output,
        "chips": chips,
        "mfu_ratio": useful / machine.matrix_flop_per_s,
        "mbu_ratio": np.minimum(moved, 1.0),
        "power_w": power_w,
        "chip_power_w": chip_w,
        "server_power_w": chip_w + machine.node_w,
        "facility_power_w": (chip_w + machine.node_w) * setting.economics.pue_ratio,
        "energy_j_per_token": power_w / tokens_per_s,
        "usd_per_million_tokens": money.usd_per_million_tokens(spent, tokens_per_s),
        "usd_per_hour": spent * 3600.0,
    }


def phase_power_w(setting: Setting, machine: Machine, phase: StepTotal, lanes: Column) -> Column:
    """Board power of one chip during a phase; the share `lanes` of them has work, the others idle."""
    memory_s = phase.moved_bytes / machine.memory_bytes_per_s
    power_w: Column = dynamic_w(physics_of(setting, machine), phase.peak_s, memory_s, phase.time_s)
    return machine.idle_w + lanes * power_w


def between_ratio(setting: Setting, times: dict[str, Column], lane_batch: Column) -> Column:
    """Share of the time in which no request of a lane is on the chip: all of them are at the frontend."""
    away_s = frontend_s(setting, 0.0)
    return np.asarray(np.minimum(away_s / times["e2e_s"], 1.0) ** lane_batch)


def _rows(plan: PlanColumns, batch: Column) -> int:
    return max(np.size(c) for c in (plan.tp, plan.pp, plan.dp, plan.ep, plan.weight_bytes, batch))
