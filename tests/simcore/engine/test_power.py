"""Clocks under power policies: what a clock costs, what each policy does with it, equal bytes at the top clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import hardware_specs
import workloads
from simcore.cost.kernel_power import CLOCKED_SHARE
from simcore.cost.machine import machine_of
from simcore.cost.roofline import Roofline
from simcore.engine.fleet import Clocking, FleetPlan, Pool, Transfer, serve_fleet
from simcore.engine.invariants import violations
from simcore.engine.metrics import summary
from simcore.engine.serving import ServingRun
from simcore.engine.settings import ReplicaSettings
from simcore.errors import InputError
from simcore.ops.op import plan_columns
from simcore.policy.power import Levels, PowerLimits, PowerView, power_policies
from simcore.policy.power.polca import PowerControl
from simcore.spec.plan import ParallelPlan
from simcore.spec.policy import ServingPolicy
from simcore.spec.traffic import Trace
from simcore.step.price import Physics
from simcore.step.sample import physics_step_times
from simcore.step.times import StepTimes, Table
from tests.simcore.engine.physics import law

RANDOM = np.random.default_rng(6)
TRACE = Trace(np.cumsum(RANDOM.exponential(0.05, 300)), RANDOM.integers(1, 300, 300), RANDOM.integers(1, 60, 300))
HOW = ReplicaSettings(kv_blocks=300, max_running=16, token_budget=512)
LADDER = (1.0, 0.8, 0.5)


def clocked(ratio: float) -> StepTimes:
    """Steps that take 1 / ratio as long and draw 400 W ratio cubed above an idle 100 W."""
    times = law(0.005 / ratio, 1e-4 / ratio, 1e-7 / ratio)
    joules = Table(times.dense_pure.x, 400.0 * ratio**3 * times.dense_pure.values)
    return replace(times, energy_pure=joules, energy_mixed=joules, idle_w=100.0)


def run(policy: str, **limits: object) -> ServingRun:
    rule = Clocking(PowerLimits(LADDER, **limits), policy, interval_s=0.5)  # type: ignore[arg-type]
    pool = Pool("main", HOW, clocked(1.0), 2, clocked=tuple(clocked(r) for r in LADDER[1:]))
    return serve_fleet(FleetPlan((pool,), clocking=rule), TRACE)


def view(mixed: int = 0, pure: int = 0, power_w: float = 0.0, gap_s: float = 0.0, queue_s: float = 0.0) -> PowerView:
    return PowerView(Levels(mixed, pure), power_w, gap_s, queue_s)


def test_the_top_clock_has_the_bytes_of_no_policy() -> None:
    plain = serve_fleet(FleetPlan((Pool("main", HOW, clocked(1.0), 2),)), TRACE)
    assert run("static").requests.tobytes() == plain.requests.tobytes()


def test_one_request_at_two_clocks_by_hand() -> None:
    one = Trace(np.array([1.0]), np.array([100]), np.array([3]))
    rule = Clocking(PowerLimits(LADDER, decode_level=2), "phase-aware")
    pool = Pool("main", HOW, clocked(1.0), 1, clocked=tuple(clocked(r) for r in LADDER[1:]))
    done = serve_fleet(FleetPlan((pool,), clocking=rule), one)
    assert done.requests["first_token_s"][0] == pytest.approx(1.0 + 0.015)
    decode_s = (2 * 0.0051 + (101 + 102) * 1e-7) / 0.5
    assert done.requests["done_s"][0] == pytest.approx(1.015 + decode_s)
    joules = 0.015 * 500.0 + 100.0 * decode_s + 2 * 400.0 * 0.125 * 0.0051 / 0.5
    assert done.replicas["energy_j"][0] == pytest.approx(joules)


def test_slower_clocks_take_longer_and_save() -> None:
    runs = [run("static", prefill_level=level) for level in (0, 1, 2)]
    assert all(violations(r) == [] for r in runs)
    found = [summary(r) for r in runs]
    totals = [f["energy_j"] + f["power"]["idle_energy_j"] for f in found]
    assert totals[0] > totals[1] > totals[2]
    assert found[0]["e2e_s"]["mean"] < found[1]["e2e_s"]["mean"] < found[2]["e2e_s"]["mean"]
    phase = summary(run("phase-aware", decode_level=1))
    assert found[0]["ttft_s"]["mean"] < phase["ttft_s"]["mean"] < found[1]["ttft_s"]["mean"]


def test_slack_is_spent_and_the_bound_kept() -> None:
    loose, tight = (run("slo-slack", ttft_s=2.0, tpot_s=tpot_s) for tpot_s in (0.1, 0.009))
    free = run("static")
    assert loose.replicas["energy_j"].sum() < tight.replicas["energy_j"].sum() <= free.replicas["energy_j"].sum()
    assert summary(loose)["itl_s"]["p99"] < 0.1


def test_a_cap_holds_on_average() -> None:
    free, capped = summary(run("static")), summary(run("cap", cap_w=300.0))
    assert free["power"]["peak_replica_power_w"] > 400
    assert capped["power"]["mean_power_w"] / 2 < 300 < free["power"]["peak_replica_power_w"]
    assert capped["power"]["clock_changes"] > 2


@pytest.mark.parametrize("policy", power_policies.names())
def test_every_policy_obeys_the_invariants_and_its_seed(policy: str) -> None:
    limits = {"cap_w": 350.0, "tpot_s": 0.02, "ttft_s": 0.5, "decode_level": 1}
    first, again = run(policy, **limits), run(policy, **limits)
    assert violations(first) == []
    assert first.requests.tobytes() == again.requests.tobytes() and first.power == again.power


def test_prefill_and_decode_pools_have_clocks_too() -> None:
    lower = tuple(clocked(r) for r in LADDER[1:])
    decode = replace(HOW, scheduler="decode-only")
    pools = (
        Pool("p", HOW, clocked(1.0), 2, "prefill", None, lower),
        Pool("d", decode, clocked(1.0), 2, "decode", None, lower),
    )
    rule = Clocking(PowerLimits(LADDER, decode_level=2), "phase-aware", latency_s=1.0)
    done = serve_fleet(FleetPlan(pools, transfer=Transfer(1e5, 1e9), clocking=rule), TRACE)
    assert violations(done) == []
    with pytest.raises(InputError, match="lower clocks"):
        serve_fleet(FleetPlan((Pool("main", HOW, clocked(1.0), 1),), clocking=rule), TRACE)


def test_what_the_policies_choose() -> None:
    limits = PowerLimits((1.0, 0.9, 0.8), 1, 2, cap_w=100.0, ttft_s=1.0, tpot_s=0.05)
    choose = {name: power_policies(name) for name in power_policies.names()}
    assert choose["static"](view(), limits) == (1, 1)
    assert choose["phase-aware"](view(), limits) == (1, 2)
    assert choose["slo-slack"](view(gap_s=0.03), limits) == (1, 1)
    assert choose["slo-slack"](view(1, 1, gap_s=0.04), limits) == (1, 1)
    assert choose["slo-slack"](view(2, 2, gap_s=0.03, queue_s=0.95), limits) == (0, 2)
    assert choose["slo-slack"](view(2, 2, gap_s=0.049), limits) == (0, 0)
    assert choose["cap"](view(0, 0, power_w=101), limits) == (0, 1)
    assert choose["cap"](view(0, 2, power_w=101), limits) == (1, 2)
    assert choose["cap"](view(1, 2, power_w=80), limits) == (1, 2)
    assert choose["cap"](view(1, 2, power_w=60), limits) == (0, 2)
    assert choose["polca"](view(power_w=85), limits) == (0, 1)
    assert choose["polca"](view(power_w=120), limits) == (2, 2)
    assert choose["polca"](view(0, 1, power_w=77), limits) == (0, 1)
    assert choose["polca"](view(0, 1, power_w=74), limits) == (0, 0)
    assert PowerControl().target(0, 0.95) == 2 and PowerControl().target(2, 0.5) == 1


@pytest.mark.parametrize(("wrong", "says"), [((0.9, 0.8), "fall from 1.0"), ((1.0, 1.0), "fall from 1.0")])
def test_ladders_fall(wrong: tuple[float, ...], says: str) -> None:
    with pytest.raises(InputError, match=says):
        PowerLimits(wrong)
    with pytest.raises(InputError, match="no place"):
        PowerLimits((1.0, 0.5), decode_level=2)


def test_a_clock_slows_compute_more_than_memory_and_saves_core_power() -> None:
    plan = ParallelPlan(tp=1)
    policy = ServingPolicy()
    system = hardware_specs.system("h100-sxm")
    machine = machine_of(system, *plan.formats()[:3], policy)
    physics = Physics(workloads.model("llama-3.1-8b"), machine, Roofline(), 1.0)
    full, low, half = (
        physics_step_times(replace(physics, clock_ratio=f), plan_columns(plan, {})) for f in (1.0, 0.9, 0.5)
    )
    prefill, decode = -1, 1
    longer = low.dense_mixed.values[prefill] / full.dense_mixed.values[prefill]
    assert longer == pytest.approx(1 / 0.9, rel=0.03)
    assert low.dense_pure.values[decode] == pytest.approx(full.dense_pure.values[decode], rel=0.01)
    slower = half.dense_pure.values[decode] / full.dense_pure.values[decode]
    assert 1.2 < slower <= CLOCKED_SHARE / 0.5 + 1e-9
    for table in ("energy_pure", "energy_mixed"):
        assert (getattr(low, table).values <= getattr(full, table).values).all()
