"""The folder of `--out`: our files in it are replaced as a set, nothing else in it is ever touched.

A command writes into a stage, a hidden folder beside its place. When the set is complete the stage is published: files
move into the folder, those of the last run that the new one lacks go, and a manifest (`.simcore.json`) says by command
which files are ours. A file that the manifest does not list is never replaced. A plan of the moves is written down
before the first one, so a run that finds a stage whose owner was killed ends what was begun, or clears it away.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from reports.stopping import Stop, locked, open_locked, stoppable
from simcore.errors import InputError

MANIFEST = ".simcore.json"
STAGE = ".simcore-stage-"
PLAN = "plan.json"


@contextmanager
def output_folder(
    out: str | Path, command: str, names: Collection[str] = (), keep: Collection[str] = (), adds: bool = False
) -> Iterator[Path]:
    """A folder to write a command's files into; published to `out` at the end, cleared away on any error.

    `names`: files known beforehand, checked at once. `keep`: files of the last set that stay. `adds`: the set grows
    (artefacts of one chip beside those of another). Raises InputError for a file or a link to nothing as `out`, for a
    file that is not ours where one must be written, and for what cannot be written.
    """
    target = folder_of(out)
    try:
        with ExitStack() as held:
            stop = held.enter_context(stoppable())
            stage = held.enter_context(_staged(target, stop))
            check(target, names)
            yield stage / "files"
            stop.hold()
            _publish(stage, target, command, keep, adds)
    except InputError as error:
        if error.file and STAGE in error.file:
            error.file = str(Path(out) / error.file.partition("/files/")[2])
        raise
    except OSError as error:
        named = Path(os.fsdecode(error.filename)).absolute() if error.filename else target
        if STAGE in str(named) or named == target or target in named.parents or named in target.parents:
            raise cannot_write(out, error) from None
        raise


def folder_of(out: str | Path) -> Path:
    """The folder behind `out`, links followed; it need not exist. Raises InputError for anything but a folder."""
    path = Path(out)
    try:
        found = path.stat()  # asked once: another writer may be making the folder
    except FileNotFoundError:
        if path.is_symlink() and not path.exists():
            raise InputError("is a link to no folder", file=str(out), fix="give the path of a folder") from None
        return path.resolve()
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise cannot_write(out, error) from None
    if not S_ISDIR(found.st_mode):
        raise InputError("is a file, not a folder", file=str(out), fix="give the path of a folder")
    return path.resolve()


def claim(out: str | Path | None, names: Collection[str] = ()) -> None:
    """Raise InputError at once, before hours of work, where `output_folder` would at the end."""
    if out is not None:
        target = folder_of(out)
        if target.is_dir():
            check(target, names)


def cannot_write(out: str | Path, error: BaseException) -> InputError:
    """What is told where the system refuses to write."""
    what = getattr(error, "strerror", None) or str(error)
    return InputError(f"cannot be written: {what}", file=str(out), fix="give a place with room that may be written")


@contextmanager
def _staged(target: Path, stop: Stop) -> Iterator[Path]:
    """A locked stage inside `target`, or beside it where it does not exist; stages of the dead are ended first."""
    created = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    home = target if target.is_dir() else target.parent
    try:
        for place in {target.parent, home}:
            with locked(place):
                clear(place)
        with locked(home):
            stage = Path(tempfile.mkdtemp(prefix=STAGE, dir=home))
            lock = open_locked(stage)
    except BaseException:
        _drop_empty(created)
        raise
    try:
        (stage / "files").mkdir()
        yield stage
    finally:
        stop.hold()
        shutil.rmtree(stage, ignore_errors=True)
        if lock is not None:
            os.close(lock)
        if not target.exists():
            _drop_empty(created)


def _drop_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def clear(home: Path) -> None:
    """End or clear away the stages in `home` whose owners are dead: nobody holds their lock."""
    for stage in home.glob(f"{STAGE}*"):
        try:
            lock = open_locked(stage, wait=False)
        except OSError:  # in use, or another user's
            continue
        if lock is None:
            continue
        try:
            if (stage / PLAN).is_file():
                _carry_out(stage)
            shutil.rmtree(stage, ignore_errors=True)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        finally:
            os.close(lock)


def _publish(stage: Path, target: Path, command: str, keep: Collection[str], adds: bool) -> None:
    """Put the files of a stage into `target`. Raises InputError for a file that is not ours."""
    new = sorted(
        path.relative_to(stage / "files").as_posix() for path in (stage / "files").rglob("*") if path.is_file()
    )
    if not target.exists():
        with locked(target.parent):
            if not target.exists():  # nor has another made it while we waited
                (stage / "files" / MANIFEST).write_text(_told({command: new}), encoding="utf-8")
                os.rename(stage / "files", target)
                return
    with locked(target):
        check(target, new)
        sets = manifest(target)
        old = sets.get(command, [])
        mine = sorted({*new, *(name for name in old if adds or name in keep)})
        sets = {key: left for key, files in sets.items() if (left := [name for name in files if name not in mine])}
        sets[command] = mine
        (stage / MANIFEST).write_text(_told(sets), encoding="utf-8")
        listed = {name for files in sets.values() for name in files}
        removes = [name for name in old if name not in listed]
        into = "." if stage.parent == target else target.name
        plan = json.dumps({"into": into, "moves": new, "removes": removes})
        (stage / f"{PLAN}.tmp").write_text(plan, encoding="utf-8")
        os.replace(stage / f"{PLAN}.tmp", stage / PLAN)
        _carry_out(stage)


def _told(sets: dict[str, list[str]]) -> str:
    """The manifest of these sets."""
    return json.dumps({"schema": "output/1", "files": dict(sorted(sets.items()))}, indent=1) + "\n"


def _carry_out(stage: Path) -> None:
    """Do what the stage's plan says and is not done yet: moves, the manifest, removals.

    They go into the folder around the stage, or into the one beside it that the plan names. Where a move fails the
    files that were replaced come back, and the OSError goes on.
    """
    plan = json.loads((stage / PLAN).read_text(encoding="utf-8"))
    moves, removes, into = (safe_names(names) for names in (plan["moves"], plan["removes"], [plan.get("into", ".")]))
    target = stage.parent / into[0]
    try:
        for name in moves:
            if (stage / "files" / name).is_file():
                _keep_old(stage, target, name)
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(stage / "files" / name, target / name)
        if (stage / MANIFEST).is_file():
            os.replace(stage / MANIFEST, target / MANIFEST)
    except OSError:
        for name in moves:
            if (stage / "old" / name).is_file():
                os.replace(stage / "old" / name, target / name)
            elif not (stage / "files" / name).is_file():
                (target / name).unlink(missing_ok=True)
        (stage / PLAN).unlink(missing_ok=True)
        raise
    for name in removes:
        _remove(target, name)


def _keep_old(stage: Path, target: Path, name: str) -> None:
    """A second name for the file that is about to be replaced, a copy where the file system has no second names."""
    if (target / name).is_file():
        kept = stage / "old" / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(target / name, kept)
        except OSError:
            shutil.copy2(target / name, kept)


def _remove(target: Path, name: str) -> None:
    """Remove a file of ours and the folders that it leaves empty; a link and what lies behind one stay."""
    path = target / name
    if not path.is_file() or path.is_symlink() or path.parent.resolve() != path.parent:
        return
    path.unlink()
    _drop_empty([folder for folder in path.parents if target in folder.parents])


def check(target: Path, names: Collection[str]) -> None:
    """Raise InputError where a file to be written is there and is not ours, or is no plain file."""
    ours = {name for files in manifest(target).values() for name in files}
    for name in names:
        path = target / name
        if path.is_symlink() or (path.exists() and (name not in ours or not path.is_file())):
            raise InputError("is there and not of a run of ours", file=str(path), fix="give another --out, or move it")
        for folder in path.parents:
            if folder == target:
                break
            if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
                raise InputError("is there and is no folder", file=str(folder), fix="give another --out, or move it")


def manifest(target: Path) -> dict[str, list[str]]:
    """Our files in a folder by command; empty where none. Raises InputError for a manifest that is none of ours."""
    path = target / MANIFEST
    if not path.exists() and not path.is_symlink():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["schema"] != "output/1":
            raise ValueError(found["schema"])
        return {str(command): safe_names(files) for command, files in found["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        what = "is not a manifest that simcore wrote"
        raise InputError(what, file=str(path), fix="give another --out, or remove it") from None


def safe_names(names: Any) -> list[str]:
    """Relative paths that stay inside their folder. Raises ValueError for any other."""
    for name in names:
        if not isinstance(name, str) or not name or name[0] == "/" or ".." in name.split("/") or name == MANIFEST:
            raise ValueError(f"{name!r} is not a file of a set")
    return list(names)
