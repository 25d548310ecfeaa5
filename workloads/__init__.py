"""Models and traffic: `model("llama-3.1-70b")`, TOML files in `workloads/models`."""

from __future__ import annotations

from simcore.registry import DataRegistry
from simcore.spec.demand import Demand
from simcore.spec.load import build_from_file, derive, read_toml
from simcore.spec.model import ModelSpec


def _parse_model(text: str, file: str) -> ModelSpec:
    return build_from_file(ModelSpec, derive(read_toml(text, file), file, model.text), file)


model: DataRegistry[ModelSpec] = DataRegistry("model", "workloads/models", _parse_model)


def _parse_demand(text: str, file: str) -> Demand:
    return build_from_file(Demand, derive(read_toml(text, file), file, traffic.text), file)


traffic: DataRegistry[Demand] = DataRegistry("traffic", "workloads/traffic", _parse_demand)
