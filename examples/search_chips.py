"""Three searches: a chip mix under a power cap, tiers for long contexts, the shape of an accelerator.

Run: python examples/search_chips.py
"""

from pathlib import Path

import simcore

STUDIES = Path(__file__).resolve().parent / "search"

for name in ("chip-mix", "long-context", "npu-shape"):
    found = simcore.search(STUDIES / f"{name}.toml", method="mutation", budget=150, seed=1)
    feasible = int((found.violation <= 0).sum())
    print(f"{name}: {len(found.units)} evaluations, {feasible} feasible, hypervolume {found.hypervolume:.3g}")
    points, values = found.frontier
    for point, (cost_usd, tpot_s) in list(zip(points, values, strict=True))[:3]:
        shown = ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in point.items())
        print(f"  {cost_usd:7.2f} USD/M tokens  {tpot_s * 1e3:6.1f} ms  {shown}")
