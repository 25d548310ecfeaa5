"""What a run says: latency statistics, throughput, goodput, series over time. Reads records, never runs anything."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.engine.serving import ServingRun
from simcore.kept.lazy import dataclass
from simcore.policy.records import DONE, ITL_BINS, ITL_LOWEST_S, ITL_PER_OCTAVE, LOST, REFUSED
from simcore.spec.traffic import Slo

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)


@dataclass(frozen=True)
class Window:
    """Which requests count: those that arrive in [start_s, end_s). Warm-up and cool-down are cut by arrival, so that
    every counted request is counted whole."""

    start_s: float = 0.0
    end_s: float = np.inf


def middle(run: ServingRun, warm_ratio: float = 0.1, cool_ratio: float = 0.1) -> Window | None:
    """The window that leaves out the first and last shares of the arrival span; None where all arrive at once."""
    first_s, last_s = float(run.requests["arrival_s"].min()), float(run.requests["arrival_s"].max())
    span_s = last_s - first_s
    if span_s <= 0.0:
        return None
    return Window(first_s + warm_ratio * span_s, last_s - cool_ratio * span_s)


def request_metrics(run: ServingRun) -> dict[str, Floats]:
    """Columns per request, NaN where a request was not served, `[requests]`.

    ttft = first token - arrival; tpot = (done - first token) / (output - 1), 0 for one token; e2e = done - arrival;
    queue = first schedule - arrival.
    """
    return {name: request_metric(run, name) for name in SPANS}


SPANS = {
    "ttft_s": ("first_token_s", "arrival_s"),
    "tpot_s": ("done_s", "first_token_s"),
    "e2e_s": ("done_s", "arrival_s"),
    "queue_s": ("scheduled_s", "arrival_s"),
}
"""metric -> what it lies between"""


def request_metric(run: ServingRun, name: str) -> Floats:
    """One of those columns."""
    rows, (end, begin) = run.requests, SPANS[name]
    values = rows[end] - rows[begin]
    if name == "tpot_s":
        values /= np.maximum(rows["output_tokens"] - 1, 1)
    values[rows["state"] != DONE] = np.nan
    return np.asarray(values)


def counted(run: ServingRun, window: Window | None = None) -> Mask:
    """Requests inside the window, `[requests]`."""
    if window is None:
        return np.ones(len(run.requests), dtype=bool)
    arrival_s = run.requests["arrival_s"]
    return np.asarray((arrival_s >= window.start_s) & (arrival_s < window.end_s))


def meets(run: ServingRun, slos: tuple[Slo, ...]) -> Mask:
    """Whether each request meets every bound of its class, `[requests]`; a request not served does not."""
    which = np.minimum(run.requests["slo_class"], len(slos) - 1)
    good = run.requests["state"] == DONE
    for name in ("ttft_s", "tpot_s", "e2e_s"):
        bounds = np.array([getattr(slo, name) for slo in slos])[which]
        good = good & (np.nan_to_num(request_metric(run, name), nan=np.inf) <= bounds)
    return np.asarray(good)


def describe(values: Floats) -> dict[str, float]:
    """Mean and quantiles of the served."""
    found = _some(values, np.isfinite(values))
    if not len(found):
        return {"mean": np.nan} | {label(q): np.nan for q in QUANTILES}
    quantiles = zip(QUANTILES, quantiles_of(found, QUANTILES), strict=True)
    return {"mean": float(found.mean())} | {label(q): float(v) for q, v in quantiles}


def quantiles_of(values: Floats, asked: tuple[float, ...]) -> Floats:
    """As `np.quantile` of finite values, to the last bit, without numpy.ma, whose import costs 6 ms."""
    place = np.array(asked) * (len(values) - 1)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, len(values) - 1)
    ordered = np.partition(values, sorted({*low.tolist(), *high.tolist()}))
    below, above = ordered[low], ordered[high]
    share, step = place - low, above - below
    return np.asarray(np.where(share >= 0.5, above - step * (1.0 - share), below + step * share))


def _some(values: Floats, keep: Mask) -> Floats:
    """The rows to keep; all of them as they are."""
    return values if keep.all() else values[keep]


def label(quantile: float) -> str:
    """0.5 -> p50, 0.999 -> p99.9.

    >>> label(0.5), label(0.999)
    ('p50', 'p99.9')
    """
    return f"p{100 * quantile:.4g}"


def itl(run: ServingRun) -> dict[str, float]:
    """Mean and quantiles of the gaps between tokens, over all tokens; from bins 1.5 to 2 % wide."""
    counts = run.replicas["itl_count"].sum(axis=0).astype(float)
    place = np.arange(ITL_BINS + 1)
    edges = ITL_LOWEST_S * 2.0 ** (place // ITL_PER_OCTAVE) * (1.0 + (place % ITL_PER_OCTAVE) / ITL_PER_OCTAVE)
    total = counts.sum()
    if total == 0:
        return {"mean": np.nan} | {label(q): np.nan for q in QUANTILES}
    below = np.concatenate([[0.0], np.cumsum(counts)]) / total
    mean = float((counts * (edges[:-1] + edges[1:]) / 2).sum() / total)
    return {"mean": mean} | {label(q): float(np.interp(q, below, edges)) for q in QUANTILES}


def summary(run: ServingRun, slos: tuple[Slo, ...] = (), window: Window | None = None) -> dict[str, Any]:
    """The whole answer as plain numbers; counters of replicas over the whole run.

    Of a window, latencies and attainment are those of the requests that arrive in it, and rates those of the requests
    that are complete in it: where a queue grows, fewer are than arrive.
    """
    rows, keep = run.requests, counted(run, window)
    served = keep & (rows["state"] == DONE)
    span_s, ended = _span_s(run, window), ended_in(run, window)
    out: dict[str, Any] = {name: describe(_some(request_metric(run, name), keep)) for name in SPANS}
    out["itl_s"] = itl(run)
    out |= {
        "requests": int(keep.sum()),
        "served": int(served.sum()),
        "refused": int((keep & (rows["state"] == REFUSED)).sum()),
        "lost": int((keep & (rows["state"] == LOST)).sum()),
        "throughput_requests_per_s": float(ended.sum() / span_s),
        "throughput_tokens_per_s": float(rows["output_tokens"][ended].sum() / span_s),
        "input_throughput_tokens_per_s": float(rows["input_tokens"][ended].sum() / span_s),
        "span_s": span_s,
    }
    out |= fleet_summary(run)
    if slos:
        good = meets(run, slos)
        out["goodput_requests_per_s"] = float((good & ended).sum() / span_s)
        out["attainment_ratio"] = float((good & keep).sum() / max(1, keep.sum()))
    return out


def ended_in(run: ServingRun, window: Window | None) -> Mask:
    """Requests that are complete inside the window, `[requests]`."""
    done_s, served = run.requests["done_s"], run.requests["state"] == DONE
    if window is None:
        return np.asarray(served)
    return np.asarray(served & (done_s >= window.start_s) & (done_s < window.end_s))


def _span_s(run: ServingRun, window: Window | None) -> float:
    """Seconds of the window, or from the start of the clock, on which energy and money count too, to the last
    completion."""
    rows = run.requests
    if window is not None:
        return max(min(window.end_s, float(rows["arrival_s"].max())) - window.start_s, 1e-9)
    return max(float(rows["done_s"].max(initial=0.0)), 1e-9)


def fleet_summary(run: ServingRun) -> dict[str, Any]:
    """Counters of all replicas."""
    fleet = run.replicas
    end_s = max(float(fleet["now_s"].max(initial=0.0)), 1e-9)
    blocks = np.maximum(fleet["kv_blocks"].astype(float), 1.0)
    looked_up = float(fleet["looked_up_tokens"].sum())
    return {
        "steps": int(fleet["steps"].sum()),
        "preemptions": int(fleet["preemptions"].sum()),
        "prefill_tokens": int(fleet["prefill_tokens"].sum()),
        "decode_tokens": int(fleet["decode_tokens"].sum()),
        "cache_hit_ratio": float(fleet["cached_tokens"].sum()) / looked_up if looked_up else 0.0,
        "utilisation_ratio": float(fleet["busy_s"].sum() / (end_s * len(fleet))),
        "kv_occupancy_ratio": float((fleet["kv_block_s"].sum(axis=1) / blocks).sum() / (end_s * len(fleet))),
        "energy_j": float(fleet["energy_j"].sum()),
        **({"role_switches": len(run.switches)} if run.switches else {}),
        **({"tiers": tier_summary(run)} if any(run.tiers) else {}),
        **({"power": power_summary(run, end_s)} if run.power is not None else {}),
    }


def power_summary(run: ServingRun, end_s: float) -> dict[str, float]:
    """Energy between steps, mean power of the fleet while it ran, highest mean power of a series bin, clock changes."""
    assert run.power is not None
    fleet, idle_w = run.replicas, np.array(run.power.idle_w)
    between_j = float((idle_w * (end_s - fleet["busy_s"])).sum())
    return {
        "idle_energy_j": between_j,
        "mean_power_w": (float(fleet["energy_j"].sum()) + between_j) / end_s,
        "peak_replica_power_w": float((fleet["energy"] / fleet["series_width_s"][:, None]).max(initial=0.0)),
        "clock_changes": len(run.power.changes),
    }


def tier_summary(run: ServingRun) -> dict[str, dict[str, float]]:
    """What each tier below the KV did, by name.

    Tokens found there and their share of all tokens looked up; hashes written and forgotten; time by which its fetches
    delayed steps; seconds that reads and writes take of its link, all replicas together. Writes wait for the link: more
    seconds of them than the run lasts are still queued at its end.
    """
    looked_up = max(1, int(run.replicas["looked_up_tokens"].sum()))
    found: dict[str, dict[str, float]] = {}
    for replica, names in zip(run.replicas, run.tiers, strict=True):
        for place, name in enumerate(names):
            hits, writes = int(replica["tier_hits"][place]), int(replica["tier_writes"][place])
            tokens = hits * int(replica["hash_tokens"])
            values = {
                "hit_tokens": tokens,
                "hit_ratio": tokens / looked_up,
                "written_hashes": writes,
                "forgotten_hashes": int(replica["tier_evictions"][place]),
                "waited_s": float(replica["tier_wait_s"][place]),
                "read_s": hits * float(replica["tier_read_s"][place]),
                "write_s": writes * float(replica["tier_write_s"][place]),
            }
            sums = found.setdefault(name, dict.fromkeys(values, 0))
            for key, value in values.items():
                sums[key] += value
    return found


def series(run: ServingRun, replica: int = 0) -> dict[str, Floats]:
    """One replica over time, `[bins]`: busy share, mean running and waiting, tokens/s, KV share, power."""
    record = run.replicas[replica]
    width_s = float(record["series_width_s"])
    bins = int(record["series_end_s"] / width_s) + 1
    blocks = max(float(record["kv_blocks"]), 1.0)
    return {
        "start_s": np.arange(bins) * width_s,
        "busy_ratio": record["busy"][:bins] / width_s,
        "running": record["running_s"][:bins] / width_s,
        "waiting": record["waiting_s"][:bins] / width_s,
        "input_tokens_per_s": record["prefilled"][:bins] / width_s,
        "output_tokens_per_s": record["decoded"][:bins] / width_s,
        "kv_ratio": record["kv_block_s"][:bins] / width_s / blocks,
        "power_w": record["energy"][:bins] / width_s,
    }


def by_group(run: ServingRun, group: str, slos: tuple[Slo, ...] = ()) -> dict[int, dict[str, Any]]:
    """Latencies, tokens and attainment per value of `slo_class`, `tenant`, `priority` or `session`."""
    rows, columns, good = run.requests, request_metrics(run), meets(run, slos or (Slo(),))
    out: dict[int, dict[str, Any]] = {}
    for value in np.unique(rows[group]):
        mine = rows[group] == value
        found: dict[str, Any] = {name: describe(column[mine]) for name, column in columns.items()}
        found["requests"] = int(mine.sum())
        found["output_tokens"] = int(rows["output_tokens"][mine & (rows["state"] == DONE)].sum())
        found["attainment_ratio"] = float(good[mine].mean())
        out[int(value)] = found
    return out


def as_streamed(run: ServingRun, stream_interval: int = 1, detokenise_s: float = 0.0) -> dict[str, Floats]:
    """What a client sees who gets tokens in groups of `stream_interval`, each `detokenise_s` after it was made.

    ttft grows by (interval - 1) tpot, bounded by the request's end; e2e by the detokeniser alone. `[requests]`.
    """
    columns = request_metrics(run)
    tokens = np.minimum(stream_interval, run.requests["output_tokens"]) - 1
    ttft_s = columns["ttft_s"] + tokens * columns["tpot_s"] + detokenise_s
    e2e_s = columns["e2e_s"] + detokenise_s
    gaps = np.maximum(run.requests["output_tokens"] - 1, 1)
    return {"ttft_s": ttft_s, "tpot_s": np.maximum(e2e_s - ttft_s, 0.0) / gaps, "e2e_s": e2e_s}


def attainment(run: ServingRun, metric: str, bounds_s: Floats) -> Floats:
    """Share of requests with `metric` at most each bound, `[bounds]`."""
    values = np.sort(np.nan_to_num(request_metrics(run)[metric], nan=np.inf))
    return np.searchsorted(values, bounds_s, side="right") / max(1, len(values))
