"""Dataflows of spatial arrays, one per file: which operand stays in the cells, and what a fold of it costs.

`dataflow("output")` finds `simcore/cost/dataflows/output.py` by its DATAFLOW.
"""

from __future__ import annotations

from simcore.registry import PluginRegistry

dataflow: PluginRegistry = PluginRegistry("dataflow", "simcore.cost.dataflows", "DATAFLOW")
