"""What expert placement is worth: step time, tail latency under load, and hops, against two published systems.

MoETuner (arXiv 2502.06643): 9.3 % faster on one node, 17.5 % on several (Mixtral-8x7B). ExFlow (IPDPS 2024): 67 % fewer
cross-chip routings with context-coherent parallelism. Routing traces are synthetic (no public trace is at hand): the
gain depends on their skew and affinity, which is why both are varied. Run: python examples/studies/expert_placement.py
"""

from __future__ import annotations

import numpy as np

import simcore
from planners.experts import ExpertProblem, place
from planners.experts.trace import generate, loads_of, transitions_of
from simcore.engine.metrics import request_metrics
from simcore.engine.serving import serve
from simcore.engine.settings import ReplicaSettings
from simcore.ops.op import plan_columns
from simcore.spec.case import Case
from simcore.step.price import Physics
from simcore.step.sample import physics_step_times
from workloads import generate as traffic

CASES = {  # model: (layers, experts, topk) of its routing, chips
    "mixtral-8x7b": ((32, 8, 2), 4),
    "qwen3-30b-a3b": ((48, 128, 8), 8),
}


def deployment(model: str, chips: int, imbalance: float) -> Case:
    """Experts spread over all chips, attention data parallel."""
    policy = {"imbalance_ratio": imbalance}
    lengths = {"input_tokens": 1024, "output_tokens": 128}
    return simcore.scenario(model, "h100-sxm", attention_dp=chips, ep=chips, batch=64 * chips, policy=policy, **lengths)


def step_s(base: Case) -> float:
    """Decode step at the batch's steady state."""
    return float(simcore.evaluator(["h100-sxm"]).one(base).decode_step_s)


def tail_s(base: Case, rate_per_s: float) -> float:
    """P99 of end-to-end time, one replica under Poisson arrivals, in the event engine."""
    evaluator = simcore.evaluator(["h100-sxm"])
    machine, setting = evaluator.machine(base), evaluator.setting(base)
    physics = Physics(base.model, machine, setting.cost_model, base.policy.imbalance_ratio)
    times = physics_step_times(physics, plan_columns(base.plan, {}))
    arrivals = traffic.generate(3000, traffic.poisson(rate_per_s), traffic.fixed(1024, 128), seed=1)
    run = serve(arrivals, times, ReplicaSettings())
    return float(np.quantile(request_metrics(run)["e2e_s"], 0.99))


def placements(model: str, skew: float, affinity: float) -> dict[str, dict[str, float]]:
    """Metrics of round robin and of the plan."""
    shape, chips = CASES[model]
    trace = generate(shape, 10_000, skew=skew, affinity=affinity, seed=0)
    problem = ExpertProblem(loads_of(trace, shape[1]), transitions_of(trace, shape[1]), chips)
    return {method: place(problem, method).metrics for method in ("round-robin", "auto")}


def main() -> None:
    print("model          skew affinity   load before/after   step time   P99 end to end   cut before/after")
    for model, (_, chips) in CASES.items():
        rate = 0.75 * 64 / step_s(deployment(model, chips, 1.0)) / 128
        for skew, affinity in ((0.25, 0.9), (0.9, 1.3), (0.9, 3.0)):
            found = placements(model, skew, affinity)
            before, after = (deployment(model, chips, found[m]["load_ratio"]) for m in ("round-robin", "auto"))
            step, tail = (step_s(after) / step_s(before) - 1, tail_s(after, rate) / tail_s(before, rate) - 1)
            loads = [found[m]["load_ratio"] for m in ("round-robin", "auto")]
            cuts = [found[m]["cut_share"] for m in ("round-robin", "auto")]
            left = f"{model:14} {skew:4.2f} {affinity:8.1f}   {loads[0]:.3f} / {loads[1]:.3f}"
            right = f"{cuts[0]:.3f} / {cuts[1]:.3f} ({cuts[1] / cuts[0] - 1:+.0%})"
            print(f"{left}       {step:+8.1%}   {tail:+13.1%}   {right}")


if __name__ == "__main__":
    main()
