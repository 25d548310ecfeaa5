"""What `simcore step` answers: a scenario's tables with `[asked]`, which says what one step or one kernel holds.

decode_sequences, context_tokens, prefill_sequences, ...   one step, operation by operation
and micro_batches, late, tiles                             the step in several streams
and host                                                   the step as its host launches it
decode and schedule, or product; with `chip` alone         a kernel's tiles dealt to a chip's units
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from scenarios.host_bound import AskedHost
from scenarios.migrate import SCHEMA
from scenarios.tables import value_of
from simcore.cost.tiles import DecodeSchedule, DecodeWork, TiledProduct
from simcore.errors import InputError, suggest
from simcore.unit_text import found_text

Raw = dict[str, Any]
ASKED = "asked"


@dataclass(frozen=True)
class AskedTables:
    """Tables of [asked]: a step as its host launches it, or one kernel on a `chip`, a key beside [asked], instead."""

    host: AskedHost | None = None
    """the host whose calls the step's kernels wait for; None: launches cost what the chip's file says"""
    decode: DecodeWork | None = None
    """decode attention, whose tiles are dealt to the chip's units"""
    schedule: DecodeSchedule | None = None
    """how they are dealt; None: one unit for all keys of a head"""
    product: TiledProduct | None = None
    """a product whose blocks are dealt to the chip's units"""


def table_of(name: str, options: Raw, file: str) -> Any:
    """One of these tables as a value, with its defaults where it is left out. Raises InputError."""
    return value_of(get_args(get_type_hints(AskedTables)[name])[0], options.get(name, {}), file, f"{ASKED}.{name}")


def answer(raw: Raw, file: str) -> Raw:
    """By what `asked` names. Raises InputError."""
    check_schema(raw, file)
    options = options_of(raw, file)
    if "decode" in options or "product" in options:
        return schedule(raw, file)
    if "host" in options:
        return by_host(raw, file)
    if {"micro_batches", "late", "tiles"} & set(options):
        return streams(raw, file)
    return step(raw, file)


def check_schema(raw: Mapping[str, Any], file: str) -> None:
    """Raises InputError for a file of another kind than a scenario; one that says nothing is one."""
    if raw.get("schema", SCHEMA) != SCHEMA:
        raise InputError(
            f"{found_text(raw['schema'])} is no scenario", file=file, key="schema", fix=f'write "{SCHEMA}"'
        )


def options_of(raw: Mapping[str, Any], file: str) -> Raw:
    """[asked]. Raises InputError where there is none."""
    options = raw.get(ASKED)
    if not isinstance(options, dict):
        what = "is missing" if options is None else "is no table"
        raise InputError(what, file=file, key=ASKED, fix="write [asked], e.g. decode_sequences = 16")
    return dict(options)


def _scenario(raw: Raw, file: str) -> Any:
    from scenarios.read import from_raw

    return from_raw({"schema": SCHEMA, **{k: v for k, v in raw.items() if k != ASKED}}, file)


def step(raw: Raw, file: str) -> Raw:
    """One step of a deployment, operation by operation (`scenarios.one_step`)."""
    from scenarios.one_step import asked_step, step_of, told

    return told(step_of(_scenario(raw, file), asked_step(options_of(raw, file), file)))


def streams(raw: Raw, file: str) -> Raw:
    """A step whose parts run beside each other (`scenarios.overlap`)."""
    from scenarios.overlap import asked_streams, step_in_streams

    return step_in_streams(_scenario(raw, file), *asked_streams(options_of(raw, file), file))


def by_host(raw: Raw, file: str) -> Raw:
    """A step's kernels as the host launches them (`scenarios.host_bound`)."""
    from scenarios.host_bound import refuse_streams, step_by_host
    from scenarios.one_step import asked_step

    options = options_of(raw, file)
    refuse_streams(options, file)
    scenario, host = _scenario(raw, file), table_of("host", options, file)
    return step_by_host(scenario, asked_step({k: v for k, v in options.items() if k != "host"}, file), host)


def schedule(raw: Raw, file: str) -> Raw:
    """Decode attention, or a tiled product, dealt to a chip's units (`simcore.cost.tiles`)."""
    from scenarios.names import resolve
    from simcore.cost import tiles
    from simcore.cost.facts import chip_facts
    from simcore.spec.base import OURS
    from simcore.spec.scenario import Scenario

    options = options_of(raw, file)
    wanted, known = (
        ("product",) if "product" in options else ("decode", "schedule"),
        ("chip", *(n for n in Scenario.model_fields if n not in OURS)),
    )
    for key in (*(f"{ASKED}.{one}" for one in options if one not in wanted), *(k for k in raw if k != ASKED)):
        if key not in known and key != "schema":
            raise InputError("unknown key", file=file, key=key, fix=suggest(key.rpartition(".")[2], (*wanted, *known)))
    chip = resolve("chip", raw.get("chip"), file=file, key="chip").value
    facts = chip_facts(chip)
    if "product" in options:
        vector = next((unit for unit in chip.compute.values() if unit.kind == "vector"), chip.compute[chip.main_unit])
        found = tiles.tiled_product(table_of("product", options, file), max(vector.peak_flop_per_s.values()), facts)
    else:
        dealt = table_of("schedule", options, file)
        found = tiles.decode(table_of("decode", options, file), dealt, facts)
    return {name: getattr(found, name) for name in ("time_s", "memory_s", "busiest_s", "fill_ratio")}
