"""Programs as trees of Python's own arithmetic: random ones, changed ones, two crossed."""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

Program = ast.expr
OPERATORS = (ast.Add, ast.Sub, ast.Mult)
PAIRS = ("minimum", "maximum")
SINGLES = ("sqrt", "log", "abs")
CONSTANTS = (0.01, 0.1, 0.5, 1.0, 2.0, 10.0, 100.0, 1000.0)
MOST_NODES = 15


def drawn(names: Sequence[str], rng: np.random.Generator, depth: int = 2) -> ast.expr:
    """A random program on these names."""
    if depth == 0 or rng.random() < 0.3:
        return _leaf(names, rng)
    first, second = drawn(names, rng, depth - 1), drawn(names, rng, depth - 1)
    shape = rng.random()
    if shape < 0.7:
        return ast.BinOp(first, OPERATORS[int(rng.integers(len(OPERATORS)))](), second)
    if shape < 0.85:
        return _call(PAIRS[int(rng.integers(len(PAIRS)))], first, second)
    return _call(SINGLES[int(rng.integers(len(SINGLES)))], first)


def mutated(program: ast.expr, names: Sequence[str], rng: np.random.Generator) -> ast.expr:
    """A program with one of its parts drawn anew, or a constant of it scaled."""
    found = copy.deepcopy(program)
    parts = _parts(found)
    constants = [part for part in parts if isinstance(part, ast.Constant)]
    if constants and rng.random() < 0.4:
        chosen = constants[int(rng.integers(len(constants)))]
        chosen.value = round(float(str(chosen.value)) * float(rng.choice([0.1, 0.3, 0.5, 2.0, 3.0, 10.0])), 6)
        return found
    return _with(found, int(rng.integers(len(parts))), drawn(names, rng, int(rng.integers(0, 3))))


def crossed(first: ast.expr, second: ast.expr, rng: np.random.Generator) -> ast.expr:
    """The first with a part of the second somewhere."""
    part = _parts(second)[int(rng.integers(len(_parts(second))))]
    return _with(copy.deepcopy(first), int(rng.integers(len(_parts(first)))), copy.deepcopy(part))


def size(program: ast.expr) -> int:
    """Parts of a program."""
    return len(_parts(program))


def text_of(program: ast.expr) -> str:
    """As it stands in a scenario."""
    return ast.unparse(ast.fix_missing_locations(program))


def read(text: str) -> ast.expr:
    """The tree of a program's text."""
    return ast.parse(text, mode="eval").body


def _leaf(names: Sequence[str], rng: np.random.Generator) -> ast.expr:
    if rng.random() < 0.6:
        return ast.Name(str(names[int(rng.integers(len(names)))]), ast.Load())
    return ast.Constant(float(rng.choice(CONSTANTS)))


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _parts(program: ast.expr) -> list[ast.expr]:
    """The program and all that it is made of; names of functions are none."""
    found: list[ast.expr] = [program]
    if isinstance(program, ast.BinOp):
        found += _parts(program.left) + _parts(program.right)
    elif isinstance(program, ast.UnaryOp):
        found += _parts(program.operand)
    elif isinstance(program, ast.Call):
        for argument in program.args:
            found += _parts(argument)
    return found


def _with(program: ast.expr, at: int, part: ast.expr) -> ast.expr:
    """The program whose part of that number is another."""
    old = _parts(program)[at]
    if old is program:
        return part
    for node in _parts(program):
        for field, value in list(ast.iter_fields(node)):
            if value is old:
                setattr(node, field, part)
            elif isinstance(value, list):
                items: list[Any] = [part if item is old else item for item in value]
                setattr(node, field, items)
    return program
