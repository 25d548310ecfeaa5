"""What a user may give by mistake or in malice: exit code 2 and one line, nothing half-written, nothing run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cli
from reports import page, style
from tests.reports.pages import Shown, shown

ROOT = Path(__file__).resolve().parent.parent
TABLE = 'schema = "scenario/2"\nname = "t"\n[steps]\nprofile = "table"\nstep = "5 ms"\nkv_blocks = 500\n'
TRAFFIC = "[traffic]\ninput_tokens = 100\noutput_tokens = 10\nrequests = 3\nrate_per_s = 1.0\n"


def simcore(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["simcore", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


CASES: dict[str, tuple[str, str, str, str]] = {
    "long input": ("simulate", TABLE + TRAFFIC.replace("100", "1000000000000"), "s.toml", "traffic.input_tokens"),
    "long output": (
        "simulate",
        TABLE + TRAFFIC.replace("= 10\n", "= [1, 3000000000]\n"),
        "s.toml",
        "traffic.output_tokens",
    ),
    "long both": ("simulate", TABLE + TRAFFIC.replace("100", "2147483640"), "s.toml", "2147483647 tokens"),
    "long median": (
        "simulate",
        TABLE + "[traffic]\ninput_median_tokens = 1e12\ninput_p90_tokens = 1e13\noutput_median_tokens = 5\n"
        "output_p90_tokens = 9\nrate_per_s = 1.0\n",
        "s.toml",
        "traffic.input_median_tokens",
    ),
    "falling range": ("simulate", TABLE + TRAFFIC.replace("= 100", "= [100, 5]"), "s.toml", "traffic.input_tokens"),
    "negative step": ("simulate", TABLE.replace("5 ms", "-5 ms") + TRAFFIC, "s.toml", "steps.step"),
    "nan step": ("simulate", TABLE.replace("5 ms", "nan s") + TRAFFIC, "s.toml", "steps.step"),
    "endless step": ("simulate", TABLE.replace("5 ms", "inf s") + TRAFFIC, "s.toml", "steps.step"),
    "nan pause": ("simulate", TABLE + TRAFFIC + 'turns = 2\npause = "nan s"\n', "s.toml", "traffic.pause"),
    "too many": ("simulate", TABLE + TRAFFIC.replace("= 3", "= 1000000000000"), "s.toml", "traffic.requests"),
    "more than memory": (
        "simulate",
        TABLE + TRAFFIC.replace("= 3", "= 10000001"),
        "s.toml",
        "generate at most 10,000,000",
    ),
    "axis below zero": ("simulate", TABLE + TRAFFIC + '[vary]\n"policy.host" = ["1 ms", "-1 ms"]\n', "s.toml", "vary"),
    "training below zero": ("simulate", TABLE + TRAFFIC + "[training]\nglobal_batch = -2.5\n", "s.toml", "training"),
    "nan rate": ("simulate", TABLE + TRAFFIC.replace("= 1.0", "= nan"), "s.toml", "traffic.rate_per_s"),
    "seed": ("simulate", "seed = -1\n" + TABLE + TRAFFIC, "s.toml", "seed"),
    "name": ("simulate", TABLE.replace('"t"', '"../t"') + TRAFFIC, "s.toml", "name"),
    "two pools": (
        "simulate",
        TABLE + TRAFFIC + '[fleet]\npools = [{ name = "p", count = 1 }, { name = "p", count = 1 }]\n',
        "s.toml",
        "fleet.pools",
    ),
    "two tiers": (
        "simulate",
        TABLE + '[policy]\nprefix_cache = true\ntiers = [{ name = "a", capacity = "1 GB", read = "1 GB/s" }, '
        '{ name = "a", capacity = "1 GB", read = "1 GB/s" }]\n' + TRAFFIC,
        "s.toml",
        "policy.tiers",
    ),
    "no capacity": (
        "simulate",
        TABLE
        + '[policy]\nprefix_cache = true\ntiers = [{ name = "a", capacity = "0 GB", read = "1 GB/s" }]\n'
        + TRAFFIC,
        "s.toml",
        "policy.tiers.0.capacity",
    ),
    "variants a table": (
        "study",
        'schema = "serving-study/1"\n[scenario]\n[variants]\na = 1\n',
        "s.toml",
        "variants: is not a list of tables",
    ),
    "two variants": (
        "study",
        'schema = "serving-study/1"\n[scenario]\n[[variants]]\nlabel = "a"\n[[variants]]\nlabel = "a"\n',
        "s.toml",
        "variants: two",
    ),
    "vary a number": ("study", 'schema = "serving-study/1"\n[scenario]\n[vary]\n"a.b" = 3\n', "s.toml", "vary.a.b"),
    "vary a leaf": (
        "study",
        'schema = "serving-study/1"\n[scenario]\nname = "x"\n[vary]\n"name.b" = [3]\n',
        "s.toml",
        "",
    ),
    "ragged loads": (
        "plan experts",
        "chips = 2\nslots = 4\nloads = [[1.0, 2.0], [1.0, 2.0, 3.0]]\n",
        "s.toml",
        "loads: has rows of unequal length",
    ),
    "ragged transitions": (
        "plan experts",
        "chips = 2\nloads = [[1.0, 2.0], [1.0, 2.0]]\ntransitions = [[[1.0, 2.0], [1.0]]]\n",
        "s.toml",
        "transitions: has rows of unequal length",
    ),
    "negative loads": ("plan experts", "chips = 2\nloads = [[1.0, -2.0]]\n", "s.toml", "loads"),
    "extends a number": (
        "estimate --chip h100-sxm --model",
        'schema = "model/1"\nname = "x"\nextends = 5\n',
        "s.toml",
        "extends",
    ),
    "extends itself": ("estimate --chip h100-sxm --model", 'name = "x"\nextends = "nobody"\n', "s.toml", "nobody"),
    "when a text": (
        "search",
        'schema = "search/1"\n[model]\nname = "llama-3.1-8b"\n[traffic]\ninput_tokens = 9\noutput_tokens = 9\n'
        '[hardware]\nsystems = ["h100-sxm"]\n[space]\nbatch = { ordinal = [1, 2], when = "x" }\n'
        '[objective]\nminimise = ["tpot_s"]\n',
        "s.toml",
        "space.batch.when",
    ),
    "config": (
        "import-model",
        '{"model_type": "llama", "quantization_config": 3}',
        "config.json",
        "quantization_config",
    ),
    "layers": (
        "import-model",
        '{"model_type": "llama", "num_hidden_layers": 1e9}'.replace("1e9", "10" * 9),
        "config.json",
        "num_hidden_layers",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_line_and_two(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, text, file, said = CASES[name]
    (tmp_path / file).write_text(text)
    monkeypatch.chdir(tmp_path)
    code, out, err = simcore(monkeypatch, capsys, *words.split(), file)
    assert code == 2 and err.count("\n") == 1 and said in err, err
    assert not out and sorted(path.name for path in tmp_path.iterdir()) == [file]


POWER = """
node = "dgx-a100"
budget = "260 kW"
provisioned = "6.5 kW"
classes = [
  { name = "chat", work = "mixed", share = 0.5 },
  { name = "chat", work = "mixed", share = 0.5, priority = "high" },
]
"""


def test_two_classes_of_one_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.toml").write_text(POWER)
    code, _, err = simcore(monkeypatch, capsys, "plan", "power", tmp_path / "p.toml")
    assert code == 2 and "classes: two entries have the same name, 'chat'" in err


NET = [
    PermissionError(13, "Permission denied", "/x"),
    OSError("no words"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    UnicodeEncodeError("ascii", "é", 0, 1, "bad"),
    OverflowError("int too large"),
    RecursionError("maximum recursion depth exceeded"),
    MemoryError(),
    MemoryError("Unable to allocate\n3 PiB"),
]


@pytest.mark.parametrize("error", NET, ids=[type(error).__name__ for error in NET])
def test_what_the_system_refuses_is_one_line(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "mount", lambda: broken)
    code, _, err = simcore(monkeypatch, capsys, "simulate")
    assert code == 2 and err.count("\n") == 1 and err.startswith("simcore: ") and len(err) > len("simcore: \n")


def test_standard_output_that_cannot_be_written(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "cli", "search", "methods", "--json"]
        done = subprocess.run(command, cwd=ROOT, env=env, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("simcore: ") and done.stderr.count("\n") == 1, done.stderr


def test_a_reader_that_leaves_early_is_no_error() -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = f"{sys.executable} -m cli search methods --json | head -c 1 > /dev/null; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "0\n" and done.stderr == ""


STUDY = """
schema = "scenario/2"
name = "s"
title = "{title}"
[model]
name = "llama-3.1-8b"
[traffic]
input_tokens = 512
output_tokens = 64
[hardware]
system = "h100-sxm"
[vary]
"traffic.batch" = [1, 16]
"""


@pytest.mark.parametrize(
    "title", ["<script>alert(1)</script> <img src=x onerror=alert(1)>", "$x^{ [/red] {x} %s & ' $$"]
)
def test_titles_are_text_on_every_page(
    title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.toml").write_text(STUDY.format(title=title))
    code, _, err = simcore(monkeypatch, capsys, "sweep", tmp_path / "s.toml", "--out", tmp_path / "out")
    page = shown(tmp_path / "out" / "report.html")
    assert code == 0 and title in page.text and page.tags["script"] == 4 and not page.tags["img"] and not err
    assert simcore(monkeypatch, capsys, "report", tmp_path / "out")[0] == 0


def test_every_block_of_a_page_is_text() -> None:
    bad = "</script><script>alert(1)</script><b onclick=x>"
    axis = page.Axis(bad)
    blocks = [
        page.Tiles([(bad, bad)]),
        page.Table(bad, [bad], [[bad], [(bad, 1.0)]], [bad], [bad, bad]),
        page.Notes(bad, [bad]),
        page.Points(bad, {bad: [1.0], "key": [bad]}, {bad: axis}, bad, bad, colour="key", caption=bad),
        page.Lines(bad, [(bad, [1.0], [1.0])], axis, axis, along=[(1.0, bad)]),
        page.Bars(bad, [(bad, {bad: 1.0})], bad),
        page.Ranges(bad, [(bad, 1.0, None, None, bad)], axis),
        page.Heat(bad, [bad], [bad], [[float("nan")]], [[bad]]),
        page.Spans(bad, [(bad, bad, 0.0, 1.0)], bad),
    ]
    built = Shown(page.html(page.Page(bad, bad, bad, [bad], blocks)))
    assert built.tags["script"] == 4 and built.tags["b"] == 1 and "onclick" not in built.attributes
    assert built.text.count(bad) > 10 and built.figure(bad)["columns"]["key"] == [bad]
    assert built.figures[4]["cells"] == [[None]]


def test_dollars_and_brackets_in_figures_and_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from commands.terminal import print_table

    fig, axes = style.figure()
    axes[0, 0].set_title("$x^{ <script>")
    axes[0, 0].plot([1, 2], label="$\\frac{")
    axes[0, 0].legend()
    assert "<script>" not in style.save(fig, tmp_path, "f")
    print_table(["[/red]"], [["[bold]x"]], title="[/nothing]")
    said = capsys.readouterr().out
    assert "[/red]" in said and "[bold]x" in said and "[/nothing]" in said


def test_a_cut_result_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.toml").write_text(STUDY.format(title="t"))
    simcore(monkeypatch, capsys, "sweep", tmp_path / "s.toml", "--out", tmp_path / "out", "-q")
    whole = (tmp_path / "out" / "results.parquet").read_bytes()
    pages = (tmp_path / "out" / "report.html").read_bytes()
    for content in (whole[: len(whole) // 2], whole[:4], b"", b"PAR1" * 10):
        (tmp_path / "out" / "results.parquet").write_bytes(content)
        code, _, err = simcore(monkeypatch, capsys, "report", tmp_path / "out")
        assert code == 2 and "results.parquet" in err and err.count("\n") == 1
    assert (tmp_path / "out" / "report.html").read_bytes() == pages


def test_cut_archives_are_told(tmp_path: Path) -> None:
    from simcore.errors import InputError
    from simcore.spec.load import read_arrays

    file = tmp_path / "a.npz"
    np.savez(file, x=np.arange(1000.0))
    whole = file.read_bytes()
    assert read_arrays(file)["x"].sum() == 499_500
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    pickled = (tmp_path / "pickled.npy").read_bytes()
    for content in (
        whole[: len(whole) // 2],
        whole[:10],
        b"",
        b"x" * 100,
        pickled,
        whole[:200] + b"\0" * 400 + whole[600:],
    ):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.npz"):
            read_arrays(file)


STATIC = (
    TABLE.replace('"5 ms"', '"{step}"')
    + '[policy]\nscheduler = "static"\nmax_running = {slots}\nbatch_wait = "{wait}"\n'
)


@pytest.mark.parametrize(
    ("slots", "wait", "step"), [(64, "10 ms", "0 s"), (4, "1 s", "5 ms"), (7, "10 s", "1 ms"), (256, "1 ms", "20 ms")]
)
@pytest.mark.parametrize("requests", [1, 3, 50])
def test_a_batch_that_waits_is_served(
    slots: int,
    wait: str,
    step: str,
    requests: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = STATIC.format(slots=slots, wait=wait, step=step) + TRAFFIC.replace("= 3", f"= {requests}")
    (tmp_path / "s.toml").write_text(text)
    code, out, err = simcore(monkeypatch, capsys, "simulate", tmp_path / "s.toml", "--check", "--json")
    found = json.loads(out)
    assert code == 0 and found["served"] == requests and ("compiling" in err or not err)
    longest_s = {"10 ms": 0.01, "1 s": 1.0, "10 s": 10.0, "1 ms": 0.001}[wait]
    if slots >= requests:
        assert found["queue_s"]["p99.9"] <= longest_s + 0.5 * requests


def test_planners_print_nothing_but_json() -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "cli", "plan", "power", "examples/power-row.toml", "--days", "0.1", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and json.loads(done.stdout)["status"]


def test_out_beside_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").write_text("mine")
    (tmp_path / "s.toml").write_text(TABLE + TRAFFIC)
    for _ in range(2):
        assert simcore(monkeypatch, capsys, "simulate", tmp_path / "s.toml", "--out", home)[0] == 0
        assert (home / "thesis.tex").read_text() == "mine" and (home / "summary.json").exists()
    for words in (
        ("simulate", tmp_path / "s.toml", "--out"),
        ("sweep", ROOT / "examples/llama-70b-azure.toml", "--out"),
        ("search", ROOT / "examples/search/tiered.toml", "--out"),
        ("search", "compare", ROOT / "examples/search/tiered.toml", "--out"),
        ("study", ROOT / "examples/studies/sarathi.toml", "--out"),
        ("plan", "power", ROOT / "examples/power-row.toml", "--out"),
        ("plan", "experts", ROOT / "examples/experts.toml", "--out"),
        ("profile", "--size", "small", "--out"),
        ("import-model", ROOT / "workloads/models/llama-3.1-8b.toml", "--out"),
    ):
        code, _, err = simcore(monkeypatch, capsys, *words, home / "thesis.tex")
        assert code == 2 and err.count("\n") == 1 and "thesis.tex" in err, (words, err)
        assert (home / "thesis.tex").read_text() == "mine"


def test_importers_tell_the_line(tmp_path: Path) -> None:
    from simcore.calibration.importers import importers
    from simcore.calibration.importers.layer_profile import Shape, layer_step_times
    from simcore.errors import InputError

    (tmp_path / "meta.yaml").write_text("intermediate_size: 8\nnum_attention_heads: 2\nnum_key_value_heads: 2\n")
    bad = {
        "tokens,time_us\n1,2\n": "has no column 'layer'",
        "layer,tokens,time_us\nqkv_proj,1,2.0\nqkv_proj,2,-2.0\n": r"dense\.csv:3: time_us: -2\.0",
        "layer,tokens,time_us\nqkv_proj,1,inf\n": r"dense\.csv:2: time_us",
        "layer,tokens,time_us\nqkv_proj,1,x\n": "time_us",
        "": "dense.csv",
    }
    for text, said in bad.items():
        (tmp_path / "dense.csv").write_text(text)
        with pytest.raises(InputError, match=said):
            importers("llmservingsim-layers")(tmp_path)
        (tmp_path / "attention.csv").write_text("prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n1,0,0,0,1.0\n")
        with pytest.raises(InputError, match=said):
            layer_step_times(tmp_path, Shape(2))
        (tmp_path / "attention.csv").unlink()
    for shared in ("layer-profile", "vllm-run", "vidur"):
        with pytest.raises(InputError, match="unknown importer"):
            importers(shared)


@pytest.mark.parametrize("time_us", ["0.0", "0.00"])
def test_a_collective_takes_time(time_us: str, tmp_path: Path) -> None:
    from simcore.calibration.importers import importers
    from simcore.errors import InputError

    lines = ["# all_reduce_perf", "# Rank 0 x", "# Rank 1 x", "  1024  256  float  sum  -1  45.6  0.1  0.1  0"]
    (tmp_path / "a.txt").write_text("\n".join([*lines, f"  2048  512  float  sum  -1  {time_us}  0.1  0.1  0"]))
    with pytest.raises(InputError, match=r"a\.txt:5: 2048 bytes"):
        importers("nccl-tests")(tmp_path / "a.txt")
