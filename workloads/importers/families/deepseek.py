"""Multi-head latent attention over routed and shared experts: DeepSeek-V2, V3, V3.2, Kimi K2, GLM-5."""

from __future__ import annotations

from simcore.spec.model import Indexer, LayerGroup, Mla, Moe
from workloads.importers.architecture import Architecture, silu_mlp
from workloads.importers.families.llama import layers
from workloads.importers.keys import Keys


def deepseek(keys: Keys) -> Architecture:
    """The first `first_k_dense_replace` layers are dense, the others route; V3 cards leave the embedding out."""
    keys.expect("attention_bias", False)
    keys.expect("moe_layer_freq", 1)
    keys.ignore("num_key_value_heads", "head_dim", "qk_head_dim", "ep_size", "aux_loss_alpha")
    count, dense = layers(keys), keys.whole("first_k_dense_replace", least=0)
    if dense >= count:
        raise keys.refuse("first_k_dense_replace", f"{dense} dense layers leave none of {count} that routes")
    mixer = latent_attention(keys)
    groups = [LayerGroup(count=count - dense, mixer=mixer, ffn=(experts(keys),))]
    if dense:
        groups.insert(0, LayerGroup(count=dense, mixer=mixer, ffn=(silu_mlp(keys),)))
    mtp = keys.whole("num_nextn_predict_layers", default=0, least=0)
    return Architecture(groups, keys.flag("tie_word_embeddings", False), {"mtp_layers": mtp, "card_tables": 1})


def sparse(keys: Keys) -> Architecture:
    """DeepSeek-V3.2 and GLM-5: an indexer picks the tokens that latent attention sees."""
    found = deepseek(keys)
    return Architecture(found.layers, found.tied_embeddings, {**found.rest, "card_tables": CARD_TABLES[keys.family]})


def latent_attention(keys: Keys) -> Mla:
    """MLA, with an indexer where `index_topk` is there."""
    indexer = None
    if keys.has("index_topk"):
        indexer = Indexer(
            heads=keys.whole("index_n_heads"),
            head_dim=keys.whole("index_head_dim"),
            topk=keys.whole("index_topk"),
        )
    elif keys.family in SPARSE:
        raise keys.refuse("index_topk", "is missing", f"a {keys.family} model needs it")
    if "q_lora_rank" not in keys.raw:
        raise keys.refuse("q_lora_rank", "is missing", "write null where queries are not compressed")
    return Mla(
        heads=keys.whole("num_attention_heads"),
        q_lora_rank=keys.whole("q_lora_rank") if keys.has("q_lora_rank") else None,
        kv_lora_rank=keys.whole("kv_lora_rank"),
        qk_nope_head_dim=keys.whole("qk_nope_head_dim"),
        qk_rope_head_dim=keys.whole("qk_rope_head_dim"),
        v_head_dim=keys.whole("v_head_dim"),
        indexer=indexer,
    )


def experts(keys: Keys) -> Moe:
    """Routed and shared experts; `noaux_tc` routing adds a bias per expert."""
    size = keys.whole("moe_intermediate_size")
    shared = keys.whole("n_shared_experts", least=0)
    return Moe(
        experts=keys.whole("n_routed_experts"),
        topk=keys.whole("num_experts_per_tok"),
        intermediate_size=size,
        shared_intermediate_size=shared * size,
        router_bias=keys.raw.get("topk_method") == "noaux_tc",
    )


SPARSE = ("deepseek_v32", "glm_moe_dsa")
CARD_TABLES = {"deepseek_v32": 1, "glm_moe_dsa": 0}
"""tables with which the count of active parameters meets the card (37B, 40B)"""
MODEL_TYPES = {
    "deepseek_v2": deepseek,
    "deepseek_v3": deepseek,
    "deepseek_v32": sparse,
    "kimi_k2": deepseek,
    "kimi_k25": deepseek,
    "glm_moe_dsa": sparse,
}
