"""Loaders raise SimcoreError alone, whatever a file holds: every shipped spec and example, spoilt in many ways."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hardware_specs
import workloads
from commands.serving_study import combinations
from commands.serving_study import read as read_serving_study
from planners.experts.question import problem_of as experts_problem
from planners.experts.question import read_question
from planners.power.problem import read_problem
from planners.search.question import parameters_of
from planners.search.study import read_search, space_of
from planners.sweep import prepare
from planners.tasks.answer import from_file as schedule
from scenarios.read import read
from simcore.errors import SimcoreError
from simcore.spec.load import read_toml
from simcore.spec.scenario import Scenario
from studies.catalogue import study as read_study
from tests.fuzz.mutate import as_toml, places

ROOT = Path(__file__).resolve().parents[1]
JUNK: list[Any] = [
    0,
    -1,
    5,
    2**31,
    2**63,
    10**30,
    1.5,
    -2.5,
    1e308,
    float("nan"),
    float("inf"),
    True,
    "",
    " ",
    "x",
    "-1 s",
    "nan s",
    "1e999 GB",
    "0 GB/s",
    "9**9**9 s",
    "../../x",
    "a\0b",
    "$x^{",
    "x" * 100_000,
    [],
    [[]],
    [1, "a"],
    [[1], [1, 2]],
    {},
    {"a": 1},
    {"value": []},
    {"value": "1 s", "source": []},
    {"value": "1 s", "source": "no", "note": 3},
    [{}],
    [{"name": "a"}, {"name": "a"}],
]


def search(path: Path) -> object:
    asked = read_search(path)
    return parameters_of(asked) if isinstance(asked, Scenario) else space_of(asked)


def sweep(path: Path) -> object:
    return prepare(read(path)).grid()


def study(path: Path) -> object:
    return list(combinations(read_serving_study(path), path))


def experts(path: Path) -> object:
    return experts_problem(read_question(path), path.parent)


def parsed(parse: Callable[[str, str], object]) -> Callable[[Path], object]:
    return lambda path: parse(path.read_text(encoding="utf-8"), str(path))


LOADERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "chip": ("hardware_specs/chips/*.toml", parsed(hardware_specs._parse_chip)),
    "node": ("hardware_specs/nodes/*.toml", parsed(hardware_specs._parse_node)),
    "cluster": ("hardware_specs/clusters/*.toml", parsed(hardware_specs._parse_cluster)),
    "economics": ("hardware_specs/economics/*.toml", parsed(hardware_specs._parse_economics)),
    "model": ("workloads/models/*.toml", workloads.read_model),
    "traffic": ("workloads/traffic/*.toml", parsed(workloads._parse_demand)),
    "scenario": ("examples/*s*.toml", read),
    "sweep": ("examples/llama-70b-azure.toml", sweep),
    "search": ("examples/search/*.toml", search),
    "serving-study": ("examples/studies/*.toml", study),
    "experts": ("examples/experts.toml", experts),
    "power": ("examples/power*.toml", read_problem),
    "study": ("studies/*.toml", lambda path: read_study(str(path))),
    "tasks": ("examples/stream-weights.toml", lambda path: schedule(path, {}).flat),
}
TRIES = 150


def spoilt(raw: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """The same with one value replaced by junk, taken out, or a key added."""
    raw = copy.deepcopy(raw)
    *way, last = draw.choice(list(places(raw)))
    here: Any = raw
    for key in way:
        here = here[key]
    how = draw.random()
    if how < 0.1:
        del here[last]
    elif how < 0.15 and isinstance(here, dict):
        here[draw.choice(["extends", "sources", "citations", "aliases", "name", "new key"])] = draw.choice(JUNK)
    else:
        here[last] = draw.choice(JUNK)
    return raw


def small(raw: dict[str, Any]) -> dict[str, Any]:
    """The same with less to draw: whether junk is refused does not depend on the number of layers."""
    return raw | {"synthetic": raw["synthetic"] | {"layers": 3, "experts": 16}} if "synthetic" in raw else raw


def try_all(loader: Callable[[Path], object], file: Path) -> None:
    try:
        loader(file)
    except SimcoreError as error:
        assert "\n" not in str(error) and len(str(error)) < 1_000


@pytest.mark.parametrize("kind", LOADERS)
def test_spoilt_values_are_refused_in_words(kind: str, tmp_path: Path) -> None:
    pattern, loader = LOADERS[kind]
    files = sorted(ROOT.glob(pattern))
    assert files
    draw = random.Random(kind)
    file = tmp_path / "spoilt.toml"
    for _ in range(TRIES):
        raw = spoilt(small(read_toml(draw.choice(files).read_text(encoding="utf-8"), "")), draw)
        file.write_text(as_toml(raw), encoding="utf-8")
        try_all(loader, file)


RAW: dict[str, bytes] = {
    "empty": b"",
    "not-utf8": b'schema = "\xff\xfe"\n',
    "nul": b"\0" * 100,
    "deep-array": b"x = " + b"[" * 50_000,
    "deep-table": b"x = " + b"{a=" * 50_000,
    "deep-key": b".".join([b"a"] * 3_000) + b" = 1\n",
    "long-number": b"x = " + b"9" * 10_000,
    "long-text": b'name = "' + b"x" * 10_000_000 + b'"\n',
    "twice": b"a = 1\na = 2\n",
    "json": b'{"a": 1}',
    "carriage": b"a = 1\r\rb = 2",
}


@pytest.mark.parametrize(
    "kind", [kind for kind in LOADERS if kind in ("model", "scenario", "sweep", "search", "power", "study", "tasks")]
)
@pytest.mark.parametrize("content", RAW)
def test_any_bytes_are_refused_in_words(kind: str, content: str, tmp_path: Path) -> None:
    loader = LOADERS[kind][1]
    for name in ("a.toml", "a.json"):
        file = tmp_path / name
        file.write_bytes(RAW[content])
        with pytest.raises(SimcoreError) as caught:
            loader(file)
        assert name in str(caught.value) and len(str(caught.value)) < 1_000 and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["model", "scenario", "sweep", "search", "serving-study", "experts", "power", "study"])
def test_a_folder_or_nothing_in_place_of_a_file(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").mkdir()
    for name in ("a.toml", "missing.toml", "a.toml/b.toml"):
        with pytest.raises(SimcoreError, match=name):
            LOADERS[kind][1](tmp_path / name)


CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 100,
        "max_position_embeddings": 512,
        "rope_scaling": {"type": "linear", "factor": 2.0},
        "torch_dtype": "bfloat16",
        "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
    },
    "qwen3_moe": {
        "architectures": ["Qwen3MoeForCausalLM"],
        "model_type": "qwen3_moe",
        "hidden_size": 64,
        "head_dim": 16,
        "intermediate_size": 128,
        "moe_intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "vocab_size": 100,
        "max_position_embeddings": 512,
        "norm_topk_prob": True,
    },
    "deepseek_v3": {
        "architectures": ["DeepseekV3ForCausalLM"],
        "model_type": "deepseek_v3",
        "hidden_size": 64,
        "intermediate_size": 128,
        "moe_intermediate_size": 32,
        "num_hidden_layers": 3,
        "first_k_dense_replace": 1,
        "num_attention_heads": 4,
        "n_routed_experts": 8,
        "n_shared_experts": 1,
        "num_experts_per_tok": 2,
        "q_lora_rank": 16,
        "kv_lora_rank": 8,
        "qk_nope_head_dim": 8,
        "qk_rope_head_dim": 4,
        "v_head_dim": 8,
        "vocab_size": 100,
        "max_position_embeddings": 512,
        "moe_layer_freq": 1,
        "num_nextn_predict_layers": 1,
    },
}


@pytest.mark.parametrize("name", CONFIGS)
def test_spoilt_model_configs_are_refused_in_words(name: str, tmp_path: Path) -> None:
    draw = random.Random(name)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIGS[name]), encoding="utf-8")
    workloads.read_model(file)
    for _ in range(TRIES):
        file.write_text(json.dumps(spoilt(CONFIGS[name], draw)), encoding="utf-8")
        try_all(workloads.read_model, file)


def test_toml_text_is_what_was_spoilt() -> None:
    raw = {"a": {"b": [1, {"c": "x\0"}]}, "d": 1.5, "e": True}
    assert read_toml(as_toml(raw), "") == raw
