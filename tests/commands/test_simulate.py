"""`simulate`, `capacity`, `study`, `validate requests`: what they print, write and refuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from commands.capacity import capacity
from commands.serving_study import study
from commands.simulate import simulate
from simcore.errors import InputError

SCENARIO = """
schema = "scenario/2"
[steps]
profile = "table"
step = "5 ms"
token = "50 us"
kv_token = "0.1 us"
kv_blocks = 4000
[policy]
scheduler = "chunked"
max_running = 64
token_budget = 1024
[traffic]
input_tokens = [100, 400]
output_tokens = [20, 80]
requests = 300
rate_per_s = 8.0
[slo]
ttft = "0.5 s"
tpot = "40 ms"
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    file = tmp_path / "small.toml"
    file.write_text(SCENARIO)
    return file


def printed(capsys: Any) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out))


def test_simulate_prints_and_writes(scenario: Path, tmp_path: Path, capsys: Any) -> None:
    simulate(scenario, out=tmp_path / "out", check=True, timeline="1:3", as_json=True, seeds=3)
    report = printed(capsys)
    assert report["served"] == 300 and 0 < report["ttft_s"]["p50"] < report["ttft_s"]["p99.9"]
    assert report["over_seeds"]["ttft_s.mean"]["half_width"] > 0
    names = {path.name for path in (tmp_path / "out").iterdir()} - {".simcore.json"}
    assert names == {"requests.parquet", "series.csv", "summary.json", "asked.json", "simulate.html", "timeline.json"}
    events = json.loads((tmp_path / "out" / "timeline.json").read_text())["traceEvents"]
    assert {event["name"] for event in events} >= {"decode", "queue", "prefill"}
    import pandas

    assert len(pandas.read_parquet(tmp_path / "out" / "requests.parquet")) == 300


def test_same_seed_same_bytes(scenario: Path, tmp_path: Path, capsys: Any) -> None:
    for name in ("a", "b"):
        simulate(scenario, out=tmp_path / name, timeline=None, quiet=True, seeds=1, as_json=False, check=False)
    for name in ("requests.parquet", "series.csv", "summary.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_capacity_is_the_edge(scenario: Path, capsys: Any) -> None:
    capacity(scenario, find="rate", tolerance=0.02, as_json=True)
    found = printed(capsys)
    assert found["rate_requests_per_s"] > 8 and found["attainment_ratio"] >= 0.9
    capacity(scenario, find="replicas", most=16, as_json=True)
    assert printed(capsys)["replicas"] == 1
    capacity(scenario, find="replicas", most=16, as_json=False)
    assert "1 replicas on 1 chips: " in (said := capsys.readouterr().out) and "meet the SLO" in said


def test_a_study_tabulates(scenario: Path, tmp_path: Path, capsys: Any) -> None:
    tables = SCENARIO.replace('schema = "scenario/2"', "").replace("[", "[scenario.").replace("= [scenario.", "= [")
    text = 'schema = "serving-study/1"\n' + tables + '[vary]\n"traffic.rate_scale" = [1.0, 2.0]\n'
    text += '[[figures]]\nx = "traffic.rate_scale"\ny = "ttft_s.p50"\n'
    file = tmp_path / "study.toml"
    file.write_text(text)
    study(file, out=tmp_path / "out", as_json=True)
    rows = printed(capsys)["rows"]
    assert [row["traffic.rate_scale"] for row in rows] == [1.0, 2.0]
    assert rows[1]["ttft_s.p50"] >= rows[0]["ttft_s.p50"]
    assert {"table.csv", "table.md", "study.html"} <= {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("8.0", '"8 GB"'), "traffic.rate_per_s"),
        (('step = "5 ms"', "step = 5"), "steps.step"),
        (("scheduler =", "schedular ="), "policy.schedular"),
        (('scheduler = "chunked"', 'scheduler = "chunky"'), "unknown scheduler"),
        (("scenario/2", "chip/1"), "schema"),
        (("rate_per_s = 8.0", ""), "rate_per_s"),
    ],
)
def test_bad_scenarios_are_told_in_one_line(change: tuple[str, str], problem: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(SCENARIO.replace(*change))
    with pytest.raises(InputError, match=problem.replace(".", r"\.")) as caught:
        simulate(file, out=None, timeline=None, seeds=1)
    assert "\n" not in str(caught.value)


def test_a_killed_run_leaves_the_old_files(scenario: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out).mkdir()
    (out / "thesis.tex").write_text("mine")
    simulate(scenario, out=out, timeline=None, quiet=True, seeds=1, as_json=False, check=False)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    code = (
        "import os, reports.serving as s; from pathlib import Path; from commands.simulate import simulate\n"
        "s.page_of = lambda *a: os.kill(os.getpid(), 9)\n"
        f"simulate(Path({str(scenario)!r}), out=Path({str(out)!r}), timeline=None, quiet=True, seeds=1)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, check=False
    )
    assert done.returncode == -9
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    simulate(scenario, out=out, timeline=None, quiet=True, seeds=1, as_json=False, check=False)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


FLEET = """
[fleet]
transfer = { bandwidth = "10 GB/s", bytes_per_token = 1e5 }
failures = [{ at = "10 s", replica = 1, down = "5 s" }]
pools = [
  { name = "p", role = "prefill", count = 2 },
  { name = "d", role = "decode", count = 2, policy = { scheduler = "decode-only" } },
]
"""


def test_a_fleet_with_failures_serves_everything(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(SCENARIO + FLEET)
    simulate(file, out=None, timeline=None, check=True, as_json=True, seeds=1)
    assert printed(capsys)["served"] == 300


def test_classes_have_bounds_of_their_own(tmp_path: Path, capsys: Any) -> None:
    rows = "".join(f"{k * 0.002},200,30,{'chat' if k % 2 else 'batch'}\n" for k in range(100))
    (tmp_path / "trace.csv").write_text("arrival_s,input_tokens,output_tokens,slo_class\n" + rows)
    start = SCENARIO.index("[traffic]")
    text = SCENARIO[:start].replace('"chunked"', '"earliest-deadline"\nstream_interval = 10')
    text += '[traffic]\ntrace = "trace.csv"\n[slo.classes.chat]\nttft = "0.3 s"\n'
    file = tmp_path / "classes.toml"
    file.write_text(text)
    simulate(file, out=None, timeline=None, check=True, as_json=True, seeds=1)
    report = printed(capsys)
    assert report["by_class"]["batch"]["attainment_ratio"] == 1.0
    assert report["by_class"]["chat"]["ttft_s"]["mean"] <= report["by_class"]["batch"]["ttft_s"]["mean"]
    file.write_text(text.replace("stream_interval = 10", "stream_interval = 1"))
    simulate(file, out=None, timeline=None, check=True, as_json=True, seeds=1)
    assert printed(capsys)["ttft_s"]["mean"] < report["ttft_s"]["mean"], "clients wait for ten tokens"
    file.write_text(text.replace("chat]", "chatt]"))
    with pytest.raises(InputError, match="did you mean chat"):
        simulate(file, out=None, timeline=None, seeds=1)


def test_sessions_wait_for_their_answers(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "sessions.toml"
    turns = 'turns = 3\ncopies = 2\npause = "0.5 s"\nwait = true\n'
    file.write_text(SCENARIO.replace("requests = 300\n", "requests = 40\n" + turns))
    simulate(file, out=None, timeline=None, check=True, as_json=True, seeds=1)
    assert printed(capsys)["served"] == 40 * 3 * 2
    file.write_text(SCENARIO.replace("requests = 300\n", "wait = true\n"))
    with pytest.raises(InputError, match="sessions and turns"):
        simulate(file, out=None, timeline=None, seeds=1)
    file.write_text(SCENARIO.replace("requests = 300\n", "users = 3\n" + turns))
    with pytest.raises(InputError, match="give one"):
        simulate(file, out=None, timeline=None, seeds=1)


def test_users_share_the_replicas_of_a_fleet_and_of_a_policy(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "users.toml"
    users = SCENARIO.replace("rate_per_s = 8.0", "users = 24")
    pools = '[fleet]\npools = [{ name = "a", count = 2 }, { name = "b", count = 1, policy = { max_running = 8 } }]\n'
    figures = []
    for text in (users, users + "[plan]\ndp = 3\n", users + pools):
        file.write_text(text)
        simulate(file, out=None, timeline=None, check=True, as_json=True, seeds=1)
        figures.append(printed(capsys)["throughput_tokens_per_s"])
    assert figures[1] > 1.5 * figures[0] and figures[2] > 1.5 * figures[0]


def test_roles_switch_in_a_scenario(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "roles.toml"
    limits = "high_queue_tokens = 1000, low_queue_tokens = 500, low_decode_ratio = 0.8"
    part = f'roles = {{ {limits}, interval = "0.1 s", hold = "1 s" }}\n'
    text = SCENARIO.replace("rate_per_s = 8.0", "rate_per_s = 150.0") + FLEET.replace("failures", part + "failures")
    file.write_text(text)
    simulate(file, out=None, timeline=None, check=True, as_json=True, seeds=1)
    assert printed(capsys)["role_switches"] > 0
    file.write_text(text.replace("low_queue_tokens = 500", "low_queue_tokens = 5000"))
    with pytest.raises(InputError, match="low_queue_tokens must lie below"):
        simulate(file, out=None, timeline=None, seeds=1)
    file.write_text(
        text.replace("pools", 'autoscale = { pool = "d", low = 1, high = 9, interval = 1, cold_start = 1 }\npools')
    )
    with pytest.raises(InputError):
        simulate(file, out=None, timeline=None, seeds=1)


def test_tiers_below_the_prefix_cache(tmp_path: Path, capsys: Any) -> None:
    text = (Path(__file__).resolve().parents[2] / "examples" / "kv-tiers.toml").read_text()
    file = tmp_path / "tiers.toml"
    file.write_text(text.replace("requests = 150", "requests = 20"))
    simulate(file, out=None, timeline=None, check=True, as_json=True, seeds=1)
    report = printed(capsys)
    assert list(report["tiers"]) == ["host", "pool", "ssd"] and report["cache_hit_ratio"] > 0.3
    for change, problem in (
        (('"write-through"', '"write-thru"'), "did you mean write-through"),
        (('"radix"', "false"), "tiers need a prefix_cache"),
        (('"radix"', '"trie"'), "prefix_cache"),
        (('name = "ssd"', 'name = "host"'), "same name"),
    ):
        file.write_text(text.replace(*change))
        with pytest.raises(InputError, match=problem):
            simulate(file, out=None, timeline=None, seeds=1)


def test_a_power_policy_saves_energy_and_says_what_it_needs(tmp_path: Path, capsys: Any) -> None:
    text = (Path(__file__).resolve().parents[2] / "examples" / "power-policies.toml").read_text()
    text = text.replace("requests = 1500", "requests = 60")
    file = tmp_path / "power.toml"
    spent = []
    for level in (0, 2):
        file.write_text(text.replace("decode_level = 2", f"decode_level = {level}"))
        simulate(file, out=None, timeline=None, check=True, as_json=True, seeds=1)
        report = printed(capsys)
        spent.append(report["energy_j"] + report["power"]["idle_energy_j"])
    assert spent[1] < spent[0]
    for change, problem in (
        (('"phase-aware"', '"cap"'), "needs a cap"),
        (('"phase-aware"', '"phase-awake"'), "did you mean phase-aware"),
        (("decode_level = 2", "decode_level = 4"), "no place in clock_ratios"),
        (("[1.0, 0.9, 0.8, 0.7]", "[0.9, 0.8, 0.7]"), "fall from 1.0"),
    ):
        file.write_text(text.replace(*change))
        with pytest.raises(InputError, match=problem):
            simulate(file, out=None, timeline=None, seeds=1)
    file.write_text(SCENARIO + '[power]\npolicy = "static"\n')
    with pytest.raises(InputError, match=r"needs \[model\] and \[hardware\]"):
        simulate(file, out=None, timeline=None, seeds=1)


def test_attention_and_ffn_on_different_chips(tmp_path: Path, capsys: Any) -> None:
    text = (Path(__file__).resolve().parents[2] / "examples" / "attention-ffn.toml").read_text()
    text = text.replace("requests = 1500", "requests = 80")
    file = tmp_path / "group.toml"
    file.write_text(text)
    simulate(file, out=None, timeline=None, check=True, as_json=True, seeds=1)
    assert printed(capsys)["served"] == 80
    file.write_text(text.replace("tp = 8, ep = 8", "tp = 1, ep = 1"))
    with pytest.raises(typer.Exit):
        simulate(file, out=None, timeline=None, as_json=True, seeds=1)
    assert "FFN pool misses" in printed(capsys)["infeasible"]
    for change, problem in (
        (("tp = 8, ep = 8", "tp = 8, ep = 3"), "ep = 3 must divide"),
        (("tp = 2\n", "tp = 2\npp = 2\n"), "pp is 2"),
        (('bandwidth = "50 GB/s"', "bandwidth = 50"), "attention_ffn.bandwidth"),
        (("[policy]", '[power]\npolicy = "static"\n[policy]'), "no \\[power\\] yet"),
    ):
        file.write_text(text.replace(*change))
        with pytest.raises(InputError, match=problem):
            simulate(file, out=None, timeline=None, seeds=1)


def test_capacity_of_a_fleet_is_its_cheapest_pools(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "fleet.toml"
    text = SCENARIO.replace("rate_per_s = 8.0", "rate_per_s = 80.0") + FLEET
    file.write_text("\n".join(line for line in text.splitlines() if not line.startswith("failures")))
    capacity(file, find="replicas", most=8, as_json=True)
    found = printed(capsys)
    pools = found["pools"]
    assert found["chips"] == pools["p"] + pools["d"] > 2 and found["attainment_ratio"] >= 0.9
    file.write_text(text)
    with pytest.raises(InputError, match="no failures"):
        capacity(file, find="replicas", most=8, as_json=True)


def test_micro_batches_fill_the_pipeline(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "stages.toml"
    text = SCENARIO.replace("[traffic]", "[plan]\npp = 4\n[traffic]").replace("rate_per_s = 8.0", "users = 64")
    served = []
    for parts in (1, 2, 4):
        file.write_text(text.replace("max_running", f"microbatches = {parts}\nmax_running"))
        simulate(file, out=None, timeline=None, check=True, as_json=True, seeds=1)
        served.append(printed(capsys)["throughput_tokens_per_s"])
    assert served[0] < served[1] < served[2]
    file.write_text(SCENARIO.replace("max_running", "microbatches = 2\nmax_running"))
    with pytest.raises(InputError, match="need pipeline stages"):
        simulate(file, out=None, timeline=None, seeds=1)


def test_attention_dp_ranks_of_arrivals_step_together(scenario: Path, tmp_path: Path, capsys: Any) -> None:
    """Two ranks serve what one replica could, each with its own KV; two replicas of ranks share the work."""
    text = scenario.read_text().replace("rate_per_s = 8.0", "rate_per_s = 30.0")
    scenario.write_text(text)
    simulate(scenario, as_json=True)
    alone = printed(capsys)
    scenario.write_text(text + "[plan]\nattention_dp = 2\n")
    simulate(scenario, check=True, as_json=True)
    ranks = printed(capsys)
    assert ranks["served"] == alone["served"] == 300
    assert ranks["kv_occupancy_ratio"] < 0.8 * alone["kv_occupancy_ratio"]
    assert ranks["tpot_s"]["mean"] < alone["tpot_s"]["mean"]
    scenario.write_text(text + "[plan]\nattention_dp = 2\ndp = 2\n")
    simulate(scenario, check=True, as_json=True)
    two = printed(capsys)
    assert two["served"] == 300 and two["tpot_s"]["mean"] < ranks["tpot_s"]["mean"]
