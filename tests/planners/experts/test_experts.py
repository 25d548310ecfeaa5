"""Expert placement: golden vectors, proofs against brute force, bounds that hold, no worse than the baselines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.placement import brute_force, drawn
from planners.experts import ExpertProblem, Placement, place
from planners.experts.bounds import total_bound
from planners.experts.drift import drifting, replay
from planners.experts.eplb import eplb
from planners.experts.metrics import cost_of, fan_out
from planners.experts.packing import replicate
from planners.experts.solve import frontier
from planners.experts.trace import checked, generate, halves, loads_of, read_trace, transitions_of
from simcore.errors import InputError


def problem(seed: int, layers: int = 3, experts: int = 6, chips: int = 3, **more: object) -> ExpertProblem:
    random = np.random.default_rng(seed)
    loads = random.gamma(1.0, 1.0, (layers, experts)) + 0.01
    transitions = random.gamma(0.5, 1.0, (layers - 1, experts, experts))
    return ExpertProblem(loads, transitions, chips, **more)  # type: ignore[arg-type]


def test_published_balancer_example() -> None:
    """The example in EPLB's README: 12 experts, 16 slots, 4 groups, 2 nodes, 8 chips."""
    weights = np.array(
        [[90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86], [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27]],
        float,
    )
    expected = [[5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1], [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1]]
    assert eplb(weights, 16, 8, 2, 4).reshape(2, -1).tolist() == expected


@pytest.mark.parametrize("seed", range(20))
def test_exact_program_equals_brute_force(seed: int) -> None:
    case = problem(seed, layers=2, experts=4 + 2 * (seed % 2), chips=2 + seed % 2)
    best = brute_force(case)
    exact, chain = place(case, "exact"), place(case, "chain")
    assert exact.objective == pytest.approx(best, abs=1e-6) and exact.status == "optimal"
    assert chain.objective == pytest.approx(best, abs=1e-9) and chain.gap_ratio == 0.0


CHEAP = [seed for seed in range(200) if seed % 24 in (0, 2, 3, 4, 8, 11, 13, 14, 18, 21)]
"""of the 200 cases of `python -m benchmarks placement`: those whose brute force takes milliseconds"""


@pytest.mark.parametrize("seed", CHEAP)
def test_small_cases_are_solved_under_any_weights_copies_and_hops(seed: int) -> None:
    case = drawn(seed)
    best, answer = brute_force(case), place(case)
    assert answer.status == "optimal" and answer.objective == pytest.approx(best, abs=1e-9)
    assert total_bound(case) <= best + 1e-9


@pytest.mark.parametrize("seed", CHEAP[::10])
def test_the_search_over_slots_comes_within_one_percent(seed: int) -> None:
    case = drawn(seed)
    answer = place(case, "local")
    assert brute_force(case) - 1e-9 <= answer.objective <= 1.01 * brute_force(case) + 1e-9


def test_a_cap_and_moves_hold_in_the_optimum() -> None:
    case = problem(3, 3, 6, 2, slots=8)
    free = place(case)
    capped = place(replace(case, load_cap_ratio=1.05, load_weight=0.0))
    assert free.method == capped.method == "chain" and capped.metrics["load_worst"] <= 1.05 + 1e-9
    assert capped.metrics["cut_share"] >= free.metrics["cut_share"] - 1e-9 or free.metrics["load_worst"] <= 1.05
    assert free.plan is not None
    again = place(replace(case, loads=case.loads[:, ::-1], previous=free.plan.expert_of_slot, move_cost=50.0))
    assert again.metrics["moved_share"] == 0.0 and again.status == "optimal"


@pytest.mark.parametrize(("experts", "chips", "slots", "nodes"), [(24, 4, 24, 2), (24, 4, 28, 2), (20, 5, 30, 1)])
def test_balance_and_objective_are_never_worse_than_the_published_balancers(
    experts: int, chips: int, slots: int, nodes: int
) -> None:
    for seed in range(2):
        case = problem(seed, 3, experts, chips, slots=slots, nodes=nodes)
        assert place(case).objective <= place(case, "eplb").objective + 1e-9
        alone = replace(case, cut_weight=0.0)
        assert place(alone).metrics["load_ratio"] <= place(alone, "eplb").metrics["load_ratio"] + 1e-9


def test_generated_traces_are_the_gumbel_best_of_the_scores() -> None:
    random = np.random.default_rng(7)
    topic = random.choice(24, size=500, p=(w := 1.0 / np.arange(1, 25) ** 0.7) / w.sum())
    score = 0.9 * random.standard_normal(32) + 1.3 * random.standard_normal((24, 32))
    noisy = score[topic] + random.gumbel(size=(500, 32))
    wanted = np.argsort(-noisy, axis=1)[:, :4]
    assert np.array_equal(generate((1, 32, 4), 500, skew=0.9, seed=7)[:, 0], wanted)


@settings(max_examples=800, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([(2, 4, 2), (3, 4, 2), (2, 6, 3), (2, 6, 2)]))
def test_bounds_are_never_violated(seed: int, shape: tuple[int, int, int]) -> None:
    case = problem(seed, *shape)
    assert total_bound(case) <= place(case, "chain").objective + 1e-9


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10**6), st.sampled_from([(2, 4, 2, 6), (3, 3, 2, 4), (2, 3, 3, 6), (2, 5, 2, 6)]),
    st.sampled_from([0.0, 0.1, 1.0]), st.sampled_from([1.0, 4.0]),
)  # fmt: skip
def test_bounds_hold_with_copies_and_hops(
    seed: int, shape: tuple[int, int, int, int], load_weight: float, hop: float
) -> None:
    layers, experts, chips, slots = shape
    more = {"slots": slots, "load_weight": load_weight, "nodes": 2 - chips % 2, "node_hop_cost": hop}
    case = problem(seed, layers, experts, chips, **more)
    assert total_bound(case) <= place(case, "chain").objective + 1e-9


def test_the_bound_is_close_where_copies_are_many() -> None:
    """A size that nobody can enumerate: within 8 % of the plan, with and without copies."""
    trace = generate((4, 64, 4), 4000, skew=0.9, seed=3)
    case = ExpertProblem(loads_of(trace, 64), transitions_of(trace, 64), 8, slots=64)
    assert place(case).gap_ratio < 0.08 and place(replace(case, slots=80)).gap_ratio < 0.08


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 4))
def test_bounds_hold_with_the_diagonal_shift(seed: int, grow: int) -> None:
    import planners.experts.bounds as bounds

    case = problem(seed, 2, 6, 2 + grow % 2)
    before, bounds.SHIFT_FROM = bounds.SHIFT_FROM, 0
    try:
        assert total_bound(case) <= place(case, "chain").objective + 1e-9
    finally:
        bounds.SHIFT_FROM = before


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from(["heuristic", "spectral", "eplb", "round-robin", "exflow"]),
    st.sampled_from([8, 12, 16]),
)
def test_every_answer_is_a_placement_above_its_bound(seed: int, method: str, slots: int) -> None:
    case = problem(seed, 3, 8, 4, slots=slots)
    answer = place(case, method, seed=seed)
    assert answer.plan is not None and answer.plan.expert_of_slot.shape == (3, 4, slots // 4)
    for layer in answer.plan.expert_of_slot:
        assert set(layer.ravel()) == set(range(8))
    assert answer.lower_bound <= answer.objective + 1e-9
    assert answer.objective == pytest.approx(cost_of(case, answer.plan)[0])


def test_copies_go_where_the_load_is() -> None:
    assert replicate(np.array([[8.0, 1.0, 1.0]]), 6, 6)[0].tolist() == [0, 0, 0, 0, 1, 2]
    assert replicate(np.array([[8.0, 1.0, 1.0]]), 6, 2)[0].tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(("experts", "chips", "slots"), [(32, 8, 32), (32, 8, 40), (8, 4, 8)])
def test_some_plan_on_the_frontier_is_no_worse_than_each_baseline(experts: int, chips: int, slots: int) -> None:
    trace = generate((6, experts, 2), 3000, seed=1)
    case = ExpertProblem(loads_of(trace, experts), transitions_of(trace, experts), chips, nodes=2, slots=slots)
    plans = [a.metrics for a in frontier(case)]
    for method in ("eplb", "round-robin"):
        base = place(case, method).metrics
        assert any(
            p["load_ratio"] <= base["load_ratio"] + 1e-9 and p["cut_share"] <= base["cut_share"] for p in plans
        ), method


def test_layer_programs_do_not_worsen_the_heuristic() -> None:
    trace = generate((4, 16, 2), 2000, seed=2)
    case = ExpertProblem(loads_of(trace, 16), transitions_of(trace, 16), 4, load_cap_ratio=1.1)
    assert place(case, "ilp").objective <= place(case, "heuristic").objective + 1e-9


def test_holds_on_the_other_half_of_the_trace() -> None:
    """Planned on one half of the tokens, better than round robin on the other."""
    trace = generate((6, 32, 4), 8000, affinity=2.0, seed=3)
    plan, judge = (ExpertProblem(loads_of(t, 32), transitions_of(t, 32), 4) for t in halves(trace))
    ours, base = (cost_of(judge, place(plan, m).plan)[1] for m in ("heuristic", "round-robin"))  # type: ignore[arg-type]
    assert ours["cut_share"] < base["cut_share"] - 0.02 and ours["load_ratio"] < base["load_ratio"]


def test_moves_cost() -> None:
    case = problem(5, 3, 8, 4)
    before = place(case, "round-robin").plan
    assert before is not None
    shares = []
    for cost in (0.001, 0.3, 10.0):
        moving = ExpertProblem(case.loads, case.transitions, 4, previous=before.expert_of_slot, move_cost=cost)
        shares.append(place(moving, "heuristic").metrics["moved_share"])
    assert shares[0] >= shares[1] >= shares[2] == 0.0


def test_node_hops_pull_traffic_into_nodes() -> None:
    trace = generate((5, 32, 4), 3000, affinity=2.0, seed=4)
    loads, transitions = loads_of(trace, 32), transitions_of(trace, 32)
    flat, steep = (
        place(ExpertProblem(loads, transitions, 8, nodes=2, node_hop_cost=c), "heuristic").metrics["node_cut_share"]
        for c in (1.0, 8.0)
    )
    assert steep < flat - 0.01


def test_replanning_follows_drift() -> None:
    base = ExpertProblem(np.ones((3, 16)), np.ones((2, 16, 16)), 4)
    never = replay(base, drifting((3, 16, 2), 2000, 6, 0.5, seed=1), np.inf)
    often = replay(base, drifting((3, 16, 2), 2000, 6, 0.5, seed=1), 1.05)
    assert np.mean([e.load_ratio for e in often]) < np.mean([e.load_ratio for e in never])
    assert sum(e.replanned for e in often) > sum(e.replanned for e in never) == 1


def test_fan_out_counts_chips() -> None:
    trace = np.array([[[0, 1]], [[0, 2]]], np.int16)
    assert fan_out(trace, Placement(np.array([[[0, 1], [2, 3]]]))) == 1.5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"slots": 4}, "4 slots cannot hold 6 experts"),
        ({"slots": 7}, "7 slots do not divide over 3 chips"),
        ({"slots": 21}, "more than one copy of each expert per chip"),
        ({"load_cap_ratio": 0.9}, "load cap 0.9 is below the mean load"),
    ],
)
def test_clashing_constraints_are_named(change: dict[str, float], says: str) -> None:
    answer = place(problem(0, **change))
    assert answer.plan is None and answer.status == "infeasible" and says in " ".join(answer.explanation)


def test_a_large_instance_is_refused_by_the_exact_program_with_its_size() -> None:
    with pytest.raises(InputError, match=r"would have [\d,]+ variables"):
        place(problem(0, 8, 32, 4), "exact")


@pytest.mark.parametrize(
    ("loads", "transitions", "says"),
    [
        (np.ones(4), None, "not \\[layers, experts\\]"),
        (np.zeros((2, 4)), None, "routes no token"),
        (-np.ones((2, 4)), None, "negative"),
        (np.full((2, 4), np.nan), None, "non-finite"),
        (np.ones((2, 4)), np.ones((2, 4, 4)), "transitions"),
    ],
)
def test_bad_numbers_are_one_line(loads: np.ndarray, transitions: np.ndarray | None, says: str) -> None:
    with pytest.raises(InputError) as error:
        ExpertProblem(loads, transitions, 2)
    assert says.strip("\\") in str(error.value) or says.replace("\\", "") in str(error.value)


def test_traces_are_read_and_refused(tmp_path) -> None:
    trace = generate((3, 8, 2), 50, seed=0)
    np.save(tmp_path / "t.npy", trace)
    assert np.array_equal(read_trace(tmp_path / "t.npy"), trace)
    (tmp_path / "t.json").write_text(str(trace.tolist()))
    assert np.array_equal(read_trace(tmp_path / "t.json"), trace)
    (tmp_path / "bad.npy").write_bytes(b"not numpy")
    for path, says in (("bad.npy", "is no npy file"), ("none.npy", "no such file"), ("t.txt", "no such file")):
        with pytest.raises(InputError, match=says):
            read_trace(tmp_path / path)
    with pytest.raises(InputError, match="chooses one expert twice"):
        checked(np.zeros((4, 2, 2), np.int64))
    with pytest.raises(InputError, match="not whole numbers"):
        checked(np.zeros((4, 2, 2)))
    with pytest.raises(InputError, match="expert -1"):
        checked(np.full((4, 2, 1), -1))
