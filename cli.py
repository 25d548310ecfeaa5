"""The command line: mounts the groups of `commands/`, turns bad input into one line and exit code 2."""

from __future__ import annotations

import gc
import importlib
import inspect
import io
import os
import pkgutil
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache, wraps
from typing import Annotated, Any, NoReturn

import typer

app = typer.Typer(
    help="Which chips, plan and policy serve or train a model best: how fast, at what power and cost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


WITHOUT_ALGEBRA = ("capacity", "doctor", "estimate", "list", "migrate", "report", "show", "simulate", "sweep", "train")
"""commands that solve no systems of equations: a second thread of numpy's would only cost its start"""


LEAST_GARBAGE = 200_000
"""objects made before the collector looks for circles: a start makes fewer, and none of its circles dies"""


def mount_one(command: str) -> typer.Typer:
    """The command alone where a module of `commands` has its name: the others need not be read. Else all."""
    import commands

    known = {module.name for module in pkgutil.iter_modules(commands.__path__)}
    if command not in known or command.startswith("validate_"):
        return mount()
    return app if registered(command) else mount()


@cache
def registered(name: str) -> bool:
    """Whether a module of `commands` adds commands; they are added once, however often it is asked."""
    module = importlib.import_module(f"commands.{name}")
    if hasattr(module, "register"):
        module.register(app)
    return hasattr(module, "register")


@cache
def mount() -> typer.Typer:
    """Every module of `commands` with a `register(app)` has added its commands."""
    import commands

    for found in sorted(pkgutil.iter_modules(commands.__path__), key=lambda m: m.name):
        if not found.name.startswith("validate_"):
            registered(found.name)
    return app


def print_version(asked: bool) -> None:
    """The version, and nothing else, where it was asked for."""
    if asked:
        from simcore.spec.version import VERSION

        print(f"simcore {VERSION}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=print_version)
    ] = False,
) -> None:
    """Before any command."""


def main() -> None:
    """Entry point of `simcore`."""
    from commands.asked import check_once
    from simcore.errors import SimcoreError

    gc.set_threshold(LEAST_GARBAGE)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # none is ours, and looking for them takes longer
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us: what is printed goes nowhere
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):  # letters that a terminal does not know are spelt
            stream.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:] or ["--help"]
    if arguments[0] in WITHOUT_ALGEBRA:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        found = typer.main.get_command(quiet_everywhere(mount_one(arguments[0].replace("-", "_"))))
        check_once(found, arguments)
        code = found(prog_name="simcore", standalone_mode=False, args=arguments)
        sys.stdout.flush()
        if code == STOPPED:  # a signal, that the parser of commands has taken in hand
            raise KeyboardInterrupt
    except SimcoreError as error:
        fail(str(error))
    except SystemExit:
        if type(sys.stdout).__name__ != "PacifyFlushWrapper":  # what click puts there when the reader has gone
            raise
        code = 0
    except BrokenPipeError:
        drop_output()  # whoever read has gone
        code = 0
    except KeyboardInterrupt:
        fail(f"stopped; finished files are kept{GOES_ON.get(arguments[0], '')}", STOPPED)
    except (OSError, UnicodeError, OverflowError, RecursionError, MemoryError) as error:
        fail(told(error))
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        fail(usage(error))
    sys.exit(code if isinstance(code, int) else 0)


STOPPED = 130
GOES_ON = {
    "search": "; the same command with --resume goes on",
    "study": "; with --out, the same command finds what was finished",
}
"""command -> what to tell whoever stops it"""


def quiet_everywhere(group: typer.Typer) -> typer.Typer:
    """Every command with `--quiet` and `-q`: one that has none of its own prints nothing with it but errors."""
    for info in group.registered_commands:
        if info.callback is not None and "quiet" not in inspect.signature(info.callback).parameters:
            info.callback = hushed(info.callback)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            quiet_everywhere(inner.typer_instance)
    return group


def hushed(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command whose output goes nowhere with `--quiet`."""
    from commands.asked import Quiet

    @wraps(command)
    def inner(*values: Any, quiet: bool = False, **named: Any) -> Any:
        if not quiet:
            return command(*values, **named)
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            return command(*values, **named)

    own = inspect.signature(command, eval_str=True)
    more = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Quiet)
    inner.__signature__ = own.replace(parameters=[*own.parameters.values(), more])  # type: ignore[attr-defined]
    inner.__annotations__ = {**inner.__annotations__, "quiet": Quiet}
    return inner


def told(error: BaseException) -> str:
    """One line about what a command could not do for reasons of the system or of the size of its input."""
    from simcore.errors import brief

    where = getattr(error, "filename", None)
    what = getattr(error, "strerror", None) or str(error) or "no reason given"
    kinds = {
        MemoryError: "not enough memory",
        RecursionError: "nested too deeply",
        OverflowError: "a number is too large",
    }
    kind = next((text for known, text in kinds.items() if isinstance(error, known)), "")
    return ": ".join(brief(str(part)) for part in (where, kind, what) if part)


def usage(error: Any) -> str:
    """What a wrong call is told: one line with the way to the help, or the whole help where nothing was asked."""
    from simcore.errors import brief

    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message())
        sys.exit(0)
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "simcore"
    message = error.format_message()
    for theirs, ours in THEIRS:
        message = message.replace(theirs, ours)
    return f"{brief(message, 400).rstrip('.')}; see `{path} --help`"


THEIRS = (
    ("Input should be a valid integer, unable to parse string as an integer", "not a whole number"),
    ("Input should be a valid number, unable to parse string as a number", "not a number"),
    ("Input should be", "it must be"),
)
"""what the parser of some typers says -> the same in our words"""


def fail(message: str, code: int = 2) -> NoReturn:
    """One line on standard error."""
    print(f"simcore: {message}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        drop_output()
    sys.exit(code)


def drop_output() -> None:
    """What standard output cannot take goes nowhere: the interpreter would try again at its end, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    main()
