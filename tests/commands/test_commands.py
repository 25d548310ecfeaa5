"""The command line as its users meet it: output, one-line errors, exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import cli
from tests.reports.pages import shown

STUDY = Path(__file__).resolve().parents[2] / "examples" / "llama-70b-azure.toml"
ESTIMATE = "estimate --model meta-llama/Llama-3.1-70B --chip h200-sxm --tp 4 --batch 64 --input-tokens 2048"


def run(
    line: str | list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, str]:
    arguments = line.split() if isinstance(line, str) else line
    monkeypatch.setattr(sys, "argv", ["simcore", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


@pytest.fixture
def simcore(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    return lambda line: run(line, capsys, monkeypatch)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("estimate --model llama-3.1-70b --chip h20x", "did you mean h20"),
        ("estimate --model llama-3.1-7b --chip h100-sxm", "unknown model 'llama-3.1-7b'"),
        ("estimate --model llama-3.1-70b --chip h100-sxm --tp 7", "tp = 7 does not divide the 64 attention heads"),
        (f"plan experts {STUDY.parent / 'experts.toml'} --slots 8", "--slots: stands in the problem file"),
        ("estimate --model llama-3.1-70b --chip h100-sxm --tp 0", "'--tp'"),
        ("estimate --model llama-3.1-70b --chip h100-sxm --tp two", "'--tp'"),
        ("estimate --model llama-3.1-70b --chip h100-sxm --weights fp7", "did you mean fp8"),
        ("estimate --model llama-3.1-70b --chip h100-sxm --kv-tier cxl", "it has l2, hbm"),
        ("estimate --model llama-3.1-70b --chip h100-sxm --stack best", "unknown stack 'best'"),
        ("estimate --chip h100-sxm", "--model and --chip"),
        ("estimat", "estimat"),
        ("sweep missing.toml", "missing.toml: no such file"),
        ("report missing", "no such file"),
        ("list boards", "unknown kind 'boards'"),
        ("show chip h300", "unknown chip 'h300'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(line: str, says: str, simcore) -> None:
    code, out, err = simcore(line)
    assert code == 2 and out == ""
    assert says in err and err.count("\n") == 1 and err.startswith("simcore: ")


@pytest.mark.parametrize("line", ["--help", "", "search", "plan", "validate", "capacity --help"])
def test_a_call_without_a_command_shows_the_help(line: str, simcore) -> None:
    code, out, err = simcore(line)
    assert code == 0 and err == "" and out.startswith("Usage: simcore")


def test_help_keeps_brackets(simcore) -> None:
    assert "a scenario's [vary]" in simcore("sweep --help")[1]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('ttft = "1 s"', 'ttft = "1 GB"', "slo.ttft: '1 GB' is not a quantity of s"),
        ('ttft = "1 s"', "ttft = 1.0", "slo.ttft: 1.0 has no unit"),
        ('"plan.tp" = [1, 2, 4, 8]', '"plan.tpp" = [1]', "plan.tpp: unknown key; did you mean tp"),
        ('"plan.chips" = [1, 2, 4, 8, 16, 32]', '"plan.chips" = [0]', "plan.chips: 0"),
        ('"plan.tp" = [1, 2, 4, 8]', '"plan.tp" = { low = 4, high = 1 }', "vary.plan.tp: [4, 1] is not low and high"),
        ('"l40s"]', '"l400s"]', "hardware.system: unknown chip, node or cluster 'l400s'; did you mean l40s"),
        ('"plan.kv" = ["bf16", "fp8"]', '"plan.kv" = ["fp7"]', "plan.kv: unknown number format 'fp7'"),
        ('name = "llama-3.1-70b"', 'name = "lama"', "model.name: unknown model 'lama'"),
        ('rank_by = "usd_per_million_tokens"', 'rank_by = "speed"', "unknown objective 'speed'"),
        ("batch = 1", "rate_per_s = 1.0", "give one load"),
        ("[slo]", "[slo", "not valid TOML"),
        ('schema = "scenario/2"', 'schema = "chip/1"', "'chip/1' is no scenario"),
    ],
)
def test_a_bad_study_names_file_and_key(old: str, new: str, says: str, tmp_path: Path, simcore) -> None:
    text = STUDY.read_text()
    assert old in text
    study = tmp_path / "bad.toml"
    study.write_text(text.replace(old, new, 1))
    code, _, err = simcore(["sweep", str(study), "--out", str(tmp_path / "out")])
    assert code == 2 and err.count("\n") == 1
    assert says in err and "bad.toml" in err
    assert not (tmp_path / "out").exists()


def test_estimate_prints_a_table_that_names_the_stack(simcore) -> None:
    code, out, _ = simcore(ESTIMATE)
    assert code == 0
    assert "TPOT" in out and "stack vllm" in out and "mlp_up" in out and "formats: weights bf16" in out


def test_estimate_json(simcore) -> None:
    code, out, _ = simcore(ESTIMATE + " --json")
    found = json.loads(out)
    assert code == 0 and found["feasible"] and found["stack"] == "vllm"
    assert found["tpot_s"] > 0 and found["operations"] and found["assumptions"]


def test_estimate_that_does_not_fit_is_an_answer(simcore) -> None:
    code, out, _ = simcore("estimate --model llama-3.1-70b --chip l40s")
    assert code == 1 and "does not fit: gddr needs" in out


def test_sweep_writes_everything_and_report_redraws(tmp_path: Path, simcore) -> None:
    small = STUDY.read_text().replace(
        '"traffic.batch" = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]', '"traffic.batch" = [1, 16, 64]'
    )
    study, out = tmp_path / "small.toml", tmp_path / "out"
    study.write_text(small)
    code, printed, _ = simcore(["sweep", str(study), "--out", str(out)])
    assert code == 0 and "report:" in printed and "b200-sxm" in printed
    names = {p.name for p in out.iterdir()} - {".simcore.json"}
    assert names == {"results.parquet", "frontier.csv", "best.csv", "study.json", "report.html"}
    before = {name: (out / name).read_text() for name in ("frontier.csv", "best.csv", "report.html")}
    (out / "report.html").unlink()
    code, _, _ = simcore(["report", str(out), "--pictures"])
    page = (out / "report.html").read_text()
    titles = ("Plans", "Where TPOT goes", "Where TTFT goes", "Memory", "Rooflines")
    assert code == 0 and "Uncalibrated" in page and all(shown(out / "report.html").figure(one) for one in titles)
    dots = shown(out / "report.html").figure("Plans")["columns"]
    assert len(set(dots["key"])) == len(dots["key"])
    (at,) = (i for i, mark in enumerate(dots["mark"]) if mark == "recommended")
    first = dict(zip(*(line.split(",") for line in before["best.csv"].splitlines()[:2]), strict=True))
    assert dots["within bounds"][at] and dots["system"][at] == first["system"]
    assert dots["USD/M tokens"][at] == pytest.approx(float(first["usd_per_million_tokens"]), rel=1e-4)
    drawn = {p.name for p in out.iterdir()}
    assert {f"{n}.{k}" for n in ("plans", "where-tpot-goes", "rooflines") for k in ("png", "svg", "csv")} <= drawn
    for name in ("frontier.csv", "best.csv"):
        first, again = (text.splitlines() for text in (before[name], (out / name).read_text()))
        assert [line.split(",")[:4] for line in again] == [line.split(",")[:4] for line in first], name
    assert "no plan on target" not in page
    for heading in ("Assumed numbers", "has no fp8 matrix unit", "What this rests on"):
        assert heading in page and heading in before["report.html"]


def test_an_impossible_target_shows_the_nearest(tmp_path: Path, simcore) -> None:
    study = tmp_path / "hard.toml"
    study.write_text(STUDY.read_text().replace('tpot = "50 ms"', 'tpot = "0.5 ms"'))
    code, printed, _ = simcore(["sweep", str(study), "--out", str(tmp_path / "out")])
    assert code == 1 and "no plan meets the targets; nearest" in printed


@pytest.mark.parametrize("kind", ["chips", "nodes", "clusters", "models", "traffic", "stacks"])
def test_list(kind: str, simcore) -> None:
    code, out, _ = simcore(f"list {kind} --json")
    assert code == 0 and len(json.loads(out)) >= 1


def test_show_has_sources(simcore) -> None:
    code, out, _ = simcore("show chip h200-sxm")
    assert code == 0 and "memory.hbm.capacity" in out and "vendor" in out


def test_doctor(simcore) -> None:
    code, out, _ = simcore("doctor")
    assert code == 0 and "numpy" in out and "broken" not in out


def test_prices_can_be_set(simcore, tmp_path: Path) -> None:
    _, rent, _ = simcore(ESTIMATE + " --json")
    _, bought, _ = simcore([*ESTIMATE.split(), "--json", "--basis", "purchase", "--electricity", "0.5 USD/kWh"])
    _, cheap, _ = simcore([*ESTIMATE.split(), "--json", "--basis", "purchase", "--electricity", "0.1 USD/kWh"])
    costs = [json.loads(text)["usd_per_million_tokens"] for text in (rent, bought, cheap)]
    assert len(set(costs)) == 3 and costs[1] > costs[2]
    study = tmp_path / "s.toml"
    study.write_text(STUDY.read_text() + '\n[economics]\nelectricity = "0.2 kg"\n')
    code, _, err = simcore(["sweep", str(study), "--out", str(tmp_path / "o")])
    assert code == 2 and "electricity" in err and "s.toml" in err
