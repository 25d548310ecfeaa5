"""`simcore simulate` and `simcore capacity`: the event engine on a scenario file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    app.command()(simulate)
    app.command()(capacity)


def simulate(
    scenario: Annotated[Path, typer.Argument(help="Scenario file (TOML, schema scenario/1); see examples/.")],
    out: Annotated[Path | None, typer.Option(help="Folder for requests.parquet, series.csv, summary.json.")] = None,
    seeds: Annotated[int, typer.Option(help="Runs with different seeds, for confidence intervals.", min=1)] = 1,
    timeline: Annotated[str | None, typer.Option(help="Write a Chrome trace of START:END seconds to --out.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Verify the numbered invariants.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave malformed trace rows out, counted.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No table.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Serve a scenario's traffic request by request.

    Latencies, goodput, utilisation, energy and cost; see examples/simulate-llama-70b.toml.
    """
    from commands.terminal import print_json, progress
    from reports.output import claim
    from reports.serving import NAMES
    from scenarios.run import prepare
    from simcore.engine.invariants import violations
    from simcore.engine.metrics import middle, summary
    from simcore.errors import SimcoreError

    claim(out, NAMES)
    ready = prepare(scenario, skip_bad=skip_bad)
    if ready.infeasible:
        refused = {"infeasible": ready.infeasible, **memory(ready)}
        print_json(refused) if as_json else print(ready.infeasible)
        raise typer.Exit(1)
    reports = []
    with progress(quiet or as_json, ready.scenario.name) as update:
        for number in range(seeds):
            one = ready if number == 0 else prepare(scenario, ready.scenario.seed + number, skip_bad)
            run = one.run(log_steps=1_000_000 if timeline and number == 0 else 0)
            window = middle(run, one.scenario.warm_ratio, one.scenario.warm_ratio) if one.scenario.warm_ratio else None
            reports.append(full(summary(run, one.slos, window), one, run))
            if check and (broken := violations(run)):
                raise SimcoreError("; ".join(broken))
            if number == 0:
                first = run
            update(number + 1, seeds)
    report = reports[0] | intervals(reports) | {"skipped_rows": ready.trace.skipped} | memory(ready)
    if ready.assumptions:
        report["assumptions"] = list(ready.assumptions)
    if out is not None:
        write(out, first, report, timeline)
    if as_json:
        print_json(report)
    elif not quiet:
        show(report, ready.scenario.name, out)


def full(report: dict[str, Any], ready: Any, run: Any) -> dict[str, Any]:
    """The summary with cost, what clients see, and the classes of the trace."""
    from simcore.engine.metrics import as_streamed, by_group, describe

    policy = ready.scenario.policy
    if policy.stream_interval > 1 or policy.detokenise_s > 0:
        seen = as_streamed(run, policy.stream_interval, policy.detokenise_s)
        report["client"] = {name: describe(values) for name, values in seen.items()}
    if ready.trace.slo_class is not None:
        groups = by_group(run, "slo_class", ready.slos)
        report["by_class"] = {ready.trace.slo_names[key]: found for key, found in groups.items()}
    return money(report, ready, run)


def memory(ready: Any) -> dict[str, Any]:
    """The KV pool of one rank of a replica, and how many sequences of the traffic's mean length it holds."""
    import numpy as np

    pool, trace = ready.pool, ready.trace
    if pool.kv_tokens is None:
        return {}
    context = int(np.ceil(np.mean(trace.input_tokens + trace.output_tokens))) if len(trace) else 0
    found = {"kv_tokens": pool.kv_tokens, "need_bytes": pool.need_bytes, "have_bytes": pool.have_bytes}
    return found | ({"max_concurrency": pool.max_concurrency(context)} if context else {})


def money(report: dict[str, Any], ready: Any, run: Any) -> dict[str, Any]:
    """Cost per million output tokens and energy per output token."""
    tokens = float(run.requests["output_tokens"][run.done].sum())
    report["energy_j_per_token"] = report["energy_j"] / tokens if tokens else None
    if ready.usd_per_hour is not None and tokens:
        parts = ready.scenario.policy.microbatches * ready.scenario.plan.attention_dp
        hours = float(run.replicas["now_s"].max()) / 3600.0 * len(run.replicas) / parts
        report["usd_per_million_tokens"] = ready.usd_per_hour * hours / tokens * 1e6
    return report


def intervals(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean over seeds and the half width of its 95 % interval (Student), for the main figures."""
    import numpy as np
    from scipy import stats

    if len(reports) < 2:
        return {}
    paths = [(name, key) for name in ("ttft_s", "tpot_s", "e2e_s") for key in ("mean", "p50", "p99")]
    found: dict[str, Any] = {}
    columns = {f"{name}.{key}": np.array([r[name][key] for r in reports]) for name, key in paths}
    columns |= {
        name: np.array([r[name] for r in reports])
        for name in ("throughput_tokens_per_s", "goodput_requests_per_s")
        if name in reports[0]
    }
    scale = stats.t.ppf(0.975, len(reports) - 1) / np.sqrt(len(reports))
    for name, values in columns.items():
        found[name] = {"mean": float(values.mean()), "half_width": float(scale * values.std(ddof=1))}
    return {"over_seeds": {"seeds": len(reports), **found}}


def write(out: Path, run: Any, report: dict[str, Any], timeline: str | None) -> None:
    """All files of a run, the whole set or none."""
    from reports.serving import write_run
    from simcore.errors import InputError

    window = None
    if timeline is not None:
        try:
            start, end = (float(part) for part in timeline.split(":"))
        except ValueError:
            raise InputError(f"{timeline!r} is no window", key="--timeline", fix="write START:END in seconds") from None
        window = (start, end)
    write_run(out, run, report, window)


def show(report: dict[str, Any], name: str, out: Path | None) -> None:
    """The table of a run."""
    from commands.terminal import print_table

    keys = ("mean", "p50", "p90", "p95", "p99", "p99.9")
    rows = [
        [metric.removesuffix("_s").upper(), *(f"{1e3 * report[metric][key]:.4g}" for key in keys)]
        for metric in ("ttft_s", "tpot_s", "itl_s", "e2e_s", "queue_s")
    ]
    print_table(["ms", *keys], rows, title=name, left=["ms"])
    plain = ("requests", "served", "refused", "preemptions", "skipped_rows", "role_switches")
    print(", ".join(f"{key.replace('_', ' ')} {report[key]}" for key in plain if key in report))
    rates = (
        ("output tokens/s", "throughput_tokens_per_s"),
        ("requests/s", "throughput_requests_per_s"),
        ("goodput requests/s", "goodput_requests_per_s"),
        ("SLO attainment", "attainment_ratio"),
        ("utilisation", "utilisation_ratio"),
        ("KV occupancy", "kv_occupancy_ratio"),
        ("cache hits", "cache_hit_ratio"),
        ("energy J/token", "energy_j_per_token"),
        ("USD/M tokens", "usd_per_million_tokens"),
    )
    print(", ".join(f"{label} {report[key]:.4g}" for label, key in rates if report.get(key) is not None))
    if "kv_tokens" in report:
        held = f", {report['max_concurrency']:,} requests of the mean length" if "max_concurrency" in report else ""
        print(f"KV pool: {report['kv_tokens']:,} tokens{held}")
    for tier, found in report.get("tiers", {}).items():
        shares = f"hits {found['hit_ratio']:.4g}, steps waited {found['waited_s']:.4g} s"
        print(f"tier {tier}: {shares}, hashes written {found['written_hashes']}, forgotten {found['forgotten_hashes']}")
    if "power" in report:
        power = report["power"]
        watts = f"mean {power['mean_power_w']:.4g} W, highest of a replica {power['peak_replica_power_w']:.4g} W"
        print(f"power: {watts}, idle energy {power['idle_energy_j']:.4g} J, clock changes {power['clock_changes']}")
    if out is not None:
        print(f"files: {out}")


def capacity(
    scenario: Annotated[Path, typer.Argument(help="Scenario file with an [slo].")],
    find: Annotated[str, typer.Option(help="`rate`: highest rate; `replicas`: fewest replicas at the rate.")] = "rate",
    tolerance: Annotated[float, typer.Option(help="Relative width at which the search stops.", min=1e-4)] = 0.01,
    most: Annotated[int, typer.Option(help="Largest number of replicas tried.", min=1)] = 1024,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The highest rate, or fewest replicas, within the SLO.

    A share `slo.attainment` of all requests must meet it.
    """
    from commands.terminal import print_json
    from scenarios.run import prepare
    from simcore.engine.capacity import fewest_replicas, highest_rate
    from simcore.errors import InputError

    ready = prepare(scenario)
    if not ready.has_bounds:
        raise InputError("needs a bound", file=str(scenario), key="slo", fix='write for example ttft = "1 s"')
    if ready.scenario.traffic.users is not None:
        raise InputError("a closed loop has no rate", file=str(scenario), key="traffic.users")
    if ready.infeasible:
        print_json({"infeasible": ready.infeasible}) if as_json else print(ready.infeasible)
        raise typer.Exit(1)
    if find == "rate":
        found = highest_rate(ready.run, ready.criterion, tolerance)
        rate = found.value * ready.trace.rate_requests_per_s
        chips = ready.replicas * ready.chips
        report = {"rate_requests_per_s": rate, "rate_ratio": found.value, "chips": chips}
    elif find == "replicas":
        if ready.scenario.fleet is not None:
            report, found = fewest_of_pools(ready, most)
        else:
            found = fewest_replicas(ready.run, ready.criterion, most)
            chips = int(found.value) * ready.chips if found.value else None
            report = {"replicas": int(found.value) if found.value else None, "chips": chips}
    else:
        raise InputError(f"unknown search {find!r}", key="--find", fix="use rate or replicas")
    report |= {"attainment_ratio": found.attainment_ratio, "runs": found.runs}
    if as_json:
        print_json(report)
    else:
        print(in_words(report))


def in_words(report: dict[str, Any]) -> str:
    """One line for a person about what `capacity` found."""
    share = f"{100 * report['attainment_ratio']:.1f} % of requests meet the SLO ({report['runs']} runs)"
    if not report.get("rate_requests_per_s", report.get("replicas")):
        tried = "any rate" if "rate_requests_per_s" in report else "as many replicas as --most allows"
        return f"the SLO is not met at {tried}: {share}"
    if "rate_requests_per_s" in report:
        what = f"{report['rate_requests_per_s']:.4g} requests/s, {report['rate_ratio']:.4g} times the scenario's rate,"
    else:
        pools = ", ".join(f"{count} {name}" for name, count in (report.get("pools") or {}).items())
        what = f"{report['replicas']} replicas{f' ({pools})' if pools else ''}"
    return f"{what} on {report['chips']} chips: {share}"


def fewest_of_pools(ready: Any, most: int) -> tuple[dict[str, Any], Any]:
    """(what to report, what was found): the counts of the fleet's pools with the fewest chips."""
    from scenarios.fleet import chips_of
    from simcore.engine.capacity import fewest_chips
    from simcore.errors import InputError

    scenario = ready.scenario
    if scenario.fleet.failures or scenario.fleet.autoscale:
        what = "a search over pools has no failures, which name replicas by number, and no autoscaling"
        raise InputError(what, file=scenario.file, key="fleet", fix="leave them out")
    found, counts = fewest_chips(ready.run, ready.criterion, chips_of(scenario), most)
    names = [pool.name for pool in scenario.fleet.pools]
    pools = dict(zip(names, counts, strict=True)) if counts else None
    return {"pools": pools, "replicas": sum(counts) or None, "chips": int(found.value) or None}, found
