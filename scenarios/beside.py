"""What micro-batches that overlap (`policy.overlap`) do not go with, said before anything is computed."""

from __future__ import annotations

from simcore.errors import InputError
from simcore.spec.scenario import Scenario


def check_overlap(scenario: Scenario) -> None:
    """Raises InputError naming the key that no engine can honour beside `policy.overlap`."""
    policy = scenario.policy
    if policy.overlap is None:
        return
    away = [name for name in ("weights", "experts") if name in scenario.residency]
    other = {
        "policy.sub_batches": policy.sub_batches,
        "policy.communication_overlap_ratio": policy.communication_overlap_ratio,
        "policy.effects": policy.effects != "server",
        "attention_ffn": scenario.attention_ffn is not None,
        "steps": scenario.steps is not None,
        **{f"residency.{name}": scenario.residency[name].tier != "main" for name in away},
    }
    for key, is_there in other.items():
        if is_there:
            what = "does not go with policy.overlap"
            raise InputError(what, file=scenario.file, key=key, fix=f"leave {key} or policy.overlap out")
