"""What if? Five questions about one deployment, each a few lines.

Run: python examples/what_if.py
"""

# %% A deployment: Llama-3.1-70B on eight H200, 64 requests in flight.
import numpy as np

import simcore

base = simcore.scenario("llama-3.1-70b", "h200-sxm", tp=8, batch=64, input_tokens=2048, output_tokens=256)
evaluate = simcore.evaluator(["h200-sxm", "b200-sxm"])

# %% What if memory were faster? One column, nine rows.
rates = 4.8e12 * (1 + 0.25 * np.arange(9))
faster = evaluate(base, {"chip.memory.main.read_bandwidth": rates})
for rate, tpot_s in zip(rates, faster["tpot_s"], strict=True):
    print(f"{rate / 1e12:5.1f} TB/s  TPOT {tpot_s * 1e3:6.2f} ms")

# %% What if the weights were FP8, or FP4 on a B200?
for system, weights in (("h200-sxm", "bf16"), ("h200-sxm", "fp8"), ("b200-sxm", "fp4")):
    row = evaluate(base, {"system": np.array([system]), "weights": np.array([weights])}).row(0)
    print(f"{system} {weights:4}  TPOT {row.tpot_s * 1e3:6.2f} ms  {row.usd_per_million_tokens:.2f} USD/M tokens")

# %% Which tensor parallelism is cheapest at 50 ms?
tp, batch = (a.ravel() for a in np.meshgrid([1.0, 2, 4, 8], [1.0, 8, 32, 64, 128, 256]))
table = evaluate(base, {"tp": tp, "batch": batch})
good = table.where(table.feasible & (table["tpot_s"] <= 0.05))
best = good.row(int(np.argmin(good["usd_per_million_tokens"])))
print(f"cheapest at 50 ms: tp {best.tp:.0f}, batch {best.batch:.0f}, {best.usd_per_million_tokens:.2f} USD")

# %% Where does the time go?
for op in sorted(evaluate.one(base).operations, key=lambda op: -op.time_s)[:5]:
    print(f"{op.phase:8} {op.name:22} {op.time_s * 1e3:8.3f} ms  {op.bound}")

# %% And if it does not fit?
print(evaluate.one(base.set({"plan.tp": 1, "traffic.batch": 256})).infeasible)
