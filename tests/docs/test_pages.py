"""Nothing is shown that is not run: README, tutorials and every other page for readers."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import cli
from tests.docs.pages import ROOT, commands, fences, like, missing, pages
from tests.docs.session import Session, inline

LANGUAGES = {"sh", "python", "toml", "text", "csv", "json"}
SHOWN = [page for page in pages() if any(True for _ in fences(page))]


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All commands are mounted once; nothing of the machine's own is found, and nothing that a start sets stays."""
    monkeypatch.setattr(cli, "mount_one", lambda _: cli.mount())
    monkeypatch.delenv("SIMCORE_PATH", raising=False)
    before, threshold = dict(os.environ), gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("page", SHOWN, ids=[str(page.relative_to(ROOT)) for page in SHOWN])
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    follow(page, tmp_path)


def follow(page: Path, folder: Path) -> None:
    """Do a page from an empty folder. Raises AssertionError where it does not go as it says."""
    session = Session(folder)
    try:
        for fence in fences(page):
            where = f"{page.name}:{fence.line}"
            assert fence.language in LANGUAGES, f"{where}: a fence says what it is: {', '.join(sorted(LANGUAGES))}"
            if fence.reason:
                session.printed = None
            elif fence.language != "text" or fence.title:
                session.do(fence)
            elif session.printed is not None:
                lost = missing(fence.text, session.printed)
                assert not lost, f"{where}: {lost[0]!r} is not printed:\n{session.printed[:4000]}"
    finally:
        session.leave()


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("```sh\nsimcore list chipz\n```\n", "ended with 2"),
        ("```sh\nsimcore show chip h200-sxm # exit code 1\n```\n", "ended with 0"),
        ("```sh\nsimcore --version\n```\n```text\nsimcore 17.0\n```\n", "is not printed"),
        ("```python\nprint(1 + 1)\n```\n```text\n3\n```\n", "is not printed"),
        ("```sh\n# not run here\nsimcore list chipz\n```\n", "ended with 2"),
        ("```\nsimcore --version\n```\n", "says what it is"),
    ],
)
def test_a_page_that_lies_is_seen(page: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(page)
    with pytest.raises(AssertionError, match=words):
        follow(tmp_path / "page.md", tmp_path)


def test_a_page_is_one_session(tmp_path: Path) -> None:
    page = '```toml title="a/b.toml"\nx = 1\n```\n```python\nx = open("a/b.toml").read()\n```\n'
    more = "```python\nprint(x)\n```\n```text\nx = ...\n```\n```sh\nls a > b\ncat b\n```\n"
    (tmp_path / "page.md").write_text(page + more)
    follow(tmp_path / "page.md", tmp_path)
    assert (tmp_path / "b").read_text() == "b.toml\n"


def test_outputs_are_compared_loosely_and_in_order() -> None:
    assert like("TPOT  26.6 ms", "TPOT     26.59 ms") and not like("TPOT 26.6 ms", "TTFT 26.6 ms")
    assert not like("TPOT 26.6 ms", "TPOT 36.6 ms") and like("a ... c ... e", "a b b c d e")
    assert missing("b 1\na 2", "a 2\nb 1\n") == ["a 2"] and not missing("a 2\n...\n", "x\na 2\n")
    assert list(commands("simcore a \\\n  b  # exit code 1\n# words\nls")) == [("simcore a    b", 1), ("ls", 0)]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_within_sentences_are_known(page: Path) -> None:
    from docs.hooks.verbs import tree

    for words in inline(page):
        command = tree()
        for word in words:
            if not hasattr(command, "commands") or word not in command.commands:
                break
            command = command.commands[word]
        command = getattr(command, "commands", {}).get("run", command)  # what a group does by itself
        known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        where = f"{page.relative_to(ROOT)}: `simcore {' '.join(words)}`"
        assert command.name != "simcore" and words[0] in tree().commands, where
        for word in words:
            if word.startswith("--"):
                assert word.partition("=")[0] in {*known, "--quiet", "--help"}, f"{where}: {word}"
