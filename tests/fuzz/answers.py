"""Laws that tie the summary of a run to its records, to physics and to money."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from simcore.policy.records import DONE, LOST

Raw = dict[str, Any]


def broken(raw: Raw, made: Any, run: Any, told: Raw) -> Iterator[str]:
    """What a run breaks."""
    yield from of_series(raw, run)
    if not raw.get("warm_ratio"):
        yield from of_latencies(made, run, told)
    if made.resolved is not None and "fleet" not in raw:
        yield from of_watts(made, run, told)
        yield from of_peak(raw, made, run)
    if "by_class" in told and sum(one["requests"] for one in told["by_class"].values()) != len(run.requests):
        yield "requests of the classes are not all requests"
    price = raw.get("economics", {}).get("usd_per_hour")
    if price and "usd_per_million_tokens" in told:
        pools = [one["count"] for one in raw["fleet"]["pools"]] if "fleet" in raw else [made.replicas]
        chips = sum(own.chips * count for own, count in zip(made.pools or (made,), pools, strict=True))
        hours, tokens = float(run.replicas["now_s"].max()) / 3600.0, run.requests["output_tokens"][run.done].sum()
        if not near(told["usd_per_million_tokens"], chips * hours * price / tokens * 1e6):
            yield "the price is not chip-hours times the price of one"


def near(one: float, other: float, ratio: float = 1e-9, least: float = 1e-9) -> bool:
    """Whether two numbers are one."""
    return abs(one - other) <= ratio * max(abs(one), abs(other)) + least


def of_series(raw: Raw, run: Any) -> Iterator[str]:
    """Series over time add up to counters, and to the time that requests were inside."""
    fleet, rows, policy = run.replicas, run.requests, raw["policy"]
    for series, counter in (("prefilled", "prefill_tokens"), ("decoded", "decode_tokens")):
        if not np.allclose(fleet[series].sum(axis=1), fleet[counter], rtol=1e-6, atol=0.5):
            yield f"the series {series} adds up to {fleet[series].sum()}, the counter says {fleet[counter].sum()}"
    if (fleet["kv_block_s"].sum(axis=1) > fleet["kv_blocks"] * fleet["now_s"].max() * (1 + 1e-6) + 1e-6).any():
        yield "more KV is held than there is"
    parts = policy.get("microbatches", 1) * raw["plan"].get("attention_dp", 1)  # those that wait for others do not step
    whole = not any(key in raw for key in ("fleet", "models", "jobs")) and parts == 1
    if whole and (rows["state"] == DONE).all() and not policy.get("output"):
        inside_s = float((rows["done_s"] - rows["ready_s"]).sum())
        series_s = float(fleet["running_s"].sum() + fleet["waiting_s"].sum())
        if not near(inside_s, series_s, 1e-6, 1e-6):
            yield f"requests spent {inside_s} s inside, the series say {series_s} (Little's law)"


def of_latencies(made: Any, run: Any, told: Raw) -> Iterator[str]:
    """Quantiles and rates are those of the records; as many gaps as tokens after the first."""
    from scenarios.report import seen_by_clients

    rows = run.requests[run.requests["state"] == DONE]
    if not len(rows):
        return
    seen = seen_by_clients(run, made) | {"queue_s": rows["scheduled_s"] - rows["arrival_s"]}
    for name, values in seen.items():
        some = values[np.isfinite(values)]
        for label, quantile in (("p50", 0.5), ("p99", 0.99)):
            if not near(told[name][label], float(np.quantile(some, quantile))):
                yield f"{name}.{label} is {told[name][label]}, of the records {np.quantile(some, quantile)}"
    rate = rows["output_tokens"].sum() / max(float(run.requests["done_s"].max()), 1e-9)
    if not near(told["throughput_tokens_per_s"], float(rate)):
        yield f"throughput is {told['throughput_tokens_per_s']}, of the records {rate}"
    counts, gaps = run.replicas["itl_count"], int((rows["output_tokens"] - 1).sum())
    if (run.requests["state"] == LOST).any():
        return
    if counts.sum() != gaps:
        yield f"{counts.sum()} gaps between tokens are counted, there are {gaps}"
    elif gaps and not counts[:, 0].any():
        mean_s = float((rows["done_s"] - rows["first_token_s"]).sum()) / gaps
        if not near(told["itl_s"]["mean"], mean_s, 0.025):
            yield f"the mean gap is {told['itl_s']['mean']}, of the records {mean_s}"


def of_watts(made: Any, run: Any, told: Raw) -> Iterator[str]:
    """A chip draws at least what it draws idle and at most its limit; energy is power times time."""
    watts, machine = told.get("chip_power_w"), made.resolved.machine
    if watts is None:
        return
    idle_w, most_w = float(np.max(machine.idle_w)), float(np.max(machine.tdp_w))
    if not idle_w * (1 - 1e-6) <= watts <= most_w * (1 + 1e-6):
        yield f"a chip draws {watts} W, idle {idle_w}, at most {most_w}"
    tokens, chips = float(run.requests["output_tokens"][run.done].sum()), made.chips * made.replicas
    joules = told["server_power_w"] * chips * float(run.replicas["now_s"].max())
    if tokens and not near(told["energy_j_per_token"] * tokens, joules, 1e-6):
        yield "energy is not power times time"


def of_peak(raw: Raw, made: Any, run: Any) -> Iterator[str]:
    """The matrices of what was served fit into the peak of the chips over the time."""
    if any(key in raw for key in ("models", "jobs")) or raw.get("policy", {}).get("prefix_cache"):
        return
    rows, model = run.requests[run.requests["state"] == DONE], made.resolved.model
    tokens = float((rows["input_tokens"] + rows["output_tokens"] - 1).sum())
    flop = 2.0 * (model.layer_matrix_elements * tokens + model.head_elements * float(rows["output_tokens"].sum()))
    machine = made.resolved.machine  # experts in four bits may be faster than the rest
    peak_of_chip = max(float(np.max(machine.matrix_flop_per_s)), float(np.max(machine.expert_flop_per_s)))
    peak = peak_of_chip * made.chips * made.replicas
    if flop > peak * float(run.replicas["now_s"].max()) * (1 + 1e-6):
        yield "more FLOP than the chips' peak allows"
