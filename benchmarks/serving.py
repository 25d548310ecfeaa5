"""Speed of the event engine: simulated requests per CPU second, and a million requests on 16 replicas.

The light and saturated runs use a synthetic stand-in of the same size where the peer's trace is not at hand: lengths
and arrivals of the Vidur runs (10,000 requests at 2/s; 10,000 at 6.45/s), Llama-2-7b on one A100, Sarathi, chunk 512.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("SIMCORE_SHARED", ROOT.parent / "shared"))
PEER = SHARED / "peers" / "vidur"


def figures() -> dict[str, float]:
    """Requests per CPU second (best of three), CPU seconds and peak MB of the million, growth with the requests."""
    light, saturated = trace("light"), trace("saturated")
    found = {
        "serving_light_requests_per_cpu_s": max(speed(light) for _ in range(3)),
        "serving_saturated_requests_per_cpu_s": max(speed(saturated) for _ in range(3)),
    }
    cpu_s, peak_mb = _child("million")
    found |= {"serving_million_cpu_s": cpu_s, "serving_million_peak_mb": peak_mb}
    found["serving_process_10k_cpu_s"] = _child("ten_thousand")[0]
    found["serving_growth_ratio"] = growth()
    found["serving_closed_requests_per_cpu_s"] = max(closed(light) for _ in range(3))
    found["serving_ranks_requests_per_cpu_s"] = max(closed(light, 8) for _ in range(3))
    found["serving_closed_fleet_requests_per_cpu_s"] = closed_fleet(light)
    return found


def growth(requests: int = 200_000) -> float:
    """CPU time of twice as many requests over that of `requests`, light traffic, one replica: 2 is linear growth."""
    light = trace("light")
    once, twice = light.tiled(requests), light.tiled(2 * requests)
    ratios = [2 * speed(once) / speed(twice) for _ in range(3)]
    return sorted(ratios)[1]


def trace(kind: str) -> Any:
    """10,000 requests: the peer's if present, else drawn to the same rate and mean lengths."""
    import numpy as np

    from simcore.spec.traffic import Trace

    file = PEER / ("s10000.csv" if kind == "light" else "s512q645b.csv")
    if file.is_file():
        table = np.genfromtxt(file, delimiter=",", names=True)
        tokens = [table[name].astype(np.int64) for name in ("input_tokens", "output_tokens")]
        return Trace(table["arrival_s"], tokens[0], tokens[1]).tiled(10_000)
    random = np.random.default_rng(1)
    arrival_s = np.cumsum(random.exponential(0.5 if kind == "light" else 1 / 6.45, 10_000))
    return Trace(arrival_s, random.integers(100, 2200, 10_000), random.integers(20, 400, 10_000))


def step_times() -> Any:
    """Vidur's profile if present, else a small roofline of the same model and chip."""
    if PEER.is_dir():
        from simcore.calibration.importers.vidur import vidur_step_times

        return vidur_step_times(PEER / "a100_llama2-7b_mlp.csv", PEER / "a800_llama2-7b_attention.csv", layers=32)
    from simcore.step.served import Work
    from simcore.step.times import SampleRange, StepParts, StepSample, sample_step_times

    def evaluate(steps: StepSample) -> StepParts:
        tokens = steps.chunk_tokens + steps.decodes
        work = steps.chunk_tokens * (steps.past_tokens + steps.chunk_tokens / 2) + steps.decodes * steps.kv_tokens
        return StepParts(Work(elementwise=0.007 + tokens * 8e-5), work * 3e-10, 0.0 * tokens, 0.0 * tokens)

    return sample_step_times(evaluate, SampleRange(tokens=4096, past_tokens=8192))


def settings() -> Any:
    """Vidur's scheduler settings: Sarathi, chunk 512, 128 sequences, 7,424 blocks of 16."""
    from simcore.engine.settings import ReplicaSettings

    return ReplicaSettings(
        kv_blocks=7424, watermark_blocks=74, max_running=128, token_budget=512, whole_prompt=True, spare_block=True
    )


def speed(requests: Any) -> float:
    """Requests per CPU second of one run with all records kept, compilation excluded."""
    from simcore.engine.metrics import summary
    from simcore.engine.serving import serve

    times, how = step_times(), settings()
    serve(requests.head(50), times, how)
    began = time.process_time()
    summary(serve(requests, times, how))
    return len(requests) / (time.process_time() - began)


def closed(requests: Any, ranks: int = 1) -> float:
    """Requests per CPU second of 64 users on one replica, which may have attention-dp ranks in lockstep."""
    from simcore.engine.feedback import Clients
    from simcore.engine.metrics import summary
    from simcore.engine.serving import serve_clients

    times, how, clients = step_times(), settings(), Clients(64, 0.1)
    serve_clients(requests.head(50), times, how, clients, ranks)
    began = time.process_time()
    summary(serve_clients(requests, times, how, clients, ranks))
    return len(requests) / (time.process_time() - began)


def closed_fleet(requests: Any) -> float:
    """Requests per CPU second of 64 users on a fleet of four replicas: SimPy above, feedback at every completion."""
    from simcore.engine.feedback import Clients
    from simcore.engine.fleet import FleetPlan, Pool, serve_fleet

    plan = FleetPlan((Pool("main", settings(), step_times(), 4),))
    serve_fleet(plan, requests.head(50), clients=Clients(8))
    began = time.process_time()
    serve_fleet(plan, requests, clients=Clients(64, 0.1))
    return len(requests) / (time.process_time() - began)


def million() -> None:
    """A million requests on 16 replicas behind the least-outstanding router; prints CPU seconds and peak MB."""
    import resource

    from simcore.engine.metrics import summary
    from simcore.engine.serving import serve

    requests = trace("light").tiled(1_000_000).scaled(rate_ratio=16)
    times, how = step_times(), settings()
    began = time.process_time()
    run = serve(requests, times, how, replicas=16, router="least-outstanding")
    summary(run)
    print(time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def ten_thousand() -> None:
    """The whole process of the light run; prints its CPU seconds from the start of the interpreter."""
    from simcore.engine.metrics import summary
    from simcore.engine.serving import serve

    summary(serve(trace("light"), step_times(), settings()))
    print(time.process_time(), 0.0)


def _child(name: str) -> tuple[float, float]:
    """Run one of the functions above in a fresh interpreter."""
    code = f"from benchmarks import serving; serving.{name}()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    first, second = done.stdout.split()
    return float(first), float(second)


if __name__ == "__main__":
    for name, value in figures().items():
        print(f"{name}: {value:.6g}")
