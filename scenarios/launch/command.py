"""`vllm serve MODEL -tp 4 ...` read as keys of a scenario.

Each server is one module of `servers` with `STARTS` (words that its command begins with, program and module aside),
`FLAGS` (flag -> `Flag`), `NEUTRAL` (flags that move no answer) and `settled(found)` (what flags mean together). Where
the command and the scenario say different things the scenario is refused. Flags that nothing here reads are told by
name.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from simcore.errors import InputError
from simcore.kept.lazy import dataclass
from simcore.registry import PluginRegistry
from simcore.spec.scenario import put

Raw = dict[str, Any]
SERVERS: PluginRegistry = PluginRegistry("server", "scenarios.launch.servers", "FLAGS")
PROGRAMS = ("python", "python3", "-m", "exec", "env", "nohup", "mpirun", "trtllm-llmapi-launch")
KEY = "policy.launch"
NEUTRAL = frozenset(
    (
        "--host",
        "--port",
        "--trust-remote-code",
        "--served-model-name",
        "--api-key",
        "--dtype",
        "--load-format",
        "--download-dir",
    )
)
"""flags of every server that move no answer; each server adds its own"""


@dataclass(frozen=True)
class Flag:
    """What a flag sets: `key` is a scenario's, or a word for `settled`."""

    key: str
    read: Callable[[str], Any] = str
    value: Any = None
    """of a flag that stands alone"""
    words: Mapping[str, str] | None = None
    """what the server calls a value of ours, where it takes no others; for whoever writes a command"""


def with_launch(raw: Raw, file: str = "") -> tuple[Raw, tuple[str, ...]]:
    """(the tables with the launch command's settings in them, what to tell). Raises InputError."""
    policy = raw.get("policy")
    text = policy.get("launch") if isinstance(policy, dict) else None
    if text is None:
        return raw, ()
    if not isinstance(text, str) or not text.strip():
        raise InputError("is no command line", file=file, key=KEY, fix='write for example "vllm serve MODEL -tp 4"')
    found, unread = settings(text, file)
    rest = {name: value for name, value in policy.items() if name != "launch"}  # type: ignore[union-attr]
    tables = {**{name: _copied(part) for name, part in raw.items()}, "policy": rest}
    for key, value in found.items():
        said = _said(tables, key)
        if said is None:
            put(tables, key, value, file)
        elif not _same(key, said, value):
            what = f"says {said!r}, the launch command {value!r}"
            raise InputError(what, file=file, key=key, fix="leave one of them out")
    notes = (f"flags that nothing here reads: {', '.join(unread)}",) if unread else ()
    return tables, notes


def settings(text: str, file: str = "") -> tuple[dict[str, Any], list[str]]:
    """(scenario key -> value, flags that were not read) of a command line. Raises InputError."""
    try:
        words = shlex.split(text.replace("\\\n", " "), comments=True)
    except ValueError as error:
        raise InputError(f"{error} in the command line", file=file, key=KEY) from None
    while words and (words[0].split("/")[-1] in PROGRAMS or "=" in words[0].split("/")[0]):
        words = words[1:]
    name, server, rest = _server(words, file)
    found: dict[str, Any] = {"hardware.stack": name}
    unread: list[str] = []
    for flag, value in _pairs(rest, server):
        if flag is None:
            found.setdefault("model.name", value)
            continue
        known: Flag | None = server.FLAGS.get(flag)
        if known is None:
            if flag not in NEUTRAL | server.NEUTRAL:
                unread.append(flag)
            continue
        found[known.key] = known.value if known.value is not None else _read(known, flag, value, file)
    return server.settled(found), unread


def flag_settings(stack: str, text: str, file: str = "") -> tuple[dict[str, Any], list[str]]:
    """As `settings`, of a whole command or of a server's flags alone."""
    server = SERVERS.implementation(stack)
    return settings(text if not text.lstrip().startswith("-") else f"{' '.join(server.STARTS[0])} {text}", file)


def _server(words: list[str], file: str) -> tuple[str, Any, list[str]]:
    """(stack, its module, the words after its command)."""
    for name in SERVERS:
        server = SERVERS.implementation(name)
        for start in server.STARTS:
            if [word.split("/")[-1] for word in words[: len(start)]] == list(start):
                return name, server, words[len(start) :]
    what = f"{' '.join(words[:2])!r} starts no server that is known"
    raise InputError(what, file=file, key=KEY, fix="vllm serve, sglang.launch_server or trtllm-serve")


def _pairs(words: list[str], server: Any) -> Iterator[tuple[str | None, str]]:
    """(flag or None, value): `--a b`, `--a=b`, flags that stand alone, and the model."""
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if not word.startswith("-"):
            yield None, word
            continue
        flag, equals, value = word.partition("=")
        flag = "--" + flag.lstrip("-").replace("_", "-") if flag.startswith("--") else flag
        known: Flag | None = server.FLAGS.get(flag)
        alone = known is not None and known.value is not None
        if not equals and not alone and at < len(words) and not _is_flag(words[at]):
            value, at = words[at], at + 1
        yield flag, value


def _is_flag(word: str) -> bool:
    """Whether a word is a flag, not a negative number."""
    return word.startswith("-") and not word[1:2].isdigit()


def _read(flag: Flag, name: str, value: str, file: str) -> Any:
    try:
        return flag.read(value)
    except (ValueError, KeyError, RecursionError):
        raise InputError(f"{name} {value!r} is no value of that flag", file=file, key=KEY) from None


def _copied(part: Any) -> Any:
    return {name: _copied(value) for name, value in part.items()} if isinstance(part, dict) else part


def _said(tables: Mapping[str, Any], key: str) -> Any:
    here: Any = tables
    for name in key.split("."):
        here = here.get(name) if isinstance(here, Mapping) else None
    return here


def _same(key: str, said: Any, value: Any) -> bool:
    """Whether both mean the same thing: a stack's release aside, a model by what its name stands for."""
    if not (isinstance(said, str) and isinstance(value, str)):
        return bool(said == value)
    if said.partition("@")[0].strip().lower() == value.lower():
        return True
    if key != "model.name":
        return False
    from scenarios.names import resolve

    try:
        return bool(resolve("model", said).value == resolve("model", value).value)
    except InputError:
        return False


def whole(text: str) -> int:
    """A count, as servers write it: 8192, 8k, 8K (1,000), 8Ki.

    >>> whole("8k"), whole("2Ki"), whole("512")
    (8000, 2048, 512)
    """
    for ending, factor in (("ki", 1024), ("mi", 1024**2), ("k", 1000), ("m", 10**6)):
        if text.lower().endswith(ending):
            return int(float(text[: -len(ending)]) * factor)
    found = int(text)
    if found < 0:
        raise ValueError(text)
    return found


KV = {"auto": None, "bfloat16": "bf16", "float16": "bf16", "bf16": "bf16", "fp16": "bf16"}


def kv_format(text: str) -> str | None:
    """The format of the KV cache; None leaves the default.

    >>> kv_format("fp8_e4m3"), kv_format("auto")
    ('fp8', None)
    """
    if text.startswith("fp8"):
        return "fp8"
    return KV[text]


WEIGHTS = {
    "fp8": "fp8",
    "w8a8_fp8": "fp8",
    "modelopt": "fp8",
    "modelopt_fp8": "fp8",
    "modelopt_fp4": "fp4",
    "nvfp4": "fp4",
    "mxfp4": "mxfp4",
    "awq": "int4",
    "awq_marlin": "int4",
    "gptq": "int4",
    "gptq_marlin": "int4",
    "w8a8_int8": "int8",
    "bitsandbytes": "int4",
}


def weight_format(text: str) -> str:
    """The format that a quantisation method stores weights in; KeyError for one that is not known."""
    return WEIGHTS[text.lower().replace("-", "_")]


def parallel(found: dict[str, Any], ranks: int, attends_apart: bool) -> dict[str, Any]:
    """Settings with `dp` of a server's words as attention ranks that share experts, or as replicas.

    `ranks`: its data parallelism; `attends_apart`: whether those ranks share a model's experts.
    """
    if ranks > 1:
        found["plan.attention_dp" if attends_apart else "plan.dp"] = ranks
    return {key: value for key, value in found.items() if value is not None and "." in key}
