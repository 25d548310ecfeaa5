"""What one row of a training table asks, whatever the table: model, system, plan, recipe; nothing measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import hardware_specs
from scenarios.stacks import default_stack
from scenarios.training import job_on, trainee_of
from simcore.engine.training.job import Degrees, Job
from simcore.spec.model import Attention, LayerGroup, Mlp, ModelSpec
from simcore.spec.recipe import Recipe
from simcore.spec.system import System
from simcore.step.training import Trainee

MOST_NODES = 4096


@dataclass(frozen=True)
class Asked:
    """One row: a question, or the reason why there is none."""

    row: int
    kind: str
    """steps, memory, bridge, torchtitan"""
    group: str = ""
    """rows that are held out together"""
    model: ModelSpec | None = None
    chip: str = ""
    degrees: Degrees = field(default_factory=Degrees)
    recipe: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    notes: tuple[str, ...] = ()
    hardware: tuple[tuple[str, float], ...] = ()
    """fields of the chip that the row states: (dotted path, SI value)"""
    variants: tuple[dict[str, Any], ...] = ()
    """settings that the row does not state and that widen the interval"""

    def job(self, **changes: Any) -> Job:
        """The question of the row with some keys of the recipe changed."""
        assert self.model is not None
        recipe = Recipe.model_validate({**self.recipe, **changes})
        system = home(self.chip, self.hardware)
        trainee = kept_trainee(self.model.name, self.chip, self.hardware, recipe.precision, Model(self.model))
        return job_on(self.model, system, recipe, self.degrees, default_stack(system.chip), trainee)[0]


@dataclass(frozen=True)
class Model:
    """A model as a key: by name, whatever its text."""

    spec: ModelSpec = field(hash=False, compare=False)


@cache
def home(chip: str, hardware: tuple[tuple[str, float], ...] = ()) -> System:
    """The chip's usual cluster, as large as a row may need."""
    system = hardware_specs.system(chip)
    for path, value in hardware:
        from scenarios.fields import changed

        system = changed(system, path, value)
    if system.cluster is None:
        return system
    *inner, outer = system.cluster.levels
    nodes = MOST_NODES * outer.size
    levels = (*inner, outer.replace(size=nodes))
    return system.replace(
        cluster=system.cluster.replace(nodes=nodes * system.cluster.nodes // outer.size, levels=levels)
    )


@cache
def kept_trainee(
    name: str, chip: str, hardware: tuple[tuple[str, float], ...], precision: str, model: Model
) -> Trainee:
    """Operators of a model, once per chip and precision."""
    system = home(chip, hardware)
    return trainee_of(model.spec, system, precision, default_stack(system.chip))


@cache
def gpt(hidden: int, layers: int, heads: int, ffn: int, vocab: int) -> ModelSpec:
    """A GPT of Megatron's: plain MLP, full heads, tied tables, a vocabulary padded to a multiple of 128."""
    padded = -(-vocab // 128) * 128
    mixer = Attention(heads=heads, kv_heads=heads, head_dim=hidden // heads, bias=True, output_bias=True)
    group = LayerGroup(count=layers, mixer=mixer, ffn=(Mlp(intermediate_size=ffn, gated=False, bias=True),))
    name = f"gpt-h{hidden}-l{layers}-a{heads}-f{ffn}-v{padded}"
    return ModelSpec(
        name=name, family="gpt", hidden_size=hidden, vocab_size=padded, layers=(group,), tied_embeddings=True
    )
