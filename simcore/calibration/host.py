"""The closed loop: a small numpy transformer run for real, against what the machine's own profile predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simcore.calibration import host_ops
from simcore.calibration.profile import clocked, one_thread
from simcore.cost.calibrated import Artefact, OperatorModel
from simcore.cost.facts import ChipFacts
from simcore.errors import InputError


def host_facts(folder: Path) -> ChipFacts:
    """The machine's facts from the manifest of its profile; raises InputError when there is none."""
    import tomllib

    path = folder / "manifest.toml"
    if not path.exists():
        raise InputError("no profile here", file=str(path), fix="run `simcore profile` first")
    return ChipFacts(**tomllib.loads(path.read_text(encoding="utf-8"))["facts"])


def host_model(folder: Path) -> OperatorModel:
    """Operator times from `<folder>/host/host.npz`; raises InputError when it is missing."""
    import tomllib

    from simcore.cost.artefact_io import from_arrays

    path = folder / "host" / "host.npz"
    if not path.exists():
        raise InputError("no calibration of this machine", file=str(path), fix="run `simcore calibrate` first")
    with np.load(path, allow_pickle=False) as arrays:
        record = tomllib.loads(path.with_suffix(".toml").read_text(encoding="utf-8"))
        found = from_arrays({key: arrays[key] for key in arrays.files}, record, str(path))
    assert found.facts is not None
    return OperatorModel(found.facts, "host", (found,), Artefact("any", "datasheet", ()))


@dataclass(frozen=True)
class Shape:
    """A small Llama-like model."""

    layers: int = 6
    hidden: int = 768
    inter: int = 2048
    heads: int = 12
    kv_heads: int = 4
    width: int = 64


@dataclass(frozen=True)
class Case:
    """One measured step: prefill of `tokens` each, or one decode step over `tokens` cached ones."""

    phase: str
    batch: int
    tokens: int


CASES = tuple(
    [Case("prefill", b, t) for b, t in ((1, 16), (1, 48), (1, 128), (1, 300), (2, 96), (2, 200), (4, 64), (1, 440))]
    + [
        Case("decode", b, t)
        for b, t in ((1, 64), (1, 500), (2, 256), (4, 128), (8, 400), (16, 96), (24, 300), (6, 900))
    ]
)
SMALL_CASES = (Case("prefill", 1, 32), Case("decode", 2, 64))


class Transformer:
    """Weights and a step of the model, in numpy."""

    def __init__(self, shape: Shape, seed: int = 3) -> None:
        rng = np.random.default_rng(seed)
        self.shape = shape
        qkv = (shape.heads + 2 * shape.kv_heads) * shape.width

        def weight(rows: int, columns: int) -> host_ops.Floats:
            return rng.standard_normal((rows, columns), dtype=np.float32) * np.float32(rows**-0.5)

        self.layers = [
            {
                "qkv": weight(shape.hidden, qkv),
                "out": weight(shape.heads * shape.width, shape.hidden),
                "gate_up": weight(shape.hidden, 2 * shape.inter),
                "down": weight(shape.inter, shape.hidden),
                "norm": np.ones(shape.hidden, np.float32),
            }
            for _ in range(shape.layers)
        ]
        self.rng = rng

    def prepare(self, case: Case) -> tuple[host_ops.Floats, list[Any]]:
        """(input rows, a KV cache per layer for decode)."""
        s, rows = self.shape, case.batch * (case.tokens if case.phase == "prefill" else 1)
        x = self.rng.standard_normal((rows, s.hidden), dtype=np.float32)
        cache = (case.batch, s.kv_heads, case.tokens, s.width)
        caches = [self.rng.standard_normal((2, *cache), dtype=np.float32) for _ in self.layers]
        return x, caches if case.phase == "decode" else [None] * s.layers

    def runner(self, case: Case) -> Callable[[int], object]:
        """A step of this case, ready to be timed."""
        x, caches = self.prepare(case)
        return lambda _: self.step(case, x, caches)

    def step(self, case: Case, x: host_ops.Floats, caches: list[Any]) -> host_ops.Floats:
        """One pass over all layers."""
        for weights, cache in zip(self.layers, caches, strict=True):
            normal = host_ops.rms_norm(x, weights["norm"])
            mixed = self._attend(case, host_ops.gemm(normal, weights["qkv"]), cache)
            x = host_ops.add(x, host_ops.gemm(mixed, weights["out"]))
            both = host_ops.gemm(host_ops.rms_norm(x, weights["norm"]), weights["gate_up"])
            hidden = host_ops.silu_mul(both[:, : self.shape.inter], both[:, self.shape.inter :])
            x = host_ops.add(x, host_ops.gemm(hidden, weights["down"]))
        return x

    def _attend(self, case: Case, qkv: host_ops.Floats, cache: Any) -> host_ops.Floats:
        s = self.shape
        group, tokens = s.heads // s.kv_heads, case.tokens if case.phase == "prefill" else 1
        split = qkv.reshape(case.batch, tokens, s.heads + 2 * s.kv_heads, s.width)
        if case.phase == "decode":
            q = split[:, 0, : s.heads].reshape(case.batch, s.kv_heads, group, s.width)
            return host_ops.attention_decode(q, cache[0], cache[1]).reshape(case.batch, -1)
        q = split[:, :, : s.heads].reshape(case.batch, tokens, s.kv_heads, group, s.width).transpose(0, 2, 3, 1, 4)
        k = split[:, :, s.heads : s.heads + s.kv_heads].transpose(0, 2, 1, 3)[:, :, None]
        v = split[:, :, s.heads + s.kv_heads :].transpose(0, 2, 1, 3)[:, :, None]
        mixed = host_ops.attention_prefill(q, k, v).transpose(0, 3, 1, 2, 4)
        return mixed.reshape(case.batch * tokens, s.heads * s.width)


def operations(shape: Shape, case: Case) -> Iterator[tuple[str, dict[str, Any]]]:
    """The operations of one layer, as the profile names them."""
    s, rows = shape, case.batch * (case.tokens if case.phase == "prefill" else 1)
    for n, k in (
        ((s.heads + 2 * s.kv_heads) * s.width, s.hidden),
        (s.hidden, s.heads * s.width),
        (2 * s.inter, s.hidden),
        (s.hidden, s.inter),
    ):
        yield "gemm", {"m": rows, "n": n, "k": k}
    heads = {"num_heads": s.heads, "num_key_value_heads": s.kv_heads, "head_dim": s.width, "batch_size": case.batch}
    length = {"isl": case.tokens} if case.phase == "prefill" else {"step": case.tokens - 1}
    yield f"attention_{case.phase}", heads | length
    for kind, elements, times in (("rms_norm", s.hidden, 2), ("add", s.hidden, 2), ("silu_mul", s.inter, 1)):
        for _ in range(times):
            yield "elementwise", {"kind": kind, "elements": rows * elements}


def predict_s(model: OperatorModel, shape: Shape, case: Case) -> float:
    """Seconds of one step: the sum over operations and layers."""
    per_layer = sum(float(model.predict(op, columns, "fp32").time_s[0]) for op, columns in operations(shape, case))
    return per_layer * shape.layers


def closed_loop(model: OperatorModel, cases: tuple[Case, ...] = CASES, seconds: float = 0.25) -> list[dict[str, Any]]:
    """One row per case: phase, batch, tokens, measured_s, predicted_s, error (signed, relative to measured)."""
    net = Transformer(Shape())
    rows = []
    for case in cases:
        with one_thread():
            measured = clocked(net.runner(case), seconds)
        predicted = predict_s(model, net.shape, case)
        row = {"phase": case.phase, "batch": case.batch, "tokens": case.tokens}
        rows.append(row | {"measured_s": measured, "predicted_s": predicted, "error": predicted / measured - 1.0})
    return rows
