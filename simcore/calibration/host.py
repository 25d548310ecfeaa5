"""The closed loop: a small transformer run for real, against what the machine's own profile predicts.

The transformer is `host_numpy` on a processor and `host_torch` on a GPU, as the profile's manifest says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from simcore.cost.calibrated import Artefact, OperatorModel
from simcore.cost.facts import ChipFacts
from simcore.errors import InputError
from simcore.spec.load import read_arrays, read_file

NETS = {"cpu": "simcore.calibration.host_numpy", "cuda": "simcore.calibration.host_torch"}


def host_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a profile; raises InputError when there is none."""
    path = folder / "manifest.toml"
    if not path.exists():
        raise InputError("no profile here", file=str(path), fix="run `simcore profile` first")
    return read_file(path, "profile")


def host_facts(folder: Path) -> ChipFacts:
    """The machine's facts from the manifest of its profile; raises InputError when there is none."""
    try:
        return ChipFacts(**host_manifest(folder)["facts"])
    except (KeyError, TypeError, ValueError) as error:
        raise _spoilt(folder / "manifest.toml") from error


def host_net(folder: Path) -> Any:
    """The module with `Transformer`, `CASES` and `SMALL_CASES` for the device that was profiled."""
    kind = host_manifest(folder).get("kind")
    if kind not in NETS:
        raise InputError(f"{kind!r} is no kind of machine", file=str(folder / "manifest.toml"), key="kind")
    return import_module(NETS[kind])


def host_model(folder: Path) -> OperatorModel:
    """Operator times from `<folder>/host/host.npz`; raises InputError when it is missing."""
    from simcore.cost.artefact_io import from_arrays
    from simcore.cost.built_on import whole

    path = folder / "host" / "host.npz"
    if not path.exists():
        raise InputError("no calibration of this machine", file=str(path), fix="run `simcore calibrate` first")
    arrays, record = read_arrays(path), read_file(path.with_suffix(".toml"), "calibration")
    try:
        found = whole(from_arrays(arrays, record), lambda stack: None, str(path))
        if found.facts is None:
            raise ValueError("no facts of the machine")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _spoilt(path) from error
    return OperatorModel(found.facts, "host", (found,), Artefact("any", "datasheet", ()))


def _spoilt(path: Path) -> InputError:
    fix = "run `simcore profile` and `simcore calibrate` again"
    return InputError("is not what simcore wrote", file=str(path), fix=fix)


@dataclass(frozen=True)
class Shape:
    """A Llama-like model."""

    layers: int
    hidden: int
    inter: int
    heads: int
    kv_heads: int
    width: int


@dataclass(frozen=True)
class Case:
    """One measured step: prefill of `tokens` each, or one decode step over `tokens` cached ones."""

    phase: str
    batch: int
    tokens: int


class Net(Protocol):
    """A transformer that can be timed."""

    shape: Shape
    number: str
    """the format of weights and KV"""

    def measure(self, case: Case, seconds: float) -> float:
        """Seconds of one step, the median over about `seconds` of runs."""
        ...


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


def predict_s(model: OperatorModel, shape: Shape, case: Case, number: str) -> float:
    """Seconds of one step: the sum over operations and layers."""
    per_layer = sum(float(model.predict(op, columns, number).time_s[0]) for op, columns in operations(shape, case))
    return per_layer * shape.layers


def closed_loop(model: OperatorModel, net: Net, cases: tuple[Case, ...], seconds: float = 0.25) -> list[dict[str, Any]]:
    """One row per case: phase, batch, tokens, measured_s, predicted_s, error (signed, relative to measured)."""
    rows = []
    for case in cases:
        measured, predicted = net.measure(case, seconds), predict_s(model, net.shape, case, net.number)
        row = {"phase": case.phase, "batch": case.batch, "tokens": case.tokens}
        rows.append(row | {"measured_s": measured, "predicted_s": predicted, "error": predicted / measured - 1.0})
    return rows
