"""Number formats of a checkpoint from `quantization_config`."""

from __future__ import annotations

import re
from typing import Any

from simcore.errors import InputError
from simcore.spec.model import ModelSpec
from simcore.unit_text import found_text
from workloads.importers.keys import Keys

Formats = dict[str, str]


def formats(raw: dict[str, Any], file: str, where: str, spec: ModelSpec) -> Formats:
    """`native_format`, `expert_format` and `kv_format` where they differ from bf16.

    Where an MoE checkpoint keeps its attention in bf16, only the experts are quantised: weights bf16, experts in the
    format. A dense one takes the format of its MLPs, the larger part. Raises InputError for an unknown method.
    """
    table = raw.get("quantization_config")
    if not table:
        return {}
    if not isinstance(table, dict):
        raise InputError(f"{table!r} is not an object", file=file, key=f"{where}quantization_config")
    keys = Keys(table, file, "quantised", f"{where}quantization_config.")
    method = method_of(table)
    if method is None:
        raise keys.refuse("quant_method", "is missing", f"known: {', '.join(METHODS)}")
    if not isinstance(method, str) or method not in METHODS:
        raise keys.refuse("quant_method", f"{found_text(method)} is no known method", f"known: {', '.join(METHODS)}")
    found = {"native_format": METHODS[method](keys)}
    if spec.is_moe and (keeps_attention(table, spec) or method == "mxfp4"):
        found = {"expert_format": found["native_format"]}
    kept = kv_format(keys)
    return found | ({"kv_format": kept} if kept else {})


def method_of(table: dict[str, Any]) -> Any:
    """`quant_method`; where a file leaves it out, what its producer's keys say."""
    if table.get("quant_method") is not None:
        return table["quant_method"]
    producer = table.get("producer")
    named = producer.get("name") if isinstance(producer, dict) else None
    if named == "modelopt" or table.get("quant_algo"):
        return "modelopt"
    return "compressed-tensors" if table.get("config_groups") else None


ATTENTION = re.compile(r"(?:self_attn|linear_attn|self_attention|attention|attn)(?P<tail>(?:[.(*].*)?)$")
LAYER = re.compile(r"layers?\.\(?([\d|]+)\)?\.")
QUERY = re.compile(r"(^|[.(|])(q|q_a|q_b|qkv|wq|query|query_key_value|in)(_proj|[_|)]|$)")
OUTPUT = re.compile(r"(^|[.(|])(o|out|dense|wo)(_proj|[_|)]|$)")


def keeps_attention(table: dict[str, Any], spec: ModelSpec) -> bool:
    """Whether the list of excluded modules holds the attention of most layers: as a whole, or query and output.

    Norms, an indexer's small projections, and single layers do not count.
    """
    kept: dict[str, set[str]] = {}
    for entry in excluded_modules(table):
        name = entry.removeprefix("re:").replace("\\", "").rstrip("$*.")
        found = ATTENTION.search(name)
        if found is None or "norm" in name or "index" in name:
            continue
        tail = found["tail"].strip(".*")
        parts = {"query", "output"} if not tail else set()
        parts |= {"query"} if QUERY.search(tail) else set()
        parts |= {"output"} if OUTPUT.search(tail) else set()
        numbers = LAYER.search(name)
        for layer in numbers[1].split("|") if numbers else ("all",):
            kept.setdefault(layer, set()).update(parts)
    common = kept.pop("all", set())
    if common == {"query", "output"}:
        return True
    whole = sum(parts | common == {"query", "output"} for parts in kept.values())
    return whole > 0.5 * sum(group.count for group in spec.layers if group.mixer is not None)


def excluded_modules(table: dict[str, Any]) -> list[str]:
    """Names of modules that stay in 16 bits, under any of the keys that say so."""
    names = ("modules_to_not_convert", "ignore", "exclude_modules", "ignored_layers")
    return [str(entry) for name in names for entry in table.get(name) or []]


def beside(table: dict[str, Any]) -> dict[str, Any]:
    """The `quantization_config` that a `hf_quant_config.json` stands for."""
    inner = table.get("quantization")
    return {"quant_method": "modelopt", **(inner if isinstance(inner, dict) else table)}


def fp8(keys: Keys) -> str:
    """Block scales where `weight_block_size` is there."""
    if not keys.has("weight_block_size"):
        return "fp8"
    if list(keys.raw["weight_block_size"]) != [128, 128]:
        raise keys.refuse(
            "weight_block_size", f"{keys.raw['weight_block_size']!r} is not modelled", "known: [128, 128]"
        )
    return "fp8-block"


def mxfp4(keys: Keys) -> str:
    return "mxfp4"


def grouped_integers(keys: Keys) -> str:
    """AWQ and GPTQ."""
    bits = keys.whole("bits", "w_bit")
    if bits not in (4, 8):
        raise keys.refuse("bits", f"{bits} bits are not modelled", "known: 4, 8")
    return "int4" if bits == 4 else "int8-weight"


def compressed_tensors(keys: Keys) -> str:
    """One group of targets; several with different weights are refused."""
    groups = keys.raw.get("config_groups") or {}
    found = {_weights(keys, name, group.get("weights") or {}, group) for name, group in groups.items()}
    if len(found) != 1:
        raise keys.refuse("config_groups", f"{len(found)} different weight formats, expected one")
    return found.pop()


def _weights(keys: Keys, name: str, weights: dict[str, Any], group: dict[str, Any]) -> str:
    kind, bits, size = weights.get("type"), weights.get("num_bits"), weights.get("group_size")
    strategy = weights.get("strategy")
    if (kind, bits) == ("float", 8):
        return "fp8-block" if strategy == "block" else "fp8"
    if (kind, bits) == ("int", 8):
        return "int8" if group.get("input_activations") else "int8-weight"
    known = {("int", 4, 128): "int4", ("int", 4, 32): "int4-g32", ("float", 4, 16): "fp4", ("float", 4, 32): "mxfp4"}
    for shape, number_format in known.items():
        if shape == (kind, bits, size):
            return number_format
    raise keys.refuse(f"config_groups.{name}.weights", f"{bits}-bit {kind} in groups of {size} is not modelled")


def modelopt(keys: Keys) -> str:
    """NVIDIA's own: the algorithm by name."""
    algorithm = str(keys.raw.get("quant_algo") or (keys.raw.get("quantization") or {}).get("quant_algo"))
    known = {"FP8": "fp8", "NVFP4": "fp4", "W4A16_AWQ": "int4", "FP8_PB_WO": "fp8-block"}
    if algorithm not in known:
        raise keys.refuse("quant_algo", f"{algorithm!r} is not known", f"known: {', '.join(known)}")
    return known[algorithm]


def kv_format(keys: Keys) -> str | None:
    """Format of the cache under any of the keys that name it; None: not said."""
    scheme = keys.raw.get("kv_cache_scheme")
    if isinstance(scheme, dict):
        bits, kind = scheme.get("num_bits"), scheme.get("type", "float")
        known: dict[Any, str | None] = {
            (8, "float"): "fp8",
            (8, "int"): "int8",
            (4, "float"): "fp4",
            (16, "float"): None,
        }
        if (bits, kind) not in known:
            raise keys.refuse("kv_cache_scheme", f"{bits}-bit {kind} is not modelled", "known: 8-bit float")
        return known[bits, kind]
    for name in ("kv_cache_scheme", "kv_cache_quant_algo"):
        word = keys.raw.get(name)
        if word is None or str(word).lower() in ("auto", "none"):
            continue
        words = {"FP8": "fp8", "INT8": "int8", "NVFP4": "fp4"}
        if str(word).upper() not in words:
            raise keys.refuse(name, f"{word!r} is not known", f"known: {', '.join(words)}")
        return words[str(word).upper()]
    return None


METHODS = {
    "fp8": fp8,
    "fbgemm_fp8": fp8,
    "mxfp4": mxfp4,
    "awq": grouped_integers,
    "gptq": grouped_integers,
    "compressed-tensors": compressed_tensors,
    "modelopt": modelopt,
    "modelopt_fp4": modelopt,
}
