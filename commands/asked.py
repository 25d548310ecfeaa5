"""What the verbs share: the file, `--set`, `--vary`; that no option is given twice with other values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

File = Annotated[Path, typer.Argument(help="Scenario file (TOML, schema scenario/2); see examples/.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE of the scenario, e.g. plan.tp=8; repeatable.")]
Vary = Annotated[list[str] | None, typer.Option("--vary", help="KEY=A,B: an axis, e.g. plan.tp=1,2,4; repeatable.")]
Launch = Annotated[
    str | None, typer.Option(help='A server\'s own command, e.g. "vllm serve MODEL -tp 4": its flags become settings.')
]
HostLink = Annotated[
    str | None,
    typer.Option("--link", help='What joins chips of a host without peer-to-peer, e.g. "16 GB/s, 20 us".'),
]
Pictures = Annotated[
    bool, typer.Option("--pictures", help="Also every figure of the page as PNG, SVG and CSV, for papers.")
]
Html = Annotated[Path | None, typer.Option("--html", help="Write the answer as a page (HTML) to this file.")]
LEAST_S = 1e-6
"""of a limit on time"""
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


def _on_shelf(context: typer.Context, folders: list[Path] | None) -> list[Path]:
    """The folders in use until the command ends; an empty list for none, since older typers convert what comes back."""
    if folders:
        from hardware_specs.shelves import using

        context.with_resource(using(folders))
    return folders or []


Calibration = Annotated[
    list[Path] | None,
    typer.Option(
        "--calibration",
        help="Folder of calibrate or calibrate-across whose fits answer before the package's; repeatable.",
        callback=_on_shelf,
    ),
]


def asked(
    file: Path,
    changes: list[str] | None = None,
    vary: list[str] | None = None,
    launch: str | None = None,
    link: str | None = None,
) -> Any:
    """The scenario of a file with keys set and axes added; notices are notes of the answer. Raises InputError."""
    from scenarios.read import parse_set, parse_vary, read, with_changes

    settings = parse_set(changes or ())
    said = {"policy.launch": launch, "hardware.link": link}
    scenario = read(file, settings | {key: value for key, value in said.items() if value is not None})
    if vary:
        scenario = with_changes(scenario, {"vary": {**scenario.vary, **parse_vary(vary)}})
    return scenario


MOST_SHOWN = 60
"""characters of a value that stands twice, in a message"""


def check_once(command: Any, words: Sequence[str]) -> None:
    """Raises InputError for an option of a command (or of one of its group) that is given twice with other values."""
    from simcore.errors import InputError, brief

    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    command = getattr(command, "commands", {}).get("run", command)  # of a group that runs by default
    known = {name: one for one in command.params for name in (*one.opts, *one.secondary_opts) if name[:2] == "--"}
    said: dict[str, str] = {}
    for at, word in enumerate(words[: words.index("--")] if "--" in words else words):
        name, equals, value = word.partition("=")
        option = known.get(name)
        if option is None or option.multiple:
            continue
        value = value if equals else name if option.is_flag else "".join(words[at + 1 : at + 2])
        first = said.setdefault(option.name, value)
        if first != value:
            what = f"is given twice, as {brief(first, MOST_SHOWN)} and {brief(value, MOST_SHOWN)}"
            raise InputError(what, key=name, fix="give it once")
