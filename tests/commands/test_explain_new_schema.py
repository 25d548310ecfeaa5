"""`explain`, `new`, `schema`: what is written works as it is, and schemas fit every shipped file."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import mount
from commands.new import KINDS, template
from commands.schema import kinds
from simcore.spec.schema import json_schema
from tests.shared import ROOT

FILES = {
    "scenario": "examples/*.toml",
    "model": "workloads/models/*.toml",
    "traffic": "workloads/traffic/*.toml",
    **{kind: f"hardware_specs/{kind}s/*.toml" for kind in ("chip", "node", "cluster", "link", "stack")},
    "economics": "hardware_specs/economics/*.toml",
}


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(mount(), [str(word) for word in words])
    return done.exit_code, done.output


@pytest.mark.parametrize("kind", FILES)
def test_schemas_fit_shipped_files(kind: str) -> None:
    checked = pytest.importorskip("jsonschema").Draft202012Validator(json_schema(kinds()[kind]))
    for path in sorted(ROOT.glob(FILES[kind])):
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        if kind == "scenario" and raw.get("schema") != "scenario/2":
            continue
        wrong = [e.message for e in checked.iter_errors(raw) if "extends" not in raw or e.validator != "required"]
        assert not wrong, (path.name, wrong)
        assert list(checked.iter_errors(raw | {"no such key": 1}))


def test_schemas_say_what_the_code_says() -> None:
    told = json_schema(kinds()["scenario"])["$defs"]["TrafficPart"]["properties"]["hash_tokens"]
    assert told["description"].startswith("input tokens that")
    assert run("schema", "chip")[0] == 0 and run("schema", "chop")[0] != 0


def test_what_is_new_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in KINDS:
        assert run("new", kind, f"my_{kind}")[0] == 0
        assert run("new", kind, f"my_{kind}")[0] != 0, "nothing is overwritten"
    assert run("estimate", "my_scenario.toml", "-q")[0] == 0
    assert run("estimate", "--model", "my_model.toml", "--chip", "my_chip.toml", "-q")[0] == 0
    code, out = run("study", "check", "./my_study.toml")
    assert code == 0, out
    for kind in ("scenario", "chip", "model", "study"):
        code, out = run("explain", f"my_{kind}.toml", "--json")
        told = json.loads(out)
        assert code == 0 and told["kind"] == kind and f"my_{kind}" in told["words"][0], out


def test_examples_are_written_whole_and_over_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = [p for p in (ROOT / "examples").rglob("*") if p.suffix in (".toml", ".py")]
    assert json.loads(run("new", "examples", "--json")[1])["files"] == len(shipped) > 20
    for one in shipped:
        assert (tmp_path / "examples" / one.relative_to(ROOT / "examples")).read_bytes() == one.read_bytes()
    assert run("new", "examples")[0] != 0 and run("new", "chip")[0] != 0


def test_the_new_scheduler_keeps_the_contract() -> None:
    from commands.templates import scheduler
    from simcore.registry import register, unregister
    from simcore.testing.schedulers import check_scheduler

    assert "NAME" in template("scheduler")
    register("scheduler", scheduler, name="from-template")
    try:
        check_scheduler("from-template")
    finally:
        unregister("scheduler", "from-template")


def test_explain_says_what_is_filled_in() -> None:
    told = json.loads(run("explain", ROOT / "examples/chat-70b.toml", "--json")[1])
    by_key = {one["key"]: one for one in told["settings"]}
    assert by_key["plan.tp"]["said"] and not by_key["plan.weights"]["said"]
    assert by_key["plan.weights"]["value"] == "bf16" and by_key["policy.token_budget"]["value"] == 8192
    assert told["assumptions"] and "sweep" in told["words"][-1]


@pytest.mark.parametrize(
    "name",
    [
        "examples/experts.toml",
        "examples/power-row.toml",
        "examples/train-llama-8b.toml",
        "hardware_specs/stacks/vllm.toml",
        "workloads/traffic/azure-code-2023.toml",
    ],
)
def test_explain_knows_other_files(name: str) -> None:
    code, out = run("explain", ROOT / name)
    assert code == 0 and "next: simcore" in out
