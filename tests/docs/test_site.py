"""The site builds without a warning, asks the network for nothing, and its reference holds every key and verb."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from docs.hooks import functions, keys, verbs
from docs.hooks.site import generated
from tests.reports.browser import browser, program
from tests.reports.test_browser import axe

ROOT = Path(__file__).resolve().parents[2]
LOADED = re.compile(r"""(?:<(?:script|img|iframe|source)[^>]*\ssrc|<link[^>]*\shref)=["']?(https?:)?//""")

SERIOUS = """axe.run(document).then(r => r.violations.filter(v => ["serious", "critical"].includes(v.impact))
    .map(v => [v.id, v.nodes[0].html]))"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("material") is None:
        pytest.skip('mkdocs-material is not installed: pip install -e ".[docs]"')
    folder = tmp_path_factory.mktemp("site")
    done = built(ROOT, folder)
    assert done.returncode == 0 and "WARNING" not in done.stdout + done.stderr, done.stdout + done.stderr
    return folder


def test_a_dead_link_ends_the_build(tmp_path: Path) -> None:
    """Quiet builds count no warnings: this is how the test above sees them."""
    pytest.importorskip("material")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Page\n\n[dead](none.md), [deader](#none)\n")
    config = "site_name: dead\nvalidation: { anchors: warn }\ntheme: { name: material, font: false }\n"
    (tmp_path / "mkdocs.yml").write_text(config)
    done = built(tmp_path, tmp_path / "site")
    assert done.returncode == 1 and "Aborted with 2 warnings" in done.stdout + done.stderr


def built(root: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """The site of `root`, as CI builds it."""
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(build, cwd=root, env=environment, capture_output=True, text=True)


def test_the_site_builds_strictly_and_needs_no_network(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 60 and (site / "tutorials/place-experts.html").is_file()
    for page in pages:
        found = LOADED.search(page.read_text(encoding="utf-8"))
        assert found is None, f"{page.relative_to(site)} loads {found[0] if found else ''}"
    for sheet in site.rglob("*.css"):
        assert "url(http" not in sheet.read_text(encoding="utf-8")


@pytest.mark.skipif(program() is None, reason="no Chromium here")
def test_pages_open_quietly_and_fit_the_screen(site: Path) -> None:
    names = ("index.html", "tutorials/place-experts.html", "reference/files/power.html")
    with served(site) as root, browser() as web:
        for name, width in itertools.product(names, (400, 1280)):
            web.open(f"{root}/{name}", width)
            assert web.run("document.documentElement.scrollWidth") <= width, (name, width)
            asked = [e["params"]["request"]["url"] for e in web.events if e["method"] == "Network.requestWillBeSent"]
            assert asked and all(url.startswith((root, "data:")) for url in asked), (name, asked)
            thrown = [e["params"] for e in web.events if e["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")]
            assert not thrown, (name, thrown)
            if (script := axe()) and width == 1280:
                web.run(f"{script}; 0")
                assert not web.run(SERIOUS), (name, web.run(SERIOUS))


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder, on this machine only."""
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """Prints nothing."""

    def log_message(self, format: str, *args: object) -> None: ...


def test_the_reference_holds_every_key() -> None:
    from simcore.spec.schema import OURS, parts_of

    made = generated()
    for kind, (spec, _) in keys.specs().items():
        text = made[f"reference/files/{kind}.md"]
        for part in parts_of(spec):
            for name, info in part.model_fields.items():
                if part.__name__ != "Citation" and name not in OURS:
                    assert f"| `{info.alias or name}` |" in text, f"{kind}: {part.__name__}.{name}"
    for kind, (tables, _) in keys.forms().items():
        for table in tables:
            for name in {field.name for field in dataclasses.fields(table)} - set(keys.UNWRITTEN):
                assert f"| `{keys.SPELT.get(name, name)}` |" in made[f"reference/files/{kind}.md"], (
                    f"{kind}: {table.__name__}.{name}"
                )


def test_the_reference_says_unit_default_bounds_and_meaning() -> None:
    page = generated()["reference/files/power.md"]
    for line in (
        "| `budget` | quantity in W | required |  |",
        "| `provisioned` | quantity in W | required | nameplate power that the row was built for, per server |",
        "| `risk` | number, above 0, below 0.5 | `0.01` | largest probability that the row exceeds",
        '| `priority` | one of `high`, `low` | `"low"` |',
    ):
        assert line in page, page


def test_the_reference_holds_every_verb_and_option() -> None:
    page = generated()["reference/commands.md"]
    names = [name for name, _ in verbs.verbs(verbs.tree())]
    assert {"size", "plan experts", "validate bench", "search compare"} <= set(names)
    for name, command in verbs.verbs(verbs.tree()):
        if command.hidden:
            continue
        (said,) = re.findall(rf"^#+ simcore {name}\n(.*?)(?=^#|\Z)", page, re.M | re.S)
        for parameter in command.params:
            if not hasattr(command, "commands") and parameter.name != "help":
                shown = (
                    parameter.opts[0]
                    if parameter.opts[0].startswith("-")
                    else (parameter.metavar or parameter.name).upper()
                )
                assert f"`{shown}`" in said, f"{name}: {shown}"


def test_the_reference_holds_every_public_function() -> None:
    import simcore

    page = functions.page()
    for name in simcore.__all__:
        heading = f"### {name}\n" if name == "Scenario" else f"### simcore.{name}\n"
        assert heading in page, name
    assert "find: str = 'rate'" in page and " at 0x" not in page
    assert "decode_all" in page and "check_scheduler" in page and "| `.to_frame()` |" in page
