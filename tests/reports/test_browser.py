"""Pages as people use them: opened in a headless Chromium, hovered, filtered, sorted, clicked, printed."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import mount
from tests.reports.browser import Browser, browser, program

ROOT = Path(__file__).resolve().parents[2]
SMALL_SIZE = "size --model llama-3.1-8b --on h100-sxm,l40s --traffic 300:20 --ttft 1s --tpot 30ms"
ASKED = {
    "size": (f"{SMALL_SIZE} --vary traffic.batch=4,32,128 --out OUT", "size.html"),
    "sweep": ("sweep examples/chat-70b.toml --vary plan.tp=2,4,8 --set traffic.rate_per_s=4 --out OUT", "report.html"),
    "simulate": ("simulate examples/simulate-llama-70b.toml --set traffic.requests=400 --out OUT", "simulate.html"),
    "capacity": ("capacity examples/simulate-llama-70b.toml --set traffic.requests=300 --out OUT", "capacity.html"),
    "search": ("search examples/search/tiered.toml --budget 40 --out OUT", "search.html"),
    "train": ("train examples/train-llama-8b.toml --set plan.pp=4 --set plan.dp=2 --out OUT", "train.html"),
    "plan power": ("plan power examples/power-row.toml --days 0.1 --out OUT", "plan-power.html"),
    "study": ("study run megatron-lm --out OUT", "studies.html"),
    "what-if": (
        "what-if examples/chat-70b.toml --key hardware.chip.memory.hbm.read_bandwidth --out OUT",
        "what-if.html",
    ),
}
pytestmark = pytest.mark.skipif(program() is None, reason="no Chromium here")


@pytest.fixture(scope="module")
def web() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(params=list(ASKED))
def page(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page of each kind, made once."""
    words, name = ASKED[request.param]
    out = folder / request.param.replace(" ", "-")
    if not out.exists():
        monkeypatch.chdir(ROOT)
        done = CliRunner().invoke(mount(), [str(out) if word == "OUT" else word for word in words.split()])
        assert done.exit_code == 0, done.output
    return out / name


def troubles(web: Browser, page: Path) -> list[str]:
    """Errors and warnings of the console, and requests to anything but the page."""
    kinds = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
    found = [str(event["params"])[:300] for event in web.events if event["method"] in kinds]
    asked = [e["params"]["request"]["url"] for e in web.events if e["method"] == "Network.requestWillBeSent"]
    return found + [url for url in asked if url != page.as_uri() and not url.startswith(("data:", "blob:"))]


def count(web: Browser, selector: str) -> int:
    return int(web.run(f"document.querySelectorAll({selector!r}).length"))


def place(web: Browser, element: str) -> tuple[float, float]:
    """The middle of an element in the window, after it was scrolled there."""
    box = f"{{ const e = {element}; e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect();"
    x, y = web.run(f"(() => {box} return [b.x + b.width / 2, b.y + b.height / 2]; }})()".replace("=> {{", "=> {"))
    return x, y


def test_it_is_quiet_light_and_fits(web: Browser, page: Path) -> None:
    assert page.stat().st_size < 1_500_000
    for width, dark in ((1280, False), (400, True)):
        web.open(page.as_uri(), width, dark=dark)
        assert troubles(web, page) == []
        assert web.run("document.documentElement.scrollWidth") <= width
        assert count(web, "figure") == count(web, ".plot svg") > 0
        paper = web.run("getComputedStyle(document.querySelector('.plot svg')).getPropertyValue('--plot-background')")
        assert paper == ("#14181d" if dark else "#fff")  # of what is told at the pointer
        broken = "[...document.querySelectorAll('.plot svg *')].filter(e => /NaN|undefined/.test(e.outerHTML)).length"
        assert web.run(broken) == 0
    found = web.paper()
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", found)) <= 4


def test_hover_tells_and_a_key_filters(web: Browser, page: Path) -> None:
    web.open(page.as_uri())
    for number in range(count(web, "figure")):
        figure = f"document.querySelectorAll('figure')[{number}]"
        marks = f"{figure}.querySelectorAll('g[data-mark=dot] circle, g[data-mark=bar] rect, g[data-mark=cell] rect')"
        mark = f"({marks}[0] ?? {figure}.querySelector('g[data-mark=line] path'))"
        web.move(*place(web, mark))
        web.settle()
        assert web.run(f"{figure}.querySelectorAll('g[aria-label=tip] text').length") > 0
        before = web.run(f"{figure}.querySelector('svg').outerHTML")
        if web.run(f"{figure}.querySelectorAll('.key').length") > 1:
            web.click(*place(web, f"{figure}.querySelector('.key')"))
            assert web.run(f"{figure}.querySelector('.key').getAttribute('aria-pressed')") == "false"
            web.move(0, 0)
            assert web.run(f"{figure}.querySelector('svg').outerHTML") != before
    assert troubles(web, page) == []


def test_tables_sort_and_narrow(web: Browser, page: Path) -> None:
    web.open(page.as_uri())
    for number in range(count(web, ".table table")):
        table = f"document.querySelectorAll('.table table')[{number}]"
        web.run(f"{table}.closest('details')?.setAttribute('open', '')")
        column = f"[...{table}.tBodies[0].rows].map(r => r.cells[0].textContent)"
        head = f"{table}.querySelector('th button')"
        web.click(*place(web, head))
        rising = web.run(column)
        web.click(*place(web, head))
        assert web.run(f"{table}.querySelector('th').getAttribute('aria-sort')") == "descending"
        assert web.run(column) == rising[::-1] and sorted(rising) == sorted(web.run(column))
        narrow = f"{table}.closest('section, details').querySelector('input[type=search]')"
        if web.run(f"{narrow} !== null"):
            web.run(f"{narrow}.value = {rising[0]!r}; {narrow}.dispatchEvent(new Event('input'))")
            assert 1 <= web.run(f"[...{table}.tBodies[0].rows].filter(r => !r.hidden).length") < len(rising)
    assert troubles(web, page) == []


@pytest.mark.parametrize("page", ["size"], indirect=True)
def test_a_table_is_narrowed_by_a_column(web: Browser, page: Path) -> None:
    web.open(page.as_uri())
    rows = "[...document.querySelector('.table table').tBodies[0].rows]"
    chips = f"{rows}.filter(r => !r.hidden).map(r => +r.cells[2].textContent)"
    narrow, values = "document.querySelector('input[type=search]')", web.run(chips)
    for asked, kept in (("chips<=2", [v for v in values if v <= 2]), ("chips>2 l40s", None), ("chips=l40s", [])):
        web.run(f"{narrow}.value = {asked!r}; {narrow}.dispatchEvent(new Event('input'))")
        shown = web.run(chips)
        assert (shown == kept) if kept is not None else (shown and min(shown) > 2)
        assert web.run("document.querySelector('.count').textContent") == f"{len(shown)} of {len(values)} rows"


@pytest.mark.parametrize("page", ["search"], indirect=True)
def test_lines_across_the_space_are_shown_clicked_and_narrowed(web: Browser, page: Path) -> None:
    web.open(page.as_uri())
    figure = "[...document.querySelectorAll('figure')].find(f => f.textContent.includes('colour by'))"
    paths = f"{figure}.querySelectorAll('g[data-mark=line] path').length"
    before = web.run(paths)
    change = "s => { s.value = s.options[1].value; s.dispatchEvent(new Event('change')); }"
    web.run(f"({change})({figure}.querySelectorAll('select')[1])")
    assert 0 < web.run(paths) < before
    web.click(*place(web, f"{figure}.querySelector('g[data-mark=text] text')"))
    assert web.run(f"{figure}.querySelector('.picked-plan')?.textContent ?? ''")
    assert troubles(web, page) == []


@pytest.mark.parametrize("page", ["size", "sweep", "search"], indirect=True)
def test_a_plan_is_clicked_and_axes_are_chosen(web: Browser, page: Path) -> None:
    web.open(page.as_uri())
    figure = "document.querySelector('figure')"
    circles = f"[...{figure}.querySelectorAll('g[data-mark=dot] circle')]"
    web.click(*place(web, f"{circles}.at(-1)"))  # marked dots are drawn last
    assert web.run("document.querySelector('.picked-plan').textContent")
    assert count(web, "tr.picked") >= 1
    place_before = web.run(f"{circles}.map(c => c.getAttribute('cx')).join()")
    change = "s => { s.value = s.options[2].value; s.dispatchEvent(new Event('change')); }"
    web.run(f"({change})({figure}.querySelector('select'))")
    assert web.run(f"{circles}.map(c => c.getAttribute('cx')).join()") != place_before
    assert troubles(web, page) == []


def axe() -> str | None:
    """The script of axe-core: of $SIMCORE_AXE, or as a package brings it."""
    named, found = os.environ.get("SIMCORE_AXE"), importlib.util.find_spec("axe_core_python")
    if named:
        return Path(named).read_text(encoding="utf-8")
    return (
        None
        if found is None or found.origin is None
        else (Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8"))
    )


def test_everybody_can_read_it(web: Browser, page: Path) -> None:
    script = axe()
    if script is None:
        pytest.skip("axe-core is not installed")
    for dark in (False, True):
        web.open(page.as_uri(), dark=dark)
        web.run(script)
        found: list[dict[str, Any]] = web.run(
            "axe.run(document).then(r => r.violations.map(v => ({id: v.id, "
            "impact: v.impact, where: v.nodes.slice(0, 3).map(n => n.html)})))"
        )
        assert [one for one in found if one["impact"] in ("serious", "critical")] == []
