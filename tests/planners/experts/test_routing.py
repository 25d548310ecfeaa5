"""Shares of copies by load and locality, and placements in the servers' own files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planners.experts import ExpertProblem, Placement, place, servers
from planners.experts.metrics import cost_of, padded_share
from planners.experts.question import problem_of, read_question
from planners.experts.routing import routed, share_of_slot
from planners.experts.trace import generate, loads_of, transitions_of
from simcore.errors import InputError

TRACE = generate((3, 16, 2), 2000, skew=1.2, seed=1)
CASE = ExpertProblem(loads_of(TRACE, 16), transitions_of(TRACE, 16), 4, slots=24)


def test_routing_by_load_and_locality_is_no_worse_than_even_shares() -> None:
    for case in (CASE, replace(CASE, cut_weight=5.0), replace(CASE, cut_weight=0.0), replace(CASE, load_weight=0.0)):
        for method in ("eplb", "round-robin", "heuristic"):
            plan = place(case, method).plan
            assert plan is not None
            share = routed(case, plan)
            assert np.allclose(share.sum(axis=1), 1.0) and np.all(share[padded_share(plan, 16) == 0] == 0)
            assert cost_of(case, plan, share)[0] <= cost_of(case, plan)[0] + 1e-9
            slots = share_of_slot(plan, share)
            held = [np.bincount(e.ravel(), s.ravel(), 16) for e, s in zip(plan.expert_of_slot, slots, strict=True)]
            assert np.allclose(held, 1.0)


def test_two_unequal_experts_are_levelled() -> None:
    """Chip 0 holds experts 0 and 1, chip 1 holds 1 and 2: expert 1 fills what is missing."""
    case = ExpertProblem(np.array([[5.0, 4.0, 2.0]]), chips=2, slots=4)
    plan = Placement(np.array([[[0, 1], [1, 2]]]))
    share = routed(case, plan)
    assert share[0, :, 1] == pytest.approx([0.125, 0.875])
    assert cost_of(case, plan, share)[1]["load_ratio"] == pytest.approx(1.0)


def test_without_traffic_the_copies_nearby_are_taken() -> None:
    """All tokens go from expert e to expert e; both layers hold every expert twice: none needs to move."""
    case = ExpertProblem(np.ones((2, 2)), np.eye(2)[None], 2, slots=4, load_weight=0.0)
    plan = Placement(np.array([[[0, 1], [0, 1]]] * 2))
    assert cost_of(case, plan)[1]["cut_share"] == pytest.approx(0.5)
    assert cost_of(case, plan, routed(case, plan))[1]["cut_share"] == pytest.approx(0.0)


def test_one_copy_each_leaves_nothing_to_route() -> None:
    case = replace(CASE, slots=16)
    plan = place(case, "eplb").plan
    assert plan is not None and np.array_equal(routed(case, plan), padded_share(plan, 16))


def test_servers_files_are_read_back(tmp_path: Path) -> None:
    plan = place(CASE, "eplb").plan
    assert plan is not None
    for write in (servers.sglang, servers.vllm_ascend):
        written = json.loads(json.dumps(write(plan)))
        assert np.array_equal(servers.read(written, 4), plan.expert_of_slot)  # type: ignore[arg-type]
    shape = np.array(servers.sglang(plan)["physical_to_logical_map"]).shape
    assert shape == (3, 24)
    (tmp_path / "old.json").write_text(json.dumps(servers.sglang(plan)))
    text = 'chips = 4\nslots = 24\nmove_cost = 9.0\nprevious = "old.json"\n'
    (tmp_path / "p.toml").write_text(text + "[synthetic]\nlayers = 3\nexperts = 16\ntopk = 2\n")
    case, _ = problem_of(read_question(tmp_path / "p.toml"), tmp_path)
    assert np.array_equal(case.previous, plan.expert_of_slot)  # type: ignore[arg-type]
    for bad, says in (({"a": 1}, "no expert_of_slot"), ({"layer_list": [1]}, "whole numbers")):
        (tmp_path / "old.json").write_text(json.dumps(bad))
        with pytest.raises(InputError, match=says):
            problem_of(read_question(tmp_path / "p.toml"), tmp_path)
