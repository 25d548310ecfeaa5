"""The live view: finished pages and running searches, nothing else, to this machine alone."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from planners.search.live import mark_text, read_live
from planners.search.method import method
from planners.search.run import Setting, open_store, search
from planners.search.steered import ask, held, steered, wish
from planners.search.study import problem_of, read_search
from reports.files import write_text
from reports.output import output_folder
from reports.page import Page, write_page
from reports.server import server
from simcore.errors import InputError
from tests.reports.browser import browser, program
from tests.reports.pages import Shown

TIERED = Path(__file__).resolve().parents[2] / "examples/search/tiered.toml"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished page and an unfinished search, half of it answered."""
    root = tmp_path_factory.mktemp("out")
    with output_folder(root / "a b", "size", ("size.html",)) as stage:
        write_page(stage, "size.html", Page("size", "A <b> & c", "Take two."))
    (root / "a b" / "thesis.html").write_text("mine")
    (root / "secret.html").write_text("secret")
    (root / "a b" / "link.html").symlink_to(root / "secret.html")
    problem = problem_of(read_search(TIERED, {}))
    setting = Setting(budget=40, seed=1)
    with open_store(root / "s" / "store", problem) as kept:
        mark = mark_text(problem, Setting(budget=80, seed=1), ("Tiers", "random"), kept.prefix)
        search(problem, method("random"), setting, kept)
    write_text(root / "s" / "unfinished-1-of-1", mark)
    return root


@pytest.fixture(scope="module")
def port(root: Path) -> Iterator[int]:
    with server(root, 0) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running.server_address[1]
        running.shutdown()
        thread.join()


def get(port: int, path: str, host: str = "127.0.0.1", verb: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(verb, path, skip_host=True)
    connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def test_the_index_names_both_and_they_open(port: int) -> None:
    status, text = get(port, "/")
    page = Shown(text)
    assert status == 200 and "A <b> & c" in page.text and "Take two." in page.text and "40 of 80" in page.text
    assert "thesis" not in text and "secret" not in text
    assert get(port, "/page/a%20b/size.html")[0] == 200
    assert get(port, "/", verb="HEAD") == (200, "")


def test_a_running_search_shows_its_best_and_hypervolume(root: Path, port: int) -> None:
    status, text = get(port, "/search/s/unfinished-1-of-1")
    page = Shown(text)
    problem = problem_of(read_search(TIERED, {}))
    whole = search(problem, method("random"), Setting(budget=40, seed=1))
    live = read_live(root / "s" / "unfinished-1-of-1")
    assert status == 200 and len(page.figure("Evaluations")["columns"]["key"]) == int((whole.violation <= 0).sum())
    assert np.isclose(live.curve[-1], whole.hypervolume) and len(live.frontier) == len(whole.frontier[0])
    assert page.figure("Progress")["series"][0][2][-1] == pytest.approx(whole.hypervolume, rel=1e-4)
    assert 'http-equiv="refresh"' in text


@pytest.mark.parametrize(
    "path",
    [
        "/page/secret.html",
        "/page/a%20b/thesis.html",
        "/page/a%20b/link.html",
        "/page/a%20b/.simcore.json",
        "/page/..%2f..%2fetc/passwd",
        "/page//etc/passwd",
        "/page/a%20b/../secret.html",
        "/page/a%20b/size.html%00",
        "/search/a%20b/size.html",
        "/nothing",
        "/page/",
    ],
)
def test_nothing_else_is_shown(port: int, path: str) -> None:
    assert get(port, path)[0] == 404


def test_other_hosts_and_verbs_are_refused(port: int) -> None:
    assert get(port, "/", host="evil.example")[0] == 403 and get(port, "/", verb="PUT")[0] == 501


def post(port: int, body: str, **more: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request(
        "POST", "/search/s/unfinished-1-of-1", body, kind | {k.replace("_", "-"): v for k, v in more.items()}
    )
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_running_search_waits_goes_on_and_stops_for_our_own_pages_alone(root: Path, port: int) -> None:
    mark = root / "s" / "unfinished-1-of-1"
    path = "/search/s/unfinished-1-of-1"
    assert "--resume" in Shown(get(port, path)[1]).text and "<button" not in get(port, path)[1].partition("<script")[0]
    with held(mark):
        token = re.search(r'name="token" value="([^"]+)"', get(port, path)[1])
        assert token is not None
        good = f"do=pause&token={token[1]}"
        assert post(port, "do=pause") == 403 and post(port, "do=pause&token=x") == 403
        assert (
            post(port, good, Origin="http://evil.example") == 403
            and post(port, good, Sec_Fetch_Site="cross-site") == 403
        )
        assert post(port, good, Origin="null") == 403, "what a frame in a sandbox says"
        assert post(port, good, Host="evil.example") == 403 and post(port, good + "x" * 2000) == 413
        assert post(port, f"do=rm&token={token[1]}") == 404 and wish(mark) == ""
        assert post(port, good, Origin=f"http://127.0.0.1:{port}") == 303 and wish(mark) == "pause"
        assert "waits" in Shown(get(port, path)[1]).text
        assert post(port, f"do=go+on&token={token[1]}") == 303 and wish(mark) == ""
    assert post(port, f"do=pause&token={token[1]}") == 409, "nothing runs it any more"
    assert sorted(file.name for file in mark.parent.iterdir()) == ["store", mark.name]


@pytest.mark.skipif(program() is None, reason="no Chromium here")
def test_a_browser_pauses_a_search_and_takes_it_up_again(root: Path, port: int) -> None:
    """The page's own policy and the server's checks let a real form through, and only that."""
    mark = root / "s" / "unfinished-1-of-1"
    with held(mark), browser() as web:
        page = f"http://127.0.0.1:{port}/search/s/unfinished-1-of-1"
        for button, wanted, shown in (("pause", "pause", "waits"), ("go on", "", "runs")):
            web.open(page, 400)
            assert web.run("document.documentElement.scrollWidth") <= 400
            web.run(
                f"setTimeout(() => [...document.querySelectorAll('button')].find(b => b.value === '{button}').click())"
            )
            end = time.monotonic() + 20.0
            while wish(mark) != wanted and time.monotonic() < end:
                time.sleep(0.02)
            web.open(page, 400)
            assert wish(mark) == wanted and shown in web.run("document.querySelector('form').parentElement.textContent")
        heard = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
        assert [event for event in web.events if event["method"] in heard] == []


def test_a_search_heeds_wishes_and_clears_them(tmp_path: Path) -> None:
    mark, shown = tmp_path / "unfinished-1-of-1", list[int]()
    ask(mark, "stop")
    with pytest.raises(KeyboardInterrupt), steered(mark, lambda done, total: shown.append(done)) as update:
        update(1, 9)  # the wish of an earlier run counts for nothing
        ask(mark, "pause")
        threading.Timer(0.05, ask, (mark, "stop")).start()
        update(2, 9)
    assert shown == [1, 2] and not list(tmp_path.iterdir())


def test_a_spoilt_mark_is_told_and_runs_nothing(tmp_path: Path, root: Path) -> None:
    good = json.loads((root / "s" / "unfinished-1-of-1").read_text())
    for spoilt in (
        "x",
        "{}",
        json.dumps(good | {"constraints": ["__import__('os')"]}),
        json.dumps(good | {"budget": "x"}),
        json.dumps(good | {"prefix": "../../s/store/x"}),
    ):
        (tmp_path / "unfinished-1-of-1").write_text(spoilt)
        with pytest.raises(InputError, match="unfinished-1-of-1"):
            read_live(tmp_path / "unfinished-1-of-1")
    with pytest.raises(InputError, match="no such folder"):
        server(tmp_path / "none", 0)
