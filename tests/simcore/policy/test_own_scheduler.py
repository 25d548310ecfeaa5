"""A scheduler of one's own is one file: its option, its state and its order work, and the contracts hold for all."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import simcore
from scenarios.read import read
from scenarios.run import ready
from simcore import registry
from simcore.engine.serving import ServingRun, serve
from simcore.engine.settings import ReplicaSettings
from simcore.errors import InputError
from simcore.policy.router import routers
from simcore.policy.scheduler import options_of, rank_of, schedulers
from simcore.spec.traffic import Trace
from simcore.testing.schedulers import check_router, check_scheduler, step_times
from tests.simcore.policy import own_scheduler

SCENARIO = """
schema = "scenario/1"
[steps]
profile = "table"
step = "5 ms"
token = "0.1 ms"
[policy]
scheduler = "{scheduler}"
options = {{ {options} }}
[traffic]
input_tokens = [10, 900]
output_tokens = 8
requests = 60
rate_per_s = 30.0
"""


@pytest.fixture
def own() -> Iterator[str]:
    """The scheduler of the file beside, registered."""
    registry.register("scheduler", own_scheduler)
    yield "own-scheduler"
    registry.unregister("scheduler", "own-scheduler")


def run(scheduler: str, **options: float) -> ServingRun:
    """One long request among short ones that keep coming, one at a time."""
    count = 120
    inputs = np.full(count, 100)
    inputs[3] = 5000
    trace = Trace(np.arange(count) * 0.01, inputs, np.full(count, 4))
    how = ReplicaSettings(
        scheduler=scheduler, options=tuple(options.items()), max_running=1, token_budget=8192, kv_blocks=1000
    )
    return serve(trace, step_times(), how)


def test_order_option_and_state(own: str) -> None:
    patient, hasty = run(own, patience_s=1e6), run(own, patience_s=0.3)
    wait_s = [float(r.requests["scheduled_s"][3] - r.requests["arrival_s"][3]) for r in (patient, hasty)]
    assert patient.requests["scheduled_s"].argmax() == 3, "the longest input goes last"
    assert 0.3 < wait_s[1] < 0.6 < wait_s[0]
    assert patient.replicas["user"][0, 0] == 0 and hasty.replicas["user"][0, 0] > 10
    assert hasty.requests["user"][3, 0] == 1


def test_sorting_again_keeps_the_order_of_equals(own: str) -> None:
    rescued = run(own, patience_s=0.0).requests["scheduled_s"]
    waited = run("chunked").requests["scheduled_s"]
    assert np.array_equal(rescued, waited), "with no patience it is first come, first served"


def test_its_option_comes_from_a_scenario(own: str, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(SCENARIO.format(scheduler=own, options="patience_s = 0.25"))
    assert dict(ready(read(file)).settings.options) == {"patience_s": 0.25}
    assert ready(read(file)).run().requests["done_s"].min() > 0
    file.write_text(SCENARIO.format(scheduler=own, options="patience = 0.25"))
    with pytest.raises(InputError, match="no option 'patience'; did you mean patience_s"):
        ready(read(file)).run()


def test_shipped_schedulers_declare_their_order() -> None:
    ordered = {name for name in schedulers.names() if rank_of(name) is not None}
    assert {"priority", "shortest-job", "earliest-deadline"} <= ordered and "chunked" not in ordered
    assert options_of("chunked") == {}


def test_an_entry_point_is_found_and_a_broken_one_told(monkeypatch: pytest.MonkeyPatch) -> None:
    good = metadata.EntryPoint("patient", "tests.simcore.policy.own_scheduler", "simcore.schedulers")
    bad = metadata.EntryPoint("broken", "no.such.module", "simcore.schedulers")
    points = {"simcore.schedulers": {"patient": good, "broken": bad, "chunked": good}}
    monkeypatch.setattr(registry, "entry_points", lambda: points)
    assert {"patient", "broken", "chunked"} <= set(schedulers.names())
    assert schedulers("patient") is own_scheduler.compose
    assert "hides the shipped one" in schedulers.hides("chunked") and not schedulers.hides("patient")
    with pytest.raises(InputError, match=r"'broken' = 'no.such.module'.*cannot be loaded"):
        schedulers("broken")


def test_a_thing_without_the_function_is_refused() -> None:
    simcore.register("scheduler", object(), "empty")
    try:
        with pytest.raises(InputError, match="scheduler 'empty' has no 'compose'"):
            schedulers("empty")
    finally:
        registry.unregister("scheduler", "empty")


@pytest.mark.parametrize("name", schedulers.names())
def test_contracts_of_schedulers(name: str) -> None:
    check_scheduler(name)


def test_the_contract_holds_for_ones_own(own: str) -> None:
    check_scheduler(own)


@pytest.mark.parametrize("name", routers.names())
def test_contracts_of_routers(name: str) -> None:
    check_router(name)
