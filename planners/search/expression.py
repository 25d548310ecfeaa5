"""Arithmetic of a study file: laws such as `814 * (peak / 989e12) ** 0.8` and constraints such as `tp * pp <= 8`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from simcore.errors import InputError

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sqrt": np.sqrt,
    "log": np.log,
    "log2": np.log2,
    "exp": np.exp,
    "abs": np.abs,
    "minimum": np.minimum,
    "maximum": np.maximum,
    "where": np.where,
}
BINARY = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
    ast.Mod: np.mod,
    ast.FloorDiv: np.floor_divide,
}
COMPARE = {
    ast.LtE: np.less_equal,
    ast.GtE: np.greater_equal,
    ast.Lt: np.less,
    ast.Gt: np.greater,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}


@dataclass(frozen=True)
class Expression:
    """Arithmetic on columns; dotted names are read as one name. No attribute, call or index of Python is reachable.

    Raises InputError for anything but numbers, words in quotes, names, + - * / // % ** comparisons, and, or, not, and
    sqrt log log2 exp abs minimum maximum where.

    >>> law = Expression("chip.area * 2 <= 10")
    >>> law.names, law({"chip.area": np.array([4.0, 6.0])}).tolist(), law.violation({"chip.area": np.array([4.0, 6.0])})
    (('chip.area',), [True, False], array([0. , 0.2]))
    """

    text: str

    def __post_init__(self) -> None:
        self._check(self._tree)

    @cached_property
    def _tree(self) -> ast.expr:
        try:
            return ast.parse(self.text, mode="eval").body
        except SyntaxError:
            raise InputError(f"{self.text!r} is not an expression") from None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Columns that it reads, in order of appearance."""
        found: dict[str, None] = {}
        self._collect(self._tree, found)
        return tuple(found)

    def __call__(self, columns: Mapping[str, Any]) -> Any:
        """Value for columns of equal length; raises InputError for a missing column."""
        return self._value(self._tree, columns)

    def violation(self, columns: Mapping[str, Any]) -> Any:
        """How far a comparison is from holding, relative to its right side; 0 where it holds."""
        tree = self._tree
        if isinstance(tree, ast.Compare) and len(tree.ops) == 1 and isinstance(tree.ops[0], _GRADED):
            left, right = self._value(tree.left, columns), self._value(tree.comparators[0], columns)
            over = np.subtract(left, right) if isinstance(tree.ops[0], ast.LtE | ast.Lt) else np.subtract(right, left)
            graded = np.maximum(over / np.maximum(np.abs(right), 1e-12), 0.0)
            return np.where(self(columns), 0.0, np.maximum(graded, 1e-12))
        return np.where(self(columns), 0.0, 1.0)

    def _value(self, node: ast.expr, columns: Mapping[str, Any]) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name | ast.Attribute):
            name = _dotted(node)
            if name not in columns:
                raise InputError(f"unknown name {name!r} in {self.text!r}")
            return columns[name]
        if isinstance(node, ast.BinOp):
            return BINARY[type(node.op)](self._value(node.left, columns), self._value(node.right, columns))
        if isinstance(node, ast.UnaryOp):
            inner = self._value(node.operand, columns)
            return np.logical_not(inner) if isinstance(node.op, ast.Not) else np.negative(inner)
        if isinstance(node, ast.BoolOp):
            join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            return join.reduce([self._value(part, columns) for part in node.values])
        if isinstance(node, ast.Call):
            return FUNCTIONS[node.func.id](*(self._value(a, columns) for a in node.args))  # type: ignore[attr-defined]
        assert isinstance(node, ast.Compare)
        sides = [self._value(part, columns) for part in (node.left, *node.comparators)]
        checks = [COMPARE[type(op)](a, b) for op, a, b in zip(node.ops, sides, sides[1:], strict=False)]
        return checks[0] if len(checks) == 1 else np.logical_and.reduce(checks)

    def _check(self, node: ast.expr) -> None:
        allowed = (
            isinstance(node, ast.Constant | ast.Name | ast.Attribute | ast.BoolOp)
            or (isinstance(node, ast.BinOp) and type(node.op) in BINARY)
            or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not))
            or (isinstance(node, ast.Compare) and all(type(op) in COMPARE for op in node.ops))
            or (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in FUNCTIONS
                and not node.keywords
            )
        )
        if not allowed:
            part = ast.unparse(node)
            raise InputError(f"{part!r} is not possible in {self.text!r}", fix=f"functions: {', '.join(FUNCTIONS)}")
        if isinstance(node, ast.Attribute):
            _dotted(node)
            return
        inner = node.args if isinstance(node, ast.Call) else list(ast.iter_child_nodes(node))
        for child in inner:
            if isinstance(child, ast.expr):
                self._check(child)

    def _collect(self, node: ast.expr, found: dict[str, None]) -> None:
        if isinstance(node, ast.Name | ast.Attribute):
            found[_dotted(node)] = None
            return
        for child in node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._collect(child, found)


_GRADED = (ast.LtE, ast.Lt, ast.GtE, ast.Gt)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    raise InputError(f"{ast.unparse(node)!r} is not a name")
