"""Scenarios as the questions of `plan stages` and `plan groups`: seconds and bytes from the engine behind `train`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planners.training.groups import Sequences
from planners.training.stages import Stages
from scenarios.training import Question
from simcore.engine.training.job import Job
from simcore.engine.training.memory import activation_rank_bytes, layer_elements, sharded_ways
from simcore.engine.training.step import mean_layer, send_s, stage_times
from simcore.errors import InputError

Floats = NDArray[np.float64]


def stages_of(question: Question, speeds: Sequence[float], memory_gb: Sequence[float], links: Path | None) -> Stages:
    """Layers of the scenario's model on its pp ranks, which may differ. Raises InputError for other counts of ranks."""
    job = question.job
    problem = job.problem()
    ranks = job.degrees.pp
    if problem or ranks < 2:
        raise InputError(
            problem or "has one stage", file=question.scenario.file, key="plan", fix="give plan.pp above 1"
        )
    speed = per_rank(speeds, ranks, 1.0, "--speeds")
    have = per_rank(memory_gb, ranks, job.have_bytes / 1e9, "--memory") * 1e9 - job.reserve_bytes
    one = replace(job, degrees=replace(job.degrees, vpp=1))
    forward, inputs, weights, _ = mean_layer(one, False)
    times = stage_times(one)
    count = job.trainee.model.layer_count
    layer_s = np.full(count, forward + inputs + weights)
    whole = times.forward_s + times.input_s + times.weight_s
    plain = one.chunk_layers * (forward + inputs + weights)
    layer_s[0] += whole[0] - plain[0]
    layer_s[-1] += whole[-1] - plain[-1]
    share = forward / (forward + inputs + weights)
    held = layer_bytes(job)
    sends = link_s(job, links, ranks)
    return Stages(
        layer_s,
        np.full(count, held),
        np.full(count, activation_rank_bytes(job)),
        speed,
        have,
        sends,
        job.microbatches,
        share,
    )


def per_rank(values: Sequence[float], ranks: int, default: float, key: str) -> Floats:
    """A value for every rank. Raises InputError."""
    if not values:
        return np.full(ranks, default)
    if len(values) != ranks or min(values) <= 0:
        raise InputError(f"{len(values)} values for {ranks} stages", key=key, fix="give one above 0 for each stage")
    return np.array(values, float)


def layer_bytes(job: Job) -> float:
    """Weights, gradients and states of a mean layer on one chip."""
    dense, routed = (float(part) for part in layer_elements(job.trainee.model, job.share))
    ways, routed_ways = sharded_ways(job)
    states = float(
        job.optimizer.state_bytes(1.0, float(job.trainee.model.hidden_size), float(job.recipe.optimizer_rank))
    )
    own, zero = 0.0, job.recipe.zero
    for count, shards in ((dense, ways), (routed, routed_ways)):
        for level, each in ((3, 2.0), (2, job.gradient_bytes), (1, states)):
            own += count * each / (shards if zero >= level else 1.0)
    return own


def link_s(job: Job, links: Path | None, ranks: int) -> Floats:
    """[ranks, ranks] seconds of a hidden state: all alike, or by a measured matrix of bandwidths between hosts."""
    alike = send_s(job)
    found = np.full((ranks, ranks), alike)
    np.fill_diagonal(found, 0.0)
    if links is None:
        return found
    rates = read_links(links)
    if len(rates) < ranks:
        raise InputError(f"has {len(rates)} hosts for {ranks} stages", file=str(links), fix="give a larger matrix")
    share = job.share
    size = float(np.max(share.outer_tokens if job.degrees.sp else share.tokens)) * job.trainee.model.hidden_size * 2.0
    found = size / rates[:ranks, :ranks]
    np.fill_diagonal(found, 0.0)
    return found


def read_links(path: Path) -> Floats:
    """[hosts, hosts] bytes per second of a CSV with src_host, dst_host, bandwidth_MBps; the mean of what repeats."""
    import csv
    import io

    from simcore.spec.load import read_text

    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path, "give the path of a CSV"))))
    except csv.Error as error:
        raise InputError(f"is no CSV table: {error}", file=str(path)) from None
    needed = {"src_host", "dst_host", "bandwidth_MBps"}
    if not rows or not needed <= set(rows[0]):
        raise InputError("is no bandwidth matrix", file=str(path), fix=f"columns {', '.join(sorted(needed))}")
    hosts = sorted({row["src_host"] for row in rows} | {row["dst_host"] for row in rows})
    at = {host: i for i, host in enumerate(hosts)}
    total, count = np.zeros((len(hosts), len(hosts))), np.zeros((len(hosts), len(hosts)))
    for line, row in enumerate(rows, 2):
        try:
            total[at[row["src_host"]], at[row["dst_host"]]] += float(row["bandwidth_MBps"]) * 1e6
        except ValueError:
            what = f"line {line}: {row['bandwidth_MBps']!r} is no number"
            raise InputError(what, file=str(path), key="bandwidth_MBps") from None
        count[at[row["src_host"]], at[row["dst_host"]]] += 1
    if np.any(count == 0) or np.any(total <= 0):
        raise InputError("lacks a bandwidth between two hosts", file=str(path), fix="give every pair")
    return np.asarray(total / count)


def sequences_of(question: Question, lengths: Sequence[int]) -> Sequences:
    """A batch of sequences on the scenario's chips; a, b and c from a layer at two lengths and its ulysses exchange.

    Weights are sharded over all chips (FSDP), so what a chip holds beside them is activations.
    """
    job, model = question.job, question.job.trainee.model
    if not lengths or min(lengths) < 1:
        raise InputError("needs lengths of at least one token", key="--lengths")
    found = []
    for tokens in (4096, 16384):
        made = job.recipe.model_copy(update={"sequence_tokens": tokens, "mean_tokens": None, "microbatch": 1})
        one = replace(job, recipe=made, degrees=replace(job.degrees, tp=1, pp=1, vpp=1, cp=1, sp=False))
        found.append((tokens, sum(mean_layer(replace(one, recipe=made.model_copy(update={"zero": 1})), False)[:3])))
    (short, short_s), (long, long_s) = found
    square = max(0.0, (long_s / long - short_s / short) / (long - short))
    linear = short_s / short - square * short
    width = 2.0 * model.hidden_size * 4.0 * 3.0
    rate = float(np.max(job.trainee.machine.level_bytes_per_s[0])) if job.trainee.machine.level_bytes_per_s else np.inf
    layers, chips = float(model.layer_count), question.job.degrees.chips
    kept = activation_rank_bytes(one) / long * layers
    state = layer_bytes(replace(one, degrees=replace(one.degrees, dp=chips))) * layers / chips
    most = max((job.have_bytes - job.reserve_bytes - state) / kept, 1.0)
    return Sequences(tuple(lengths), chips, most, square * layers, linear * layers, width / rate * layers)
