"""Strict reading of a Hugging Face config.json: every key that a family reads is noted, the rest is judged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from simcore.errors import InputError
from simcore.kept.lazy import dataclass

ARCHITECTURAL = re.compile(
    r"(^|_)(num|n|heads?|layers?|experts?|attn|attention|mlp|ffn?|moe|window|rank|lora|shared|index|sparse|dense|mamba|ssm|conv"
    r"|linear|mtp|nextn|hidden|intermediate|kv|latent|chunk|tie|bias|gate|width|dim|pattern|parallel|alibi|vocab)(_|$|s$)"
)
"""words in a key that may change shapes: such a key must be understood or off"""
HARMLESS = re.compile(
    r"dropout|_drop$|_eps(ilon)?$|_token|token_id|_ids?$|output_|logits|initializer|loss|rope|rotary|scaling|softcap|act$"
    r"|activation|_act_|beam|ngram|return|transformers|pruned|use_cache|norm_topk_prob|n_group|topk_group|topk_method"
    r"|label|dtype|time_step|max_position|max_length|chunk_size_feed_forward|implementation|cross_attention|n_ctx"
    r"|query_pre_attn|attn_temperature|floor_scale|attn_scale|attn_pdrop|scale_attn|softmax|kv_cache|pre_allocate|pad_key|jitter|bidirectional|scoring_func|norm_topk|gate_limit"
    r"|swiglu|pretraining_tp|mtp_use_dedicated|use_mamba_kernels|rescale|residual_in_fp32|use_bias_|conv_act|for_llm"
    r"|initial_context|num_hidden_layers_|summary|hidden_function|image_|video_|routing_method|reorder|alpha$|seq_aux"
    r"|use_qk_norm$|attn_config|reduction|_bos$|seq_length|attn_type$"
)
"""words of keys that leave shapes alone (numerics, tokens, training)"""


@dataclass
class Keys:
    """One configuration object. `family` is named in complaints; `where` is the path of the object in the file."""

    raw: Mapping[str, Any]
    file: str
    family: str
    where: str = ""
    seen: set[str] = field(default_factory=set)

    def has(self, name: str) -> bool:
        """Whether the key is there and not null."""
        self.seen.add(name)
        return self.raw.get(name) is not None

    def refuse(self, name: str, problem: str, fix: str | None = None) -> InputError:
        """The error to raise about a key."""
        return InputError(problem, file=self.file, key=self.where + name, fix=fix)

    def whole(self, *names: str, default: int | None = None, least: int = 1) -> int:
        """A whole number under the first of `names` that is there. Raises InputError if missing or not one."""
        for name in names:
            if self.has(name):
                value = self.raw[name]
                if isinstance(value, bool) or not isinstance(value, int) or value < least:
                    raise self.refuse(name, f"{value!r} is not a whole number of at least {least}")
                return value
        if default is None:
            alternatives = "".join(f" (or {n})" for n in names[1:])
            raise self.refuse(names[0], f"is missing{alternatives}", f"a {self.family} model needs it")
        return default

    def flag(self, name: str, default: bool | None = None) -> bool:
        """A boolean; without a default it must be there."""
        if self.has(name):
            value = self.raw[name]
            if not isinstance(value, bool):
                raise self.refuse(name, f"{value!r} is not true or false")
            return value
        if default is None:
            raise self.refuse(name, "is missing", f"a {self.family} model needs it")
        return default

    def names(self, name: str, length: int, known: tuple[str, ...]) -> list[str] | None:
        """A list of `length` known words (`layer_types`); None if the key is not there."""
        if not self.has(name):
            return None
        value = self.raw[name]
        if not isinstance(value, list) or len(value) != length:
            raise self.refuse(name, f"must list one entry for each of the {length} layers")
        for entry in value:
            if entry not in known:
                raise self.refuse(name, f"unknown kind of layer {entry!r}", f"known: {', '.join(known)}")
        return [str(entry) for entry in value]

    def expect(self, name: str, *allowed: Any) -> None:
        """Refuse a feature that is not modelled: the key must be absent or hold one of the values."""
        if self.has(name) and self.raw[name] not in allowed:
            shown = " or ".join(repr(v) for v in allowed)
            raise self.refuse(name, f"{self.raw[name]!r} is not modelled for {self.family}", f"known: {shown}")

    def ignore(self, *names: str) -> None:
        """Keys that this family carries without effect."""
        self.seen.update(names)

    def check_rest(self) -> None:
        """Raise InputError for a key that sounds like architecture, is on, and was not read."""
        for name, value in self.raw.items():
            off = value is None or value is False or value == 0 or value in ([], {}, "")
            if name in self.seen or off or isinstance(value, dict) or HARMLESS.search(name):
                continue
            if ARCHITECTURAL.search(name):
                raise self.refuse(
                    name, f"{value!r} is not understood for {self.family}", "remove it if it has no effect"
                )
