"""Arithmetic of a study file: laws such as `814 * (peak / 989e12) ** 0.8` and constraints such as `tp * pp <= 8`.

Numbers are 64-bit floats throughout, so a whole number neither wraps nor grows without end; words are compared only.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from simcore.errors import InputError
from simcore.kept.lazy import dataclass

FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "sqrt": (np.sqrt, 1),
    "log": (np.log, 1),
    "log2": (np.log2, 1),
    "exp": (np.exp, 1),
    "abs": (np.abs, 1),
    "minimum": (np.minimum, 2),
    "maximum": (np.maximum, 2),
    "where": (np.where, 3),
}
"""by name: the function and how many arguments it takes"""
MOST_CHARACTERS = 2_000
MOST_EXPONENT = 1_000.0
MOST_DEPTH = 250
"""the same for every Python, whose own limits differ"""
BINARY = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
    ast.Mod: np.mod,
    ast.FloorDiv: np.floor_divide,
}
ORDER = {ast.LtE: np.less_equal, ast.GtE: np.greater_equal, ast.Lt: np.less, ast.Gt: np.greater}
COMPARE = (*ORDER, ast.Eq, ast.NotEq)


def _depth(tree: ast.AST) -> int:
    """Levels of a tree, however many."""
    found, level = 0, [tree]
    while level:
        found, level = found + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return found


@dataclass(frozen=True)
class Expression:
    """Arithmetic on columns; dotted names are read as one name. No attribute, call or index of Python is reachable.

    Raises InputError for anything but numbers, words in quotes, names, + - * / // % ** comparisons, and, or, not, and
    sqrt log log2 exp abs minimum maximum where; for a wrong number of arguments, for words in arithmetic, for constants
    that are not finite and for exponents beyond 1000.

    >>> law = Expression("chip.area * 2 <= 10")
    >>> law.names, law({"chip.area": np.array([4.0, 6.0])}).tolist(), law.violation({"chip.area": np.array([4.0, 6.0])})
    (('chip.area',), [True, False], array([0. , 0.2]))
    """

    text: str

    def __post_init__(self) -> None:
        if _depth(self._tree) > MOST_DEPTH:
            raise InputError(f"{self.text!r} is nested too deeply")
        try:
            self._check(self._tree)
            self._check_constants(self._tree)
            for name in {"nan", "inf"}.intersection(self.names):
                raise InputError(f"{name!r} is no number in {self.text!r}")
        except RecursionError:
            raise InputError(f"{self.text!r} is nested too deeply") from None

    @cached_property
    def _tree(self) -> ast.expr:
        if len(self.text) > MOST_CHARACTERS:
            raise InputError(f"{self.text!r} is longer than {MOST_CHARACTERS} characters")
        try:
            return ast.parse(self.text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise InputError(f"{self.text!r} is not an expression") from None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Columns that it reads, in order of appearance."""
        found: dict[str, None] = {}
        self._collect(self._tree, found)
        return tuple(found)

    def renamed(self, names: Mapping[str, str]) -> Expression:
        """The same arithmetic under other names; names that are not told stay.

        >>> Expression("tp * pp <= 8").renamed({"tp": "plan.tp"}).text
        'plan.tp * pp <= 8'
        """
        changes = {old: new for old, new in names.items() if old != new and old in self.names}
        if not changes:
            return self
        return Expression(ast.unparse(_Renamed(changes).visit(ast.parse(self.text, mode="eval"))))

    def __call__(self, columns: Mapping[str, Any]) -> Any:
        """Value for columns of equal length; raises InputError for a missing column and for words in arithmetic."""
        with np.errstate(all="ignore"):
            return self._value(self._tree, columns)

    def number(self, columns: Mapping[str, Any]) -> Any:
        """The value as 64-bit floats; raises InputError also where it is a word."""
        with np.errstate(all="ignore"):
            return self._number(self._tree, columns)

    def violation(self, columns: Mapping[str, Any]) -> Any:
        """How far a comparison is from holding, relative to its right side; 0 where it holds."""
        tree = self._tree
        if isinstance(tree, ast.Compare) and len(tree.ops) == 1 and type(tree.ops[0]) in ORDER:
            with np.errstate(all="ignore"):
                left, right = (self._number(part, columns) for part in (tree.left, tree.comparators[0]))
                over = left - right if isinstance(tree.ops[0], ast.LtE | ast.Lt) else right - left
                graded = np.maximum(over / np.maximum(np.abs(right), 1e-12), 0.0)
            return np.where(self(columns), 0.0, np.maximum(graded, 1e-12))
        return np.where(self(columns), 0.0, 1.0)

    def _number(self, node: ast.expr, columns: Mapping[str, Any]) -> Any:
        """The value of a part as 64-bit floats. Raises InputError for words."""
        try:
            return np.asarray(self._value(node, columns), np.float64)[()]
        except (ValueError, TypeError, OverflowError):
            raise InputError(f"{ast.unparse(node)!r} is not a number in {self.text!r}") from None

    def _value(self, node: ast.expr, columns: Mapping[str, Any]) -> Any:
        if isinstance(node, ast.Constant):
            return _plain(node.value)
        if isinstance(node, ast.Name | ast.Attribute):
            name = _dotted(node)
            if name not in columns:
                raise InputError(f"unknown name {name!r} in {self.text!r}")
            return _plain(columns[name])
        if isinstance(node, ast.BinOp):
            return BINARY[type(node.op)](self._number(node.left, columns), self._number(node.right, columns))
        if isinstance(node, ast.UnaryOp):
            inner = self._number(node.operand, columns)
            return np.logical_not(inner) if isinstance(node.op, ast.Not) else np.negative(inner)
        if isinstance(node, ast.BoolOp):
            join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            parts = [self._number(part, columns) for part in node.values]
            return join.reduce(np.broadcast_arrays(*parts))
        if isinstance(node, ast.Call):
            return self._called(node, columns)
        assert isinstance(node, ast.Compare)
        checks = [
            self._compared(op, left, right, columns)
            for op, left, right in zip(node.ops, (node.left, *node.comparators), node.comparators, strict=False)
        ]
        return checks[0] if len(checks) == 1 else np.logical_and.reduce(np.broadcast_arrays(*checks))

    def _called(self, node: ast.Call, columns: Mapping[str, Any]) -> Any:
        assert isinstance(node.func, ast.Name)
        function, _ = FUNCTIONS[node.func.id]
        if node.func.id == "where":
            choices = (self._value(part, columns) for part in node.args[1:])
            return function(self._number(node.args[0], columns), *choices)
        return function(*(self._number(part, columns) for part in node.args))

    def _compared(self, op: ast.cmpop, left: ast.expr, right: ast.expr, columns: Mapping[str, Any]) -> Any:
        """Numbers by size; words for equality only, never equal to a number."""
        if type(op) in ORDER:
            return ORDER[type(op)](self._number(left, columns), self._number(right, columns))
        sides = [np.asarray(self._value(part, columns)) for part in (left, right)]
        if any(side.dtype.kind not in "bf" for side in sides):
            sides = [side.astype(object) for side in sides]
        equal = np.asarray(sides[0] == sides[1], bool)
        return ~equal if isinstance(op, ast.NotEq) else equal

    def _check_constants(self, node: ast.expr) -> None:
        """Parts without names must be finite, and exponents within bounds."""
        found: dict[str, None] = {}
        self._collect(node, found)
        if not found and not isinstance(node, ast.Constant):
            with np.errstate(all="ignore"):
                value = np.asarray(self._value(node, {}))
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                raise InputError(f"{ast.unparse(node)!r} is not finite in {self.text!r}")
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            power: dict[str, None] = {}
            self._collect(node.right, power)
            if not power and abs(self._number(node.right, {})) > MOST_EXPONENT:
                what = f"the exponent {ast.unparse(node.right)!r} is beyond {MOST_EXPONENT:g} in {self.text!r}"
                raise InputError(what)
        for child in node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node):
            if isinstance(child, ast.expr) and not isinstance(node, ast.Attribute):
                self._check_constants(child)

    def _check(self, node: ast.expr) -> None:
        allowed = (
            (isinstance(node, ast.Constant) and isinstance(node.value, int | float | str))
            or isinstance(node, ast.Name | ast.Attribute | ast.BoolOp)
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
        if isinstance(node, ast.Constant):
            self._check_constant(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            count = FUNCTIONS[node.func.id][1]
            if len(node.args) != count:
                what = f"{node.func.id} takes {count} argument{'s' if count > 1 else ''}, not {len(node.args)}"
                raise InputError(f"{what}, in {self.text!r}")
        if isinstance(node, ast.Attribute):
            _dotted(node)
            return
        inner = node.args if isinstance(node, ast.Call) else list(ast.iter_child_nodes(node))
        for child in inner:
            if isinstance(child, ast.expr):
                self._check(child)

    def _check_constant(self, node: ast.Constant) -> None:
        try:
            finite = isinstance(node.value, str) or np.isfinite(float(node.value))  # type: ignore[arg-type]
        except OverflowError:
            finite = False
        if not finite:
            raise InputError(f"a number is not finite in {self.text!r}")

    def _collect(self, node: ast.expr, found: dict[str, None]) -> None:
        if isinstance(node, ast.Name | ast.Attribute):
            found[_dotted(node)] = None
            return
        for child in node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._collect(child, found)


class _Renamed(ast.NodeTransformer):
    """Dotted names replaced as wholes."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._renamed(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self._renamed(node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        node.args = [self.visit(part) for part in node.args]
        return node

    def _renamed(self, node: ast.expr) -> ast.expr:
        new = self.names.get(_dotted(node))
        return node if new is None else ast.parse(new, mode="eval").body


def _plain(value: Any) -> Any:
    """Numbers as 64-bit floats; truth values and words as they are."""
    found = np.asarray(value)
    if found.dtype.kind == "O" and all(isinstance(v, int | float) for v in found.flat):
        found = found.astype(np.float64)
    return np.asarray(found, np.float64)[()] if found.dtype.kind in "iuf" else found[()]


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    raise InputError(f"{ast.unparse(node)!r} is not a name")
