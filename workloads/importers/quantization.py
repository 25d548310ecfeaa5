"""Number formats of a checkpoint from `quantization_config`."""

from __future__ import annotations

from typing import Any

from workloads.importers.keys import Keys

Formats = dict[str, str]


def formats(raw: dict[str, Any], file: str, where: str, is_moe: bool) -> Formats:
    """`native_format`, `expert_format` and `kv_format` where they differ from bf16.

    Where an MoE checkpoint keeps its attention in bf16, only the experts are quantised: weights bf16, experts in the
    format. A dense one takes the format of its MLPs, the larger part. Raises InputError for an unknown method.
    """
    table = raw.get("quantization_config")
    if not table:
        return {}
    keys = Keys(table, file, "quantised", f"{where}quantization_config.")
    method = table.get("quant_method")
    if method not in METHODS:
        raise keys.refuse("quant_method", f"{method!r} is not known", f"known: {', '.join(METHODS)}")
    found = {"native_format": METHODS[method](keys)}
    if is_moe and (keeps_attention(table) or method == "mxfp4"):
        found = {"expert_format": found["native_format"]}
    if _kv_bits(keys) == 8:
        found["kv_format"] = "fp8"
    return found


def keeps_attention(table: dict[str, Any]) -> bool:
    """Whether the list of excluded modules names the attention projections."""
    excluded = [
        str(entry)
        for name in ("modules_to_not_convert", "ignore", "exclude_modules", "ignored_layers")
        for entry in table.get(name) or []
    ]
    return any("self_attn" in entry and "norm" not in entry for entry in excluded)


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


def _kv_bits(keys: Keys) -> int | None:
    scheme = keys.raw.get("kv_cache_scheme")
    if isinstance(scheme, dict):
        bits: int | None = scheme.get("num_bits")
        return bits
    return 8 if str(keys.raw.get("kv_cache_quant_algo")) == "FP8" else None


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
