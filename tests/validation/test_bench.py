"""Results of five benchmark tools are read alike, and a result that `simulate` itself wrote is predicted exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import simcore
from simcore.errors import InputError
from workloads.importers.bench import read_results

LOAD = {"input_tokens": 500, "output_tokens": 100, "requests": 60}
SPREAD = {"mean": 0.2, "p50": 0.19, "p90": 0.3, "p99": 0.4}


def vllm(scale: float = 1e3) -> dict[str, Any]:
    names = {"mean": "mean", "p50": "median", "p90": "p90", "p99": "p99"}
    times = {f"{names[s]}_{m}_ms": v * scale for m in ("ttft", "tpot", "itl", "e2el") for s, v in SPREAD.items()}
    more = {"completed": 60, "total_input_tokens": 30_000, "total_output_tokens": 6_000, "backend": "vllm"}
    return {**more, "request_rate": 4.0, "max_concurrency": None, "output_throughput": 380.0, **times}


def sglang() -> dict[str, Any]:
    told = {name.replace("e2el", "e2e_latency"): value for name, value in vllm().items()}
    return {**told, "backend": "sglang", "request_rate": "inf", "max_concurrency": 8}


def guidellm() -> dict[str, Any]:
    def metric(scale: float) -> dict[str, Any]:
        percentiles = {name: value * scale for name, value in SPREAD.items() if name != "mean"}
        whole = {
            "mean": SPREAD["mean"] * scale,
            "median": SPREAD["p50"] * scale,
            "count": 60,
            "percentiles": percentiles,
        }
        return {"successful": whole, "errored": {"mean": 1.0}}

    times = ("time_to_first_token_ms", "time_per_output_token_ms", "inter_token_latency_ms")
    metrics: dict[str, Any] = {name: metric(1e3) for name in times} | {"request_latency": metric(1.0)}
    for name, mean in (
        ("prompt_token_count", 500.0),
        ("output_token_count", 100.0),
        ("output_tokens_per_second", 380.0),
    ):
        metrics[name] = {"successful": {"mean": mean, "count": 60}}
    return {"benchmarks": [{"config": {"strategy": {"type_": "constant", "rate": 4.0}}, "metrics": metrics}]}


def inference_perf() -> dict[str, Any]:
    def told(value: float) -> dict[str, float]:
        return {name if name != "p50" else "median": v * value for name, v in SPREAD.items()}

    names = ("request_latency", "time_to_first_token", "time_per_output_token", "inter_token_latency")
    done = {"count": 60, "latency": {name: told(1.0) for name in names}}
    done |= {
        "throughput": {"output_tokens_per_sec": 380.0},
        "prompt_len": {"mean": 500.0},
        "output_len": {"mean": 100.0},
    }
    return {"load_summary": {"count": 60, "requested_rate": 4.0}, "successes": done, "failures": {"count": 0}}


def genai_perf() -> dict[str, Any]:
    def told(unit: str, scale: float) -> dict[str, Any]:
        return {"unit": unit, "avg": SPREAD["mean"] * scale, **{n: v * scale for n, v in SPREAD.items() if n != "mean"}}

    times = ("time_to_first_token", "inter_token_latency", "request_latency")
    found: dict[str, Any] = {name: told("ms", 1e3) for name in times}
    found |= {"request_throughput": {"unit": "requests/sec", "avg": 3.8}, "request_count": {"avg": 60}}
    found |= {"output_token_throughput": {"avg": 380.0}, "input_sequence_length": {"avg": 500.0}}
    found |= {"output_sequence_length": {"avg": 100.0}}
    return found | {"input_config": {"perf_analyzer": {"stimulus": {"concurrency": 8}}}}


TOOLS = {
    "vllm": vllm,
    "sglang": sglang,
    "guidellm": guidellm,
    "inference-perf": inference_perf,
    "genai-perf": genai_perf,
}


def saved(folder: Path, raw: Any) -> Path:
    path = folder / "result.json"
    path.write_text(json.dumps(raw))
    return path


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_says_the_same(tool: str, tmp_path: Path) -> None:
    (run,) = read_results(saved(tmp_path, TOOLS[tool]()))
    assert (run.tool, run.requests, run.input_tokens, run.output_tokens) == (tool, 60, 500.0, 100.0)
    for metric in ("ttft", "tpot", "e2e"):
        for statistic in ("mean", "p50", "p90", "p99"):
            assert run.measured[f"{metric}_{statistic}_s"] == pytest.approx(SPREAD[statistic])
    assert run.measured["throughput_tokens_per_s"] == 380.0
    closed = tool in ("sglang", "genai-perf")
    assert (run.rate_per_s, run.users) == ((None, 8) if closed else (4.0, None))


def test_a_prediction_of_its_own_measurement_is_exact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `simulate` says of the load, saved as a tool would, is what `validate bench` predicts."""
    from commands.validate_bench import bench

    deployment = tmp_path / "mine.toml"
    deployment.write_text(
        'schema = "scenario/2"\nname = "mine"\n[model]\nname = "llama-3.1-8b"\n[hardware]\nsystem = "l40s"\n'
        "[traffic]\ninput_tokens = 1\noutput_tokens = 1\nbatch = 1\n"
    )
    flat = simcore.simulate(simcore.read(deployment).set({"traffic": {**LOAD, "rate_per_s": 4.0}})).flat
    raw = vllm() | {
        f"mean_{m}_ms": 1e3 * flat[f"{m.replace('e2el', 'e2e')}_mean_s"] for m in ("ttft", "tpot", "itl", "e2el")
    }
    raw["mean_ttft_ms"] *= 1.25
    bench(saved(tmp_path, raw), deployment, as_json=True)
    (one,) = json.loads(capsys.readouterr().out)["runs"]
    errors = {metric["name"]: metric["error_percent"] for metric in one["metrics"]}
    assert errors["ttft_mean_s"] == pytest.approx(-20.0)
    assert errors["tpot_mean_s"] == pytest.approx(0.0, abs=1e-6) and errors["e2e_mean_s"] == pytest.approx(
        0.0, abs=1e-6
    )


@pytest.mark.parametrize(
    "change",
    [
        {"completed": 0},
        {"completed": "many"},
        {"mean_ttft_ms": -1.0},
        {"mean_ttft_ms": "fast"},
        {"request_rate": [1]},
        {"max_concurrency": -3},
        {"total_input_tokens": None},
    ],
)
def test_spoilt_results_are_one_line(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_results(saved(tmp_path, vllm() | change))
    assert "result.json" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"a": 1}', "{", '{"benchmarks": [{"metrics": 3}]}', "\x00"])
def test_what_is_no_result_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(InputError):
        read_results(path)


def test_the_last_line_of_a_file_that_a_tool_appends_to(tmp_path: Path) -> None:
    path = tmp_path / "result.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in (vllm() | {"completed": 3}, sglang())))
    (run,) = read_results(path)
    assert run.tool == "sglang"
