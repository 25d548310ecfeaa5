"""`--out`: what is ours is replaced as a set, what is not ours stays, and nothing is left lying about."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from reports import output
from reports.files import write_own, write_text
from reports.output import MANIFEST, STAGE, output_folder
from simcore.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def run(out: Path, files: dict[str, str], command: str = "simulate", **more: object) -> None:
    with output_folder(out, command, **more) as stage:  # type: ignore[arg-type]
        for name, text in files.items():
            write_text(stage / name, text)


def seen(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }


def stages(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(STAGE) or path.name.endswith("-part")]


@pytest.mark.parametrize("made", [False, True], ids=["new", "empty"])
def test_a_set_appears_whole_and_is_replaced_whole(tmp_path: Path, made: bool) -> None:
    out = tmp_path / "a" / "out"
    if made:
        out.mkdir(parents=True)
    run(out, {"summary.json": "1", "timeline.json": "1", "sub/x.csv": "1"})
    run(out, {"summary.json": "2"})
    assert seen(out) == {"summary.json": "2"} and not (out / "sub").exists() and not stages(tmp_path)


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("notes.txt", "deep/thesis.tex", ".hidden"):
        (tmp_path / name).write_text("mine")
    for text in "12":
        run(tmp_path, {"summary.json": text})
    assert seen(tmp_path) == {
        "notes.txt": "mine", "deep/thesis.tex": "mine", ".hidden": "mine", "summary.json": "2"
    }  # fmt: skip


@pytest.mark.parametrize("name", ["summary.json", "sub/summary.json"])
def test_a_file_of_the_same_name_that_is_not_ours_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=f"{name}.*not of a run of ours"):
        run(tmp_path, {"requests.csv": "1", name: "1"})
    assert seen(tmp_path) == {name: "mine"} and not stages(tmp_path)


def test_sets_of_two_commands_live_side_by_side(tmp_path: Path) -> None:
    run(tmp_path, {"a": "1", "shared": "1"}, "sweep")
    run(tmp_path, {"b": "1", "shared": "2"}, "search")
    run(tmp_path, {"c": "1"}, "search")
    assert seen(tmp_path) == {"a": "1", "c": "1"}


def test_sets_that_keep_and_sets_that_grow(tmp_path: Path) -> None:
    run(tmp_path, {"results": "1", "page": "1", "old": "1"})
    run(tmp_path, {"page": "2"}, keep=("results",))
    assert seen(tmp_path) == {"results": "1", "page": "2"}
    run(tmp_path, {"page": "3"}, adds=True)
    assert seen(tmp_path) == {"results": "1", "page": "3"}


def test_files_and_links_to_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "to-file").symlink_to(tmp_path / "file")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("file", "dangling", "to-file", "loop", "file/below", "a\0b"):
        with pytest.raises(InputError) as caught:
            run(tmp_path / name, {"summary.json": "1"})
        assert name.replace("\0", "?") in str(caught.value)
    assert (tmp_path / "file").read_text() == "mine" and not (tmp_path / "nowhere").exists()


def test_a_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    run(tmp_path / "link", {"summary.json": "1"})
    assert (tmp_path / "link").is_symlink() and seen(tmp_path / "real") == {"summary.json": "1"}


@pytest.mark.parametrize("name", [".", "..", "sub/.."])
def test_dots_are_the_folders_they_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    (here / "sub").mkdir(parents=True)
    (here / "mine").write_text("mine")
    monkeypatch.chdir(here)
    run(Path(name), {"summary.json": "1"})
    assert (here / "mine").read_text() == "mine" and (Path(name).resolve() / "summary.json").read_text() == "1"


def test_links_inside_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    out = tmp_path / "out"
    run(out, {"sub/x": "1", "y": "1"})
    (out / "sub" / "x").rename(tmp_path / "other" / "x")
    (out / "sub").rmdir()
    (out / "sub").symlink_to(tmp_path / "other")
    with pytest.raises(InputError, match="no folder"):
        run(out, {"sub/x": "2"})
    run(out, {"y": "2"})
    assert (tmp_path / "other" / "x").read_text() == "1"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "\0", '{"schema": "output/1", "files": {"simulate": ["../mine"]}}',
     '{"schema": "output/1", "files": {"simulate": ["/etc/passwd"]}}', '{"schema": "output/1", "files": 3}',
     "[" * 100_000],
)  # fmt: skip
def test_a_manifest_that_is_none_of_ours_is_refused(tmp_path: Path, text: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "mine").write_text("mine")
    (out / MANIFEST).write_text(text)
    with pytest.raises(InputError, match="manifest"):
        run(out, {"summary.json": "1"})
    assert (tmp_path / "mine").read_text() == "mine"


def test_an_error_leaves_the_old_set(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    for error in (ValueError, KeyboardInterrupt, MemoryError):
        with pytest.raises(error), output_folder(out, "simulate") as stage:
            write_text(stage / "summary.json", "half")
            raise error
        assert not (tmp_path / "new").exists()
    run(out, {"summary.json": "1"})
    with pytest.raises(InputError, match="No space left"), output_folder(out, "simulate") as stage:
        write_text(stage / "summary.json", "2")
        raise OSError(28, "No space left on device", str(stage / "x"))
    assert seen(out) == {"summary.json": "1"} and not stages(tmp_path)


def test_a_move_that_fails_brings_the_old_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, {"a": "1", "b": "1"})
    move = os.replace

    def failing(source: Path, target: Path) -> None:
        if Path(target).name == "c" and Path(target).parent == tmp_path:
            raise OSError(28, "No space left on device")
        move(source, target)

    monkeypatch.setattr(output.os, "replace", failing)
    with pytest.raises(InputError, match="No space left"):
        run(tmp_path, {"a": "2", "b": "2", "c": "2"})
    assert seen(tmp_path) == {"a": "1", "b": "1"} and not stages(tmp_path)


WRITER = """
import os, signal, sys, time
from pathlib import Path
from reports import output
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the suite was started in the background
def die(stage): os.kill(os.getpid(), 9)
def half(stage):
    os.replace(stage / "files" / "a", out / "a")
    os.kill(os.getpid(), 9)
how, out = sys.argv[1], Path(sys.argv[2])
if how in ("before", "half"):
    output._carry_out = die if how == "before" else half
with output.output_folder(out, "simulate") as stage:
    for name in "ab":
        (stage / name).write_text("2")
    if how == "stage": os.kill(os.getpid(), 9)
    if how == "late":
        with output.output_folder(out, "another") as other:
            (other / "c").write_text("1")
        output._carry_out = die
    if how.startswith("SIG"):
        print("ready", flush=True)
        time.sleep(60)
"""


def writer(how: str, out: Path, **more: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, how, str(out)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize(("how", "after"), [("stage", "1"), ("before", "2"), ("half", "2")])
def test_the_next_run_clears_away_what_a_killed_one_left(tmp_path: Path, how: str, after: str) -> None:
    out = tmp_path / "out"
    run(out, {"a": "1", "b": "1", "old": "1"})
    done = writer(how, out)
    done.communicate()
    assert done.returncode == -9 and stages(tmp_path)
    if how != "half":
        assert {"a": "1", "b": "1", "old": "1"}.items() <= seen(out).items()
    run(out, {"page": "1"}, "report")
    assert not stages(tmp_path)
    rest = {"old": "1"} if after == "1" else {}
    assert seen(out) == {"a": after, "b": after, "page": "1"} | rest


def test_the_next_run_clears_a_first_one_that_was_killed(tmp_path: Path) -> None:
    writer("stage", tmp_path / "out").communicate()
    assert stages(tmp_path)
    run(tmp_path / "out", {"a": "1"})
    assert not stages(tmp_path) and seen(tmp_path) == {"out/a": "1"}


@pytest.mark.parametrize("made", [False, True], ids=["new", "ours"])
@pytest.mark.parametrize("second", ["simulate", "sweep"])
def test_two_writers_of_one_folder_leave_two_whole_sets(tmp_path: Path, made: bool, second: str) -> None:
    """The one that began first ends last: its set replaces another's of the same command, and stands beside others."""
    out = tmp_path / "out"
    if made:
        run(out, {"a": "0", "old": "0"})
    with output_folder(out, "simulate") as stage:
        write_text(stage / "a", "1")
        run(out, {"a" if second == "simulate" else "b": "2", "more": "2"}, second)
    beside = {} if second == "simulate" else {"b": "2", "more": "2"}
    assert seen(out) == {"a": "1"} | beside and not stages(tmp_path)
    ours = {name for files in output.manifest(out).values() for name in files}
    assert ours == set(seen(out))


def test_a_killed_writer_whose_folder_another_made_is_ended_in_that_folder(tmp_path: Path) -> None:
    writer("late", tmp_path / "out").communicate()
    assert stages(tmp_path)
    run(tmp_path / "out", {"page": "1"}, "report")
    assert not stages(tmp_path)
    assert seen(tmp_path) == {"out/a": "2", "out/b": "2", "out/c": "1", "out/page": "1"}


@pytest.mark.parametrize("made", [False, True], ids=["new", "ours"])
def test_a_set_that_came_while_a_writer_waited_stays_ours(
    tmp_path: Path, made: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, locked = tmp_path / "out", output.locked
    if made:
        run(out, {"a": "0"})

    def late(folder: Path) -> AbstractContextManager[None]:
        monkeypatch.setattr(output, "locked", locked)
        run(out, {"b": "2"}, "sweep")
        return locked(folder)

    with output_folder(out, "simulate") as stage:
        write_text(stage / "a", "1")
        monkeypatch.setattr(output, "locked", late)
    run(out, {"b": "3"}, "sweep")
    assert seen(out) == {"a": "1", "b": "3"} and output.manifest(out) == {"simulate": ["a"], "sweep": ["b"]}


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("made", [False, True], ids=["new", "ours"])
def test_a_stopped_run_leaves_nothing(tmp_path: Path, name: str, made: bool) -> None:
    if made:
        run(tmp_path / "out", {"a": "1"})
    child = writer(name, tmp_path / "out")
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    child.send_signal(getattr(signal, name))
    child.communicate()
    assert child.returncode != 0 and not stages(tmp_path)
    assert seen(tmp_path) == ({"out/a": "1"} if made else {})


def test_a_stage_in_use_is_left_alone(tmp_path: Path) -> None:
    with output_folder(tmp_path, "sweep") as stage:
        (stage / "a").write_text("1")
        run(tmp_path, {"b": "1"})
    assert seen(tmp_path) == {"a": "1", "b": "1"}


def test_files_replace_their_own_kind_only(tmp_path: Path) -> None:
    model, other = tmp_path / "model.toml", tmp_path / "notes.txt"
    write_own(model, b'schema = "model/1"\n')
    write_own(model, b'schema = "model/1"\nname = "x"\n')
    other.write_text("my notes")
    with pytest.raises(InputError, match="another kind"):
        write_own(other, b'schema = "model/1"\n')
    with pytest.raises(InputError, match="folder"):
        write_own(tmp_path, b"x")
    with pytest.raises(InputError, match="reads"):
        write_own(model, b'schema = "model/1"\n', (model,))
    assert other.read_text() == "my notes" and b"name" in model.read_bytes() and not stages(tmp_path)


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    write_own(tmp_path / "link", b"1")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"1"


def test_the_manifest_says_what_is_ours(tmp_path: Path) -> None:
    run(tmp_path, {"b": "1", "a": "1"})
    found = json.loads((tmp_path / MANIFEST).read_text())
    assert found == {"schema": "output/1", "files": {"simulate": ["a", "b"]}}
