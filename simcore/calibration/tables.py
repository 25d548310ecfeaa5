"""Measured operator tables: a parquet or data frame to groups of rows that one kernel fit can use.

The layout is that of the operator tables named in NOTICE: one row per measurement, shape columns by operation, dtypes,
`stack`, `stack_version`, `kernel_source`, `latency_ms`, sometimes `power_w`. A row that cannot be used keeps a reason.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simcore.cost.calibrated import KV_BYTES
from simcore.cost.facts import kernel_format
from simcore.cost.operator_laws import law, shape_arrays
from simcore.errors import InputError, said_in

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """How a table's columns map to a law."""

    format: str | None
    """dtype column of the kernel; None: bf16"""
    kv_format: str | None = None
    rename: Mapping[str, str] | None = None
    """table column -> law column, where they differ"""
    pooled: bool = False
    """one fit for all kernels (the law tells them apart by its `step` or `op`)"""
    pooled_kv: bool = False
    """one fit for all KV formats"""


LAYOUTS: dict[str, Layout] = {
    "gemm": Layout("gemm_dtype"),
    "attention_prefill": Layout("attn_dtype", "kv_cache_dtype", pooled_kv=True),
    "attention_decode": Layout("attn_dtype", "kv_cache_dtype", pooled_kv=True),
    "mla_prefill": Layout("mla_dtype", "kv_cache_dtype", pooled=True, pooled_kv=True),
    "mla_decode": Layout("mla_dtype", "kv_cache_dtype", pooled=True, pooled_kv=True),
    "moe": Layout("moe_dtype"),
    "collective": Layout(None, rename={"op_name": "op", "num_gpus": "ranks"}, pooled=True),
    "allreduce_custom": Layout(None, rename={"num_gpus": "ranks"}, pooled=True),
    "linear_attention_gdn": Layout(None, pooled=True),
    "mamba2": Layout(None, pooled=True),
    "elementwise": Layout("dtype", pooled=True),
}


@dataclass(frozen=True, eq=False)
class Group:
    """Rows of one kernel, format and version of one stack."""

    operation: str
    stack: str
    version: str
    format: str
    kv_format: str
    kernel: str
    shapes: Mapping[str, Array]
    time_s: Array
    row: NDArray[np.int64]
    """0-based rows of the table"""

    def take(self, mask: NDArray[Any]) -> Group:
        from dataclasses import replace

        shapes = {name: column[mask] for name, column in self.shapes.items()}
        return replace(self, shapes=shapes, time_s=self.time_s[mask], row=self.row[mask])


SIGNED = ("alpha",)
"""columns of fitted numbers that may be below zero"""


def read_table(path: str) -> pd.DataFrame:
    """A parquet or CSV table; raises InputError when it cannot be read, is empty, or holds a number that is infinite or
    below zero, whether or not anybody asks for its column."""
    import pandas as pd

    if not Path(path).exists():
        raise InputError("no such file", file=str(path), fix="give the path of a table, CSV or parquet")
    if Path(path).is_dir():
        raise InputError("is a folder, not a file", file=str(path), fix="give the path of a table, CSV or parquet")
    if str(path).endswith(".csv"):
        frame = read_csv(Path(path), str(path))
    else:
        try:
            frame = pd.read_parquet(path)
        except Exception:
            raise InputError("is no parquet file", file=str(path), fix="a CSV table's name ends in .csv") from None
    if not len(frame):
        raise InputError("has no rows", file=str(path), fix="give a table with measurements")
    for name in frame.select_dtypes("number").columns.difference(SIGNED):
        bad = ((frame[name] == float("inf")) | (frame[name] < 0)).to_numpy(bool)
        if bad.any():
            row = int(bad.argmax())
            where = f"{path}:{row + 2}" if str(path).endswith(".csv") else f"{path}, row {row}"
            what = f"{frame[name].tolist()[row]!r} is not a number from 0"
            raise InputError(what, file=where, key=str(name), fix="mend it or leave the row out")
    return frame


MOST_HEADER = 100_000
"""characters of a header that are looked at"""


def read_csv(source: Path | str, file: str, **options: Any) -> pd.DataFrame:
    """The rows of a CSV table, a path or its text, by pandas with `options`. Raises InputError for rows longer than the
    header, and for two columns of one name."""
    import pandas as pd

    try:
        frame = pd.read_csv(source if isinstance(source, Path) else io.StringIO(source), **options)
    except pd.errors.EmptyDataError:
        raise InputError("is empty", file=file, fix="give a table with a header") from None
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(csv_problem(str(error)), file=file, fix="mend the table") from None
    with open(source, encoding="utf-8-sig") if isinstance(source, Path) else io.StringIO(source) as lines:
        names = next(csv.reader(lines.readline(MOST_HEADER).splitlines()), [])
    if not isinstance(frame.index, pd.RangeIndex):  # what pandas takes for names of rows
        raise InputError("rows have more fields than the header", file=file, fix="name every column")
    if len(set(names)) < len(names):
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise InputError(f"two columns are called {twice!r}", file=file, fix="rename one")
    return frame


def csv_problem(said: str) -> str:
    """What pandas says of a table that is none, in words.

    >>> csv_problem("Error tokenizing data. C error: Expected 9 fields in line 16, saw 11")
    'line 16 has 11 fields, the header 9'
    """
    longer = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", said)
    if longer:
        return f"line {longer[2]} has {longer[3]} fields, the header {longer[1]}"
    opened = re.search(r"EOF inside string starting at row (\d+)", said)
    if "codec can't decode" in said:
        return "is not UTF-8"
    return f"a quote that opens in row {opened[1]} never closes" if opened else "is no CSV table"


def table_files(folder: Path, operation: str) -> list[Path]:
    """The tables of an operation in a folder."""
    found = (folder / f"{operation}{suffix}" for suffix in (".parquet", ".csv"))
    return [path for path in found if path.exists()]


MOST_DIGITS = 18
"""of a part of a version that count"""


def version_key(version: str) -> tuple[int, ...]:
    """Order of versions: 1.3.0rc15 < 1.3.0rc20, 0.22.0 < 0.24.0.

    >>> version_key("1.3.0rc15") < version_key("1.3.0rc20")
    True
    """
    return tuple(int(part[:MOST_DIGITS]) for part in re.findall(r"\d+", str(version)))


def times(frame: pd.DataFrame, file: str | None) -> Array:
    """Measured seconds of every row, nan where there are none; raises InputError for a time that is not above zero."""
    if "latency_ms" not in frame:
        return np.full(len(frame), np.nan)
    found = numbers(frame, "latency_ms", file) * 1e-3
    bad = ~(found > 0)
    if bad.any():
        at = int(bad.argmax())
        what = f"row {at}: " + ("took no time" if found[at] == 0 else "holds no time")
        raise InputError(what, file=file, key="latency_ms", fix="leave the row out")
    return found


def groups(frame: pd.DataFrame, operation: str, file: str | None = None) -> tuple[list[Group], NDArray[np.object_]]:
    """(groups, reason per row: empty where the row is in a group); raises InputError for a missing column."""
    layout = LAYOUTS.get(operation)
    if layout is None:
        raise InputError(f"no law for operation {operation!r}", file=file, fix=f"known: {', '.join(LAYOUTS)}")
    shapes, ok = _shapes(frame, operation, layout, file)
    reason = np.where(ok, "", "a shape column is zero, negative or missing").astype(object)
    labels = _labels(frame, layout, file)
    time_s = times(frame, file)
    codes, keys = _codes(labels)
    found = []
    for code, key in enumerate(keys):
        row = np.flatnonzero((codes == code) & ok)
        if len(row):
            stack, version, number, kv, kernel = key
            part = {name: column[row] for name, column in shapes.items()}
            found.append(Group(operation, stack, version, number, kv, kernel, part, time_s[row], row))
    return found, reason


def _codes(labels: list[Any]) -> tuple[NDArray[np.int64], list[tuple[str, ...]]]:
    """Rows to the index of their label tuple."""
    import pandas as pd

    table = pd.MultiIndex.from_arrays(labels)
    codes, keys = table.factorize()
    return np.asarray(codes), [tuple(str(part) for part in key) for key in keys]


def _labels(frame: pd.DataFrame, layout: Layout, file: str | None) -> list[Any]:
    """stack, version, format, kv format and kernel of every row."""
    rows = len(frame)
    blank = np.full(rows, "", object)

    def text(name: str | None, default: str) -> NDArray[np.object_]:
        if name is None or name not in frame:
            return np.full(rows, default, object)
        return np.asarray(frame[name].astype(str).to_numpy(), object)

    def formats(name: str | None) -> NDArray[np.object_]:
        raw = text(name, "bf16")
        with said_in(file, str(name)):
            names = {value: kernel_format(value).name for value in set(raw)}
        return np.array([names[value] for value in raw], object)

    kernel = blank if layout.pooled else text("kernel_source", "")
    kv = formats(layout.kv_format) if layout.kv_format and not layout.pooled_kv else blank
    return [text("stack", "unknown"), text("stack_version", "0"), formats(layout.format), kv, kernel]


def _shapes(
    frame: pd.DataFrame, operation: str, layout: Layout, file: str | None
) -> tuple[dict[str, Array], NDArray[np.bool_]]:
    """Law columns of every row, and whether they make sense."""
    rule = law(operation)
    columns: dict[str, Any] = {}
    rename = layout.rename or {}
    source = {new: old for old, new in rename.items()}
    derived = _derived(frame, operation, file)
    for name in (*rule.columns, *rule.defaults):
        column = source.get(name, name)
        if name in derived:
            columns[name] = derived[name]
        elif column in frame:
            columns[name] = _column(frame, column, rule.defaults.get(name), name in rule.categories, file)
        elif name in rule.columns:
            raise InputError(f"has no column {column!r}", file=file, fix=f"{operation} needs {', '.join(rule.columns)}")
    shapes = shape_arrays(rule, columns)
    positive = [c for c in rule.columns if c not in rule.categories and c != "step"]
    ok = np.ones(len(frame), bool)
    for name, column in shapes.items():
        ok &= np.isfinite(column) & ((column > 0) if name in positive else (column >= 0))
    return shapes, ok


def as_numbers(frame: pd.DataFrame, column: str, file: str | None) -> pd.Series[Any]:
    """A column as numbers, nan where a cell is none; raises InputError for whole numbers of hundreds of digits."""
    import pandas as pd

    try:
        return pd.to_numeric(frame[column], errors="coerce")
    except OverflowError:
        raise InputError("holds a number that is too large", file=file, key=column, fix="mend the table") from None


def numbers(frame: pd.DataFrame, column: str, file: str | None) -> Array:
    """A column as floats, empty cells nan; raises InputError for what is no finite number from 0, naming its row."""
    values = np.asarray(as_numbers(frame, column, file), float)
    text = np.isnan(values) & frame[column].notna().to_numpy()
    bad = text | np.isinf(values) | (values < 0)
    if bad.any():
        row = int(bad.argmax())
        what = f"row {row}: {frame[column].tolist()[row]!r} is not a number from 0"
        raise InputError(what, file=file, key=column, fix="mend it or leave the row out")
    return values


def _column(frame: Any, column: str, default: float | None, label: bool, file: str | None) -> Any:
    if label:
        return np.asarray(frame[column].astype(str).to_numpy(), object)
    values = numbers(frame, column, file)
    return values if default is None else np.where(np.isnan(values), default, values)


def _derived(frame: pd.DataFrame, operation: str, file: str | None) -> dict[str, Any]:
    """Law columns that a table holds in another form."""
    if operation in ("attention_prefill", "attention_decode", "mla_prefill", "mla_decode"):
        kv = frame["kv_cache_dtype"].astype(str) if "kv_cache_dtype" in frame else None
        known = {v: KV_BYTES[kernel_format(v).name] for v in set(kv)} if kv is not None else {}
        derived = {} if kv is None else {"kv_bytes": np.array([known[v] for v in kv])}
        if operation.startswith("attention") and "head_dim" in frame:
            width = numbers(frame, "head_dim", file)
            derived["head_dim"] = np.where(np.isnan(width), 128.0, width)
        return derived
    if operation in ("collective", "allreduce_custom"):
        size, element = _message_bytes(frame, file), _element_bytes(frame)
        found = {} if size is None else {"message_bytes": size}
        if operation == "collective":
            return found if element is None else {**found, "element_bytes": element}
        return {**found, "eager": _is_eager(frame)}
    if operation == "moe":
        bare = (
            np.asarray(frame["kernel_source"].astype(str).str.contains("nongated")) if "kernel_source" in frame else 0
        )
        return {"matrices": 3.0 - np.ones(len(frame)) * bare}
    if operation in ("linear_attention_gdn", "mamba2") and "kernel_source" in frame and "phase" in frame:
        kernel, phase = frame["kernel_source"].astype(str), frame["phase"].astype(str)
        part = np.where(kernel.str.contains("conv"), "conv", "rule" if operation != "mamba2" else "scan")
        return {"step": np.char.add(part.astype(str), np.where(phase == "context", "_prefill", "_decode"))}
    return {}


_ELEMENT_BYTES = {"half": 2.0, "bfloat16": 2.0, "float16": 2.0, "float": 4.0, "int8": 1.0, "fp8": 1.0}


def _message_bytes(frame: pd.DataFrame, file: str | None) -> Array | None:
    """message_size counts elements of the row's dtype."""
    if "message_bytes" in frame or "message_size" not in frame:
        return None
    element = _element_bytes(frame)
    return numbers(frame, "message_size", file) * (2.0 if element is None else element)


def _is_eager(frame: pd.DataFrame) -> Array:
    """1 where the kernel was launched by the host, not from a captured graph."""
    if "kernel_source" not in frame:
        return np.zeros(len(frame))
    return np.asarray(frame["kernel_source"].astype(str).str.endswith("_eager"), float)


def _element_bytes(frame: pd.DataFrame) -> Array | None:
    """Bytes per element of the row's dtype; None where the table does not say."""
    name = next((n for n in ("nccl_dtype", "allreduce_dtype") if n in frame), None)
    if name is None or "element_bytes" in frame:
        return None
    return np.asarray(frame[name].astype(str).map(_ELEMENT_BYTES).fillna(2.0), float)
