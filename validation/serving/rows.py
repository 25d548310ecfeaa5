"""Rows of a table of serving measurements, read and repaired by stated rules. No `silicon_*` result is read here.

Predictions depend on no column `silicon_*`. The day (`measured` in `silicon_data_source`) is kept to name campaigns in
reports; no answer depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simcore.errors import InputError
from simcore.spec.base import MOST_COUNT

NO_WORKERS = "disaggregated without worker counts"
UNIFORM_CLIENT = ((1024, 1024), (1024, 8192), (8192, 1024))
"""(input, output) lengths of the public benchmark, whose client draws lengths; the other client does not"""
SAME_MODEL = {"deepseek-v3": "deepseek-r1", "deepseek-r1-nvfp4": "deepseek-r1", "llama-3.1-8b-instruct-fp8": "llama-8b"}
"""names under which the same architecture was measured, often the very same runs"""


@dataclass(frozen=True)
class Pool:
    """One replica's parallel plan; `workers` replicas."""

    tp: int
    attention_dp: int
    ep: int
    workers: int = 1
    batch: int = 0

    @property
    def chips(self) -> int:
        return self.tp * self.attention_dp

    @property
    def words(self) -> str:
        """Workers x tp / attention dp / ep."""
        return f"{self.workers}x{self.tp}/{self.attention_dp}/{self.ep}"


@dataclass(frozen=True)
class Question:
    """What was served, how and for whom. Rows with equal questions get one answer."""

    model: str
    system: str
    stack: str
    precision: str
    mode: str
    input_tokens: int
    output_tokens: int
    users: int
    pool: Pool
    prefill: Pool | None
    fixed_lengths: bool
    version: str
    """of the stack, "" where it is not stated"""
    numbered: bool = False
    """the id ends with the number of a configuration (`_cfg691`): an export that holds no speculative runs"""
    flags: str = ""
    """what the server was started with, in its own words; "" where nobody says"""
    date: str = field(default="", compare=False)
    """day of the measurement, for reports"""
    is_dense: bool = field(default=False, compare=False)
    """the model has no experts; for reports and intervals"""

    @property
    def chips(self) -> int:
        """Of all workers that decode or prefill."""
        pools = (self.pool,) if self.prefill is None else (self.pool, self.prefill)
        return sum(pool.workers * pool.chips for pool in pools)

    @property
    def family(self) -> str:
        """Lower-case last part of the model's name; relabelled copies share it."""
        name = self.model.split("/")[-1].lower()
        return SAME_MODEL.get(name, name)

    @property
    def curve(self) -> str:
        """Everything but the concurrency, version and day: the unit that is never split between fit and test."""
        plan = f"{self.pool.tp}/{self.pool.attention_dp}/{self.pool.ep}"
        parts = (self.family, self.system, self.stack, self.precision, self.mode, self.input_tokens, self.output_tokens)
        return "|".join(map(str, (*parts, plan)))

    @property
    def campaign(self) -> str:
        """Rows of one stack, model, system, precision and day."""
        return "|".join((self.stack, self.family, self.system, self.precision, self.date, self.mode))


@dataclass(frozen=True)
class ServingRow:
    """One row: the question, or why there is none, and which repairs were made."""

    id: str
    question: Question | None
    reason: str = ""
    repairs: tuple[str, ...] = ()


def _number(row: dict[str, Any], name: str) -> int:
    """A count; missing or zero is 1. Raises InputError for anything else."""
    value = row.get(name)
    if value is None or value != value or value == "":
        return 1
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = -1.0
    if not (0 <= found <= MOST_COUNT and found == int(found)):
        raise InputError(f"row {row.get('id')}: {value!r} is not a count", key=name, fix="mend the table")
    return int(found) or 1


def _length(row: dict[str, Any], name: str) -> int:
    """A length in tokens. Raises InputError where there is none."""
    value = row.get(name)
    if value is None or value != value or value == "" or (found := _number(row, name)) < 1:
        raise InputError(f"row {row.get('id')}: has no length", key=name, fix="mend the table")
    return found


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None or value != value else str(value)


def repaired_pool(row: dict[str, Any], prefix: str = "") -> tuple[Pool, list[str]]:
    """A pool's plan, with the rules for what the table says wrongly.

    * moe_tp and moe_ep both above 1: the chips were counted twice (tp x ep, or dp x ep): divide by ep, moe_tp = 1
    * ep equal to tp x attention_dp with both above 1, tp = attention_dp: the chips were counted twice: tp = 1
    * attention dp beyond a node with ep = 1: experts are not split that finely by anybody: ep = chips
    * attention dp not stated, experts split further than matrices: ranks = moe_tp x ep / tp
    * a plan wider than any stack splits matrices, without attention dp or ep: see `wide_pools`
    """
    tp, dp = _number(row, prefix + "tp_size"), _number(row, prefix + "attention_dp_size")
    moe_tp, ep = _number(row, prefix + "moe_tp_size"), _number(row, prefix + "moe_ep_size")
    repairs = []
    if not _text(row, prefix + "attention_dp_size") and ep == 1 and moe_tp > tp and moe_tp % tp == 0:
        repairs.append(f"{prefix}attention dp taken from the experts' split")
        dp = moe_tp // tp
    elif moe_tp > 1 and ep > 1:
        repairs.append(f"{prefix}chips counted tp x ep")
        if dp > 1 and dp % ep == 0:
            dp //= ep
        elif tp % ep == 0:
            tp //= ep
    elif tp == dp > 1 and ep == tp * dp:
        repairs.append(f"{prefix}chips counted tp x dp")
        tp, ep = 1, dp
    if dp > NODE and ep == 1:
        repairs.append(f"{prefix}experts over more than a node taken as expert parallel")
        ep = tp * dp
    ep = min(ep, tp * dp)
    workers = _number(row, prefix + "num_workers") if prefix else 1
    return Pool(tp, dp, ep, workers, _number(row, prefix + "batch_size")), repairs


NODE = 8
WIDEST_TP = 8
PREFILL_CHIPS = 4
DECODE_CHIPS = 32
USERS_PER_CHIP = 16


def wide_pools(pool: Pool, users: int) -> tuple[Pool, Pool]:
    """(decode, prefill) of a deployment told as one plan of many chips: such rows are totals of disaggregated runs.

    The largest power of two of chips, at most 32, that leaves four decodes: in workers of eight that split matrices
    (tp and ep) up to 16 users per chip, as one wide attention-dp group beyond. The rest prefills in workers of four.
    """
    decode = 1 << (min(DECODE_CHIPS, pool.chips - PREFILL_CHIPS).bit_length() - 1)
    prefill = Pool(1, PREFILL_CHIPS, PREFILL_CHIPS, max((pool.chips - decode) // PREFILL_CHIPS, 1))
    if users > USERS_PER_CHIP * decode:
        return Pool(1, decode, decode, 1, pool.batch), prefill
    tp = min(decode, NODE)
    return Pool(tp, 1, tp, decode // tp, pool.batch), prefill


def concurrency(row: dict[str, Any], prefix: str = "") -> int:
    """Users of the closed loop: `_c<users>_` in the row's id, else the batch of a rank x ranks as stated (x workers).

    Both agree for 99 % of the rows that have both; of the others the id is right (loads of several replicas or chips).
    """
    found = re.search(r"_c(\d+)_", _text(row, "id"))
    if found:
        return int(found.group(1))
    ranks = _number(row, prefix + "attention_dp_size") * (_number(row, prefix + "num_workers") if prefix else 1)
    return _number(row, prefix + "batch_size") * ranks


Dense = Callable[[str], bool]
"""model name -> has no experts"""


def not_known(name: str) -> bool:
    """Whether a model is dense, where nobody asks."""
    return False


def read_row(row: dict[str, Any], infer_workers: bool = False, is_dense: Dense = not_known) -> ServingRow:
    """One row of the table as a question; `infer_workers`: one worker per pool where a row states none."""
    source, mode = _text(row, "silicon_data_source"), _text(row, "mode") or "agg"
    name = _text(row, "id")
    prefill = None
    if mode == "disagg":
        stated = _text(row, "decode_num_workers") and _text(row, "prefill_num_workers")
        if not stated and not infer_workers:
            return ServingRow(name, None, NO_WORKERS)
        pool, repairs = repaired_pool(row, "decode_")
        prefill, more = repaired_pool(row, "prefill_")
        repairs += more if stated else [*more, "workers taken as one per pool"]
    else:
        pool, repairs = repaired_pool(row)
    users = concurrency(row, "decode_" if mode == "disagg" else "")
    if mode == "agg" and pool.tp > WIDEST_TP:
        pool, prefill = wide_pools(pool, users)
        repairs.append("plan of many chips taken as a disaggregated deployment, split guessed")
    precision = _text(row, "precision")
    if not precision:
        precision, repairs = "bf16", [*repairs, "missing precision taken as bf16"]
    lengths = (_length(row, "isl"), _length(row, "osl"))
    day = re.search(r"measured=(\d{4}-\d\d-\d\d)", source)
    question = Question(
        model=_text(row, "model_path"),
        system=_text(row, "system"),
        stack=_text(row, "backend"),
        precision=precision,
        mode=mode,
        input_tokens=lengths[0],
        output_tokens=lengths[1],
        users=max(users, 1),
        pool=pool,
        prefill=prefill,
        fixed_lengths=lengths not in UNIFORM_CLIENT,
        date=day.group(1) if day else "",
        version=_text(row, "backend_version"),
        numbered=re.search(r"_cfg\d+$", name) is not None,
        flags=_text(row, "server_flags").strip(),
        is_dense=is_dense(_text(row, "model_path")),
    )
    return ServingRow(name, question, "", tuple(repairs))


def read_rows(frame: Any, infer_workers: bool = False, is_dense: Dense = not_known) -> list[ServingRow]:
    """Rows of a data frame with the columns of the table; raises InputError for a missing column."""
    from simcore.errors import InputError

    for column in ("id", "backend", "model_path", "system", "mode", "isl", "osl"):
        if column not in frame.columns:
            raise InputError(f"the table has no column {column!r}", key=column)
    return [read_row(record, infer_workers, is_dense) for record in frame.to_dict("records")]
