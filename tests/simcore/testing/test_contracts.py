"""Every contract over everything that is shipped, and each of them failing on a bad thing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest

import hardware_specs
import simcore
import simcore.testing as contracts
import workloads
from hardware_specs.cost_models import cost_models
from planners.engines import engines
from planners.kinds import planners
from planners.search.method import METHODS, Ask
from simcore import registry
from simcore.cost.roofline import Roofline
from simcore.ops.blocks import lowering
from simcore.ops.build import elementwise, projected
from simcore.spec.base import Count
from simcore.spec.block_kinds import Matrix, MixerBlock, matrix
from simcore.spec.model import Attention, LinearAttention, Mamba2, Mla, Mlp, Moe
from tests.simcore.ops.test_mixers import KINDS

BLOCKS = {
    "attention": Attention(heads=16, kv_heads=4, head_dim=64),
    "mla": Mla(heads=16, kv_lora_rank=512, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128),
    "linear": LinearAttention(key_heads=8, value_heads=16, key_dim=64, value_dim=64, conv_width=4),
    "mamba2": Mamba2(heads=16, head_dim=64, state_size=64, groups=4, conv_width=4),
    "mlp": Mlp(intermediate_size=4096),
    "moe": Moe(experts=8, topk=2, intermediate_size=2048, shared_intermediate_size=1024),
}


def test_every_shipped_kind_has_a_block_here() -> None:
    own = {name: lowering.part(name, "SPEC", None) for name in lowering.names() if name not in BLOCKS}
    assert all(spec is not None for spec in own.values()), "plain kinds stand here, others in test_mixers"
    assert set(own) == KINDS


@pytest.mark.parametrize("kind", sorted(BLOCKS))
def test_blocks(kind: str) -> None:
    contracts.check_block(BLOCKS[kind])


def test_windows_chunks_and_indexers() -> None:
    from simcore.spec.model import Indexer

    contracts.check_block(BLOCKS["attention"].replace(window_tokens=512))
    contracts.check_block(BLOCKS["attention"].replace(chunk_tokens=512))
    contracts.check_block(BLOCKS["mla"].replace(indexer=Indexer(heads=8, head_dim=64, topk=256)))


@pytest.mark.parametrize("name", cost_models.names())
@pytest.mark.parametrize("chip", ["h100-sxm", "l40s", "mi300x"])
def test_cost_models(name: str, chip: str) -> None:
    spec = hardware_specs.chip(chip)
    contracts.check_cost_model(cost_models(name)(spec), spec)


@pytest.mark.parametrize("name", hardware_specs.stack.names())
def test_stacks(name: str) -> None:
    contracts.check_stack(hardware_specs.stack(name))


@pytest.mark.parametrize("name", engines.names())
def test_engines(name: str) -> None:
    contracts.check_engine(engines(name))


@pytest.mark.parametrize("name", METHODS.names())
def test_methods(name: str) -> None:
    if name in ("tpe", "nsga2", "nsga3"):
        pytest.importorskip("optuna")
    contracts.check_method(METHODS(name))


@pytest.mark.parametrize("name", planners.names())
def test_planners(name: str) -> None:
    contracts.check_planner(planners(name))


# a mixer of one's own: one file that says its spec and its operations


class Retention(MixerBlock):
    """A state per head, and a cache of one vector per token that nothing reads unless `reads`."""

    kind: Literal["retention"] = "retention"
    heads: Count
    head_dim: Count
    cached: bool = False
    hidden_state: bool = False

    def matrices(self, hidden_size: int) -> tuple[Matrix, ...]:
        width = self.heads * self.head_dim
        return matrix("qkv", hidden_size, 3 * width, "column"), matrix("attention_out", width, hidden_size, "row")

    @property
    def split_heads(self) -> int:
        return self.heads

    @property
    def kv_elements_per_token(self) -> int:
        return self.head_dim if self.cached else 0

    @property
    def state_elements(self) -> int:
        return self.heads * self.head_dim**2


def lower_retention(model: Any, mixer: Retention, count: int, plan: Any, step: Any) -> Any:
    """State read and written once per sequence."""
    state_bytes = 0.0 if mixer.hidden_state else 2.0 * mixer.state_elements * 4.0 / plan.tp
    mixing = elementwise("retention", count, step.rank_tokens(plan.cp) * mixer.head_dim * plan.activation_bytes)
    mixing = replace(
        mixing,
        role="attention",
        part="attention",
        stream_bytes=step.sequences * state_bytes,
        flop=4.0 * step.rank_tokens(plan.cp) * mixer.state_elements / plan.tp,
    )
    return projected(model, mixer, count, plan, step, [mixing])


@pytest.fixture
def retention() -> Any:
    registry.register("block", SimpleNamespace(SPEC=Retention, lower=lower_retention), "retention")
    yield Retention(heads=8, head_dim=64)
    registry.unregister("block", "retention")


MINE = """schema = "model/1"
name = "retentive"
family = "mine"
hidden_size = 2048
vocab_size = 32000
[sources.me]
kind = "assumed"
title = "a sketch"
[[layers]]
count = 24
ffn = [{ kind = "mlp", intermediate_size = 8192 }]
[layers.mixer]
kind = "retention"
heads = 16
head_dim = 128
"""


def test_a_block_of_ones_own(retention: Retention, tmp_path: Any) -> None:
    contracts.check_block(retention)
    (tmp_path / "m.toml").write_text(MINE)
    model = simcore.resolve("model", "./m.toml", tmp_path)
    assert model.layers[0].mixer == Retention(heads=16, head_dim=128) and "head_dim" in model.model_dump_json()
    contracts.check_model(model)
    asked = simcore.scenario(str(tmp_path / "m.toml"), "h100-sxm", input_tokens=500, output_tokens=20, batch=1)
    asked = asked.set({"hardware.stack": "datasheet", "traffic.requests": 20})
    estimated, simulated = simcore.estimate(asked), simcore.simulate(asked).flat
    assert simulated["tpot_mean_s"] == pytest.approx(estimated.values["tpot_s"], rel=0.05)


@pytest.mark.parametrize(
    ("bad", "words"), [({"cached": True}, "no decode step reads"), ({"hidden_state": True}, "state")]
)
def test_a_bad_block_fails(retention: Retention, bad: dict[str, bool], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        contracts.check_block(retention.replace(**bad))


@dataclass(frozen=True)
class Free(Roofline):
    """A cost model whose matrices cost half."""

    def costs(self, ops: Any, machine: Any, plan: Any, graphs: bool) -> Any:
        found = super().costs(ops, machine, plan, graphs)
        return [
            replace(c, compute_s=0.5 * np.asarray(c.compute_s), memory_s=0.5 * np.asarray(c.memory_s)) for c in found
        ]


def test_a_bad_cost_model_fails() -> None:
    with pytest.raises(AssertionError, match="beats its roofline"):
        contracts.check_cost_model(Free(), hardware_specs.chip("h100-sxm"))


def test_a_cost_model_of_ones_own_times_a_stack_of_ones_own(tmp_path: Any) -> None:
    def make(chip: Any) -> Any:
        return Slow()

    registry.register("cost model", SimpleNamespace(make=make), "slow-kernels")
    (tmp_path / "s.toml").write_text(
        'schema = "stack/1"\nname = "mine"\nextends = "vllm"\nkernels = "slow-kernels"\neffects = ""\n'
        '[sources.me]\nkind = "measured"\ntitle = "a run"\n'
        '[adds]\nhost = { value = "3 ms", source = "me" }\n[serving]\ntoken_budget = 1234\n'
    )
    try:
        stack = simcore.resolve("stack", "./s.toml", tmp_path)
        contracts.check_stack(stack)
        asked = simcore.scenario("llama-3.1-8b", "h100-sxm", input_tokens=500, output_tokens=20, batch=4)
        fast = simcore.estimate(asked.set({"hardware.stack": "roofline"})).values
        plain = simcore.estimate(asked.set({"hardware.stack": "slow-kernels"})).values
        mine = asked.set({"hardware.stack": str(tmp_path / "s.toml")})
        served = simcore.estimate(mine).values
        assert plain["tpot_s"] > 1.5 * fast["tpot_s"]
        assert served["decode_step_s"] - plain["decode_step_s"] == pytest.approx(3e-3, rel=0.05)
        assert simcore.simulate(mine.set({"traffic.requests": 20})).flat["tpot_mean_s"] > plain["tpot_s"]
    finally:
        registry.unregister("cost model", "slow-kernels")


@dataclass(frozen=True)
class Slow(Roofline):
    """Twice the roofline."""

    name: str = "slow-kernels"

    def costs(self, ops: Any, machine: Any, plan: Any, graphs: bool) -> Any:
        found = super().costs(ops, machine, plan, graphs)
        return [
            replace(c, memory_s=2.0 * np.asarray(c.memory_s), compute_s=2.0 * np.asarray(c.compute_s)) for c in found
        ]


def test_a_bad_stack_fails() -> None:
    stack = hardware_specs.stack("vllm")
    with pytest.raises(AssertionError, match="no scheduler"):
        contracts.check_stack(stack.replace(serving=stack.serving.replace(scheduler="none")))
    with pytest.raises(AssertionError, match="cannot be timed"):
        contracts.check_stack(stack.replace(kernels="none"))


def test_a_bad_engine_fails() -> None:
    good = engines("analytic")
    with pytest.raises(AssertionError, match="decodes no faster"):
        contracts.check_engine(lambda asked: good(asked.set({"hardware.chip": {}})))
    with pytest.raises(AssertionError, match="no reason"):
        contracts.check_engine(lambda asked: good(asked.set({"model.name": "llama-3.1-8b"})))


def test_a_bad_method_fails() -> None:
    class Wild:
        def ask(self, count: int) -> Ask:
            return Ask(np.random.default_rng().uniform(0.0, 2.0, (count, 3)))

        def tell(self, told: Any) -> None:
            pass

    with pytest.raises(AssertionError, match=r"different points.*outside"):
        contracts.check_method(replace(METHODS("random"), name="wild", make=lambda task: Wild()))


def test_a_bad_planner_fails() -> None:
    good = planners("sweep")

    def wrong(asked: Any) -> Any:
        table = good(asked)
        return replace(table, columns={**table.columns, "tpot_s": 0.5 * table["tpot_s"]})

    with pytest.raises(AssertionError, match="the engine says"):
        contracts.check_planner(wrong)


def test_a_bad_chip_and_model_fail() -> None:
    chip = hardware_specs.chip("h100-sxm")
    unit = chip.compute["tensor"]
    sparse = unit.replace(peak_flop_per_s={**unit.peak_flop_per_s, "bf16": 2.0 * unit.peak_flop_per_s["bf16"]})
    with pytest.raises(AssertionError, match="bf16"):
        contracts.check_chip(chip.replace(compute={**chip.compute, "tensor": sparse}))
    model = workloads.model("llama-3.1-8b")
    with pytest.raises(AssertionError, match="no source"):
        contracts.check_model(model.replace(sources={}))


def test_unknown_contracts_are_told() -> None:
    with pytest.raises(AttributeError, match="no 'check_x'"):
        contracts.check_x  # noqa: B018
