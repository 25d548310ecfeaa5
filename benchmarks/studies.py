"""Studies: CPU seconds of all of them in one process, and what they agree on."""

from __future__ import annotations


def figures() -> dict[str, float]:
    from studies.catalogue import names
    from studies.page import claims
    from studies.run import run

    outcomes = run(names(), workers=1)
    headline = claims(outcomes, "headline")
    agree = sum(claim["state"] == "reproduced" for claim in headline)
    return {
        "studies_all_cpu_s": sum(one["cpu_s"] for one in outcomes),
        "studies_count": len(outcomes),
        "studies_headline_percent": 100 * agree / len(headline),
    }
