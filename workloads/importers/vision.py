"""Parameters of vision towers: they are loaded beside the language model and take no part in a decode step."""

from __future__ import annotations

from typing import Any

from workloads.importers.keys import Keys


def vision_parameters(raw: dict[str, Any], file: str, text_hidden_size: int) -> int:
    """Parameters of `vision_config` and its projector; 0 without one. Raises InputError for an unknown tower."""
    kind = raw.get("model_type")
    tower = raw.get("vision_config")
    if tower is None and "ConditionalGeneration" in str(raw.get("architectures")):
        tower = PUBLISHED.get(str(kind))
    if tower is None:
        return 0
    keys = Keys(tower, file, f"{kind} vision", "vision_config.")
    if kind not in TOWERS:
        raise keys.refuse(
            "model_type", f"vision tower of {kind!r} is not known", "remove vision_config to import the text"
        )
    return TOWERS[kind](keys, text_hidden_size)


def encoder(layers: int, size: int, inner: int, *, matrices: int = 2, bias: bool = True) -> int:
    """Transformer encoder: four attention matrices, `matrices` of the MLP, two norms per layer."""
    weights = 4 * size * size + matrices * size * inner
    biases = (4 * size + inner + size + 4 * size) if bias else 4 * size
    return layers * (weights + biases)


def qwen(keys: Keys, text: int) -> int:
    """Patches over two frames, learned positions, a merger of 2 x 2 patches."""
    size, patch = keys.whole("hidden_size"), keys.whole("patch_size")
    pixels = keys.whole("in_channels") * keys.whole("temporal_patch_size") * patch * patch
    merged = size * keys.whole("spatial_merge_size") ** 2
    body = encoder(keys.whole("depth"), size, keys.whole("intermediate_size"))
    tables = (pixels + 1) * size + keys.whole("num_position_embeddings") * size
    merger = 2 * size + (merged + 1) * merged + (merged + 1) * keys.whole("out_hidden_size")
    return body + tables + merger


def kimi(keys: Keys, text: int) -> int:
    """MoonViT: learned positions on a grid, a merger of 2 x 2 patches."""
    size, patch = keys.whole("vt_hidden_size"), keys.whole("patch_size")
    merged = size * 4
    body = encoder(keys.whole("vt_num_hidden_layers"), size, keys.whole("vt_intermediate_size"))
    grid = keys.whole("init_pos_emb_height") * keys.whole("init_pos_emb_width")
    tables = (3 * patch * patch + 1) * size + grid * size
    return body + tables + 2 * size + (merged + 1) * merged + (merged + 1) * text


def gemma4(keys: Keys, text: int) -> int:
    """Gated MLP, no biases, two tables of positions."""
    size, patch = keys.whole("hidden_size"), keys.whole("patch_size")
    body = encoder(keys.whole("num_hidden_layers"), size, keys.whole("intermediate_size"), matrices=3, bias=False)
    tables = 3 * patch * patch * size + 2 * keys.whole("position_embedding_size") * size
    return body + tables + size * text


def gemma3(keys: Keys, text: int) -> int:
    """SigLIP: plain biased MLP, one position per patch, one projection."""
    size, patch = keys.whole("hidden_size"), keys.whole("patch_size")
    body = encoder(keys.whole("num_hidden_layers"), size, keys.whole("intermediate_size"))
    positions = (keys.whole("image_size") // patch) ** 2
    return body + (3 * patch * patch + 1) * size + positions * size + 2 * size + size * text


def llama4(keys: Keys, text: int) -> int:
    """Encoder, pixel-shuffle adapter and projection."""
    size, patch = keys.whole("hidden_size"), keys.whole("patch_size")
    inner, out = keys.whole("intermediate_size"), keys.whole("projector_output_dim")
    body = encoder(keys.whole("num_hidden_layers"), size, inner)
    positions = (keys.whole("image_size") // patch) ** 2 + 1
    adapter = inner * keys.whole("projector_input_dim") + keys.whole("projector_input_dim") * out
    return body + 3 * patch * patch * size + (positions + 5) * size + adapter + keys.whole("vision_output_dim") * text


PUBLISHED = {
    "llama4": {
        "hidden_size": 1408,
        "intermediate_size": 5632,
        "num_hidden_layers": 34,
        "patch_size": 14,
        "image_size": 336,
        "projector_input_dim": 4096,
        "projector_output_dim": 4096,
        "vision_output_dim": 4096,
    }
}
"""towers that a file may leave out: the one that Llama 4 Scout and Maverick share (their own config.json)"""

TOWERS = {
    "qwen3_5": qwen,
    "qwen3_5_moe": qwen,
    "kimi_k25": kimi,
    "gemma4": gemma4,
    "gemma3": gemma3,
    "llama4": llama4,
}
