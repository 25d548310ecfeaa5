"""Pages of a folder over HTTP, to this machine alone: what is finished, and searches while they run.

GET and HEAD read: no file but pages that a manifest of ours lists, nothing outside the folder, no links followed. A
request must name this machine as its host, so that no other site's page can read along. POST asks a running search to
wait, to go on or to stop (`planners.search.steered`): with a token that only pages of this server know, from no other
site, and nothing else is written.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from planners.search.live import MARKS, STORE, read_live
from planners.search.steered import GO_ON, PAUSE, STOP, ask, is_running, wish
from reports.output import MANIFEST, STAGE, manifest
from reports.page import Actions, Links, Notes, Page, Tiles, html
from reports.search import live_page
from simcore.errors import InputError, SimcoreError

HOST = "127.0.0.1"
HOSTS = ("127.0.0.1", "localhost", "[::1]")
MOST_FOLDERS = 5000
"""folders that are looked into"""
HEAD_BYTES = 30_000
"""of a page, in which title and answer are found"""
RELOAD_S = 5
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
POLICY += "; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
MOST_FORM = 1000
"""bytes"""
WISHES = {PAUSE: "pause", GO_ON: "go on", STOP: "stop"}
NONE: Mapping[str, str] = {}
NAMED = {
    "title": re.compile(r"<title>(.*?)</title>", re.S),
    "answer": re.compile(r'<p class="answer[^"]*">(.*?)</p>', re.S),
}


def server(root: Path, port: int) -> ThreadingHTTPServer:
    """A server of a folder, not yet running; port 0 takes any that is free. Raises InputError."""
    if not root.is_dir():
        raise InputError("no such folder", file=str(root), fix="give the folder that holds what --out wrote")
    handler = type("Handler", (Handler,), {"root": root.resolve(), "token": secrets.token_urlsafe(24)})
    try:
        return ThreadingHTTPServer((HOST, port), handler)
    except OSError as error:
        what = f"cannot listen on port {port}: {error.strerror}"
        raise InputError(what, key="--port", fix="give another, or 0 for any that is free") from None


class Handler(BaseHTTPRequestHandler):
    """Answers for one folder."""

    root: Path
    token: str
    server_version, sys_version = "simcore", ""
    timeout = 20.0
    """seconds for which a request may stand still"""

    def do_GET(self) -> None:
        self.answer(True)

    def do_HEAD(self) -> None:
        self.answer(False)

    def do_POST(self) -> None:
        """Ask a search for something, then show its page."""
        problem = self.refusal()
        size = self.headers.get("Content-Length", "")
        if problem is None and not (size.isdigit() and int(size) <= MOST_FORM):
            problem = 413, b"no such form"
        if problem is not None:
            self.close_connection = True  # what was sent is not read
            self.reply(problem[0], problem[1], True, "text/plain")
            return
        form = dict(parse_qsl(self.rfile.read(int(size)).decode("utf-8", "replace")))
        kind, _, rest = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        mark, what = inside(self.root, rest) if kind == "search" else None, form.get("do", "")
        if not secrets.compare_digest(form.get("token", "").encode(), self.token.encode()):
            self.reply(403, b"this page is too old: load it again", True, "text/plain")
        elif mark is None or not mark.match(MARKS) or what not in WISHES:
            self.reply(404, b"not found", True, "text/plain")
        else:
            self.wished(mark, what)

    def wished(self, mark: Path, what: str) -> None:
        """Ask the search of a mark, and show its page."""
        try:
            is_asked = is_running(mark) is not False
            if is_asked:
                ask(mark, what)
        except OSError:
            is_asked = False
        if is_asked:
            self.reply(303, b"", True, "text/plain", {"Location": address("search", self.root, mark)})
        else:
            self.reply(409, b"nothing runs this search, or its folder cannot be written", True, "text/plain")

    def refusal(self) -> tuple[int, bytes] | None:
        """Why a form is not taken: it came from elsewhere."""
        host = self.headers.get("Host", "")
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site", "same-origin")
        if not is_here(host):
            return 403, b"this server answers to this machine alone"
        if origin not in (None, f"http://{host}") or site != "same-origin":
            return 403, b"this form came from another site"
        return None

    def answer(self, with_body: bool) -> None:
        """One response."""
        if not is_here(self.headers.get("Host", "")):
            self.reply(403, b"this server answers to this machine alone", with_body, "text/plain")
            return
        body = found(self.root, urlsplit(self.path).path, self.token)
        if body is None:
            self.reply(404, b"not found", with_body, "text/plain")
        else:
            self.reply(200, body, with_body, "text/html; charset=utf-8")

    def reply(self, status: int, body: bytes, with_body: bool, kind: str, more: Mapping[str, str] = NONE) -> None:
        """Headers, and the body where one is wanted."""
        self.send_response(status)
        told = {"Content-Type": kind, "Content-Length": str(len(body)), "Content-Security-Policy": POLICY}
        told |= {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        told["Referrer-Policy"] = "same-origin"  # with none at all a browser hides where a form comes from
        told |= {"X-Frame-Options": "DENY", **more}
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are not told."""


def is_here(host: str) -> bool:
    """Whether a request's Host is this machine.

    >>> is_here("127.0.0.1:8000"), is_here("localhost"), is_here("evil.example:8000"), is_here("")
    (True, True, False, False)
    """
    return re.sub(r":\d+$", "", host) in HOSTS


def found(root: Path, path: str, token: str) -> bytes | None:
    """What lies at a path of the server; None where nothing does."""
    kind, _, rest = unquote(path).lstrip("/").partition("/")
    if not kind:
        return html(index(root)).encode("utf-8")
    if kind == "page":
        file = inside(root, rest)
        if file is None or file.name not in pages_of(file.parent):
            return None
        return file.read_bytes()
    if kind == "search":
        mark = inside(root, rest)
        return None if mark is None or not mark.match(MARKS) else running(root, mark, token)
    return None


def inside(root: Path, path: str) -> Path | None:
    """A file below `root`; None for what is none, lies elsewhere, or is reached by a link."""
    parts = PurePosixPath(path).parts
    if not parts or "\0" in path or any(part in ("..", ".", "/") for part in parts):
        return None
    file = root.joinpath(*parts)
    try:
        return file if file.is_file() and file.resolve() == file else None
    except OSError:
        return None


def folders(root: Path) -> Iterator[Path]:
    """`root` and folders below it, without hidden ones and links, so many at most."""
    for count, (place, names, _) in enumerate(os.walk(root)):
        names[:] = sorted(name for name in names if not name.startswith((".", STAGE)) and name != STORE)
        if count == MOST_FOLDERS:
            return
        yield Path(place)


def pages_of(folder: Path) -> list[str]:
    """Pages that the manifest of a folder lists and that are there."""
    if not (folder / MANIFEST).is_file():
        return []
    try:
        listed = [name for names in manifest(folder).values() for name in names]
    except SimcoreError:
        return []
    return sorted(
        name for name in set(listed) if name.endswith(".html") and "/" not in name and (folder / name).is_file()
    )


def index(root: Path) -> Page:
    """What there is: running searches first, then finished pages, the newest first."""
    marks, pages = [], []
    for folder in folders(root):
        marks += sorted(mark for mark in folder.glob(MARKS) if mark.is_file() and not mark.is_symlink())
        pages += [folder / name for name in pages_of(folder) if not (folder / name).is_symlink()]
    pages.sort(key=lambda page: (-page.stat().st_mtime, str(page)))
    searches, spoilt = [], []
    for mark in marks:
        try:
            live = read_live(mark)
        except SimcoreError as error:
            spoilt.append(str(error))
            continue
        searches.append(
            (live.title, address("search", root, mark), f"{len(live.points):,} of {live.budget:,.0f} evaluations")
        )
    done = [told(root, page) for page in pages]
    blocks: list[Any] = [Tiles([(str(len(searches)), "searches unfinished"), (str(len(done)), "finished pages")])]
    blocks += [Links(title, items) for title, items in (("Unfinished searches", searches), ("Finished", done)) if items]
    blocks += [Notes("Not shown", spoilt, is_open=True)] if spoilt else []
    first = f"{len(done)} finished page{'s' * (len(done) != 1)} and {len(searches)} unfinished "
    return Page(
        "serve",
        root.name or str(root),
        f"{first}{'search' if len(searches) == 1 else 'searches'}.",
        (),
        blocks,
        reload_s=RELOAD_S,
    )


def address(kind: str, root: Path, file: Path) -> str:
    """Where the server has a file."""
    return f"/{kind}/{quote(file.relative_to(root).as_posix())}"


def told(root: Path, page: Path) -> tuple[str, str, str]:
    """(title, address, where it lies and its answer) of a page."""
    with page.open(encoding="utf-8", errors="replace") as stream:
        head = stream.read(HEAD_BYTES)
    words = {name: unescape(match[1]).strip() if (match := rule.search(head)) else "" for name, rule in NAMED.items()}
    place = page.relative_to(root).as_posix()
    return words["title"] or place, address("page", root, page), f"{place}: {words['answer']}"


def running(root: Path, mark: Path, token: str) -> bytes | None:
    """The page of a search while it runs."""
    try:
        live = read_live(mark)
    except SimcoreError:
        return None
    place = mark.parent.relative_to(root).as_posix()
    return html(live_page(live, place, RELOAD_S, steering(root, mark, token))).encode("utf-8")


def steering(root: Path, mark: Path, token: str) -> Actions | None:
    """The buttons of a search that runs; None for one that does not."""
    if is_running(mark) is False:
        return None
    asked = wish(mark)
    says = {PAUSE: "It waits, as was asked for", STOP: "It stops after the answers that are under way"}.get(asked, "")
    items = [(key, words) for key, words in WISHES.items() if key != (PAUSE if asked == PAUSE else GO_ON)]
    return Actions(says or "It runs", address("search", root, mark), token, [] if asked == STOP else items)
