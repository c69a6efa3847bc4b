"""What a stranger's one-line function returns: evaluated by us, in bounded time and memory.

Nothing is compiled or executed. Numbers, texts and comparisons of a few nodes are reckoned one
operation at a time, and a result that would be large is refused before it is made.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sami_eval.core.source import parsed

Value = int | float | str
TRIALS: tuple[Value, ...] = (0, 1, 3, 7, 20, "", "ab", "river")
MOST_SOURCE, MOST_NODES, MOST_LITERAL = 600, 30, 1000
MOST_BITS, MOST_CHARACTERS = 1024, 4096

_BINARY: dict[type[ast.operator], Callable[..., Value]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
_UNARY: dict[type[ast.unaryop], Callable[..., Value]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
_COMPARE: dict[type[ast.cmpop], Callable[..., bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, several: one in several,
    ast.NotIn: lambda one, several: one not in several,
}
_CALLS: dict[str, Callable[..., Value]] = {
    "len": len, "max": max, "min": min, "abs": abs, "str": str, "int": int,
}  # fmt: skip
_NODES = (
    *(ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.BoolOp, ast.Call, ast.Name),
    *(ast.Constant, ast.Load, ast.boolop, *_BINARY, *_UNARY, *_COMPARE),
)


class Function(NamedTuple):
    """A one-line function of safe parts: its name, its parameter, what it returns."""

    name: str
    parameter: str
    value: ast.expr

    def results(self) -> list[object]:
        """What it returns for each of TRIALS; the kind of the error where it has one."""
        return [self._result(trial) for trial in TRIALS]

    def _result(self, trial: Value) -> object:
        try:
            return _evaluate(self.value, self.parameter, trial)
        except (TypeError, ValueError, ArithmeticError) as error:
            return type(error)


class _TooLargeError(ValueError):
    """A result that is not made, for its size."""


def read_function(source: str) -> Function | None:
    """The function a source is, or None where it is anything but one of safe parts."""
    if len(source) > MOST_SOURCE:
        return None
    try:
        with warnings.catch_warnings():  # on a stranger's odd escapes
            warnings.simplefilter("ignore")
            (function,) = parsed(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: nested deeply
        return None
    match function:
        case ast.FunctionDef(
            name=name,
            args=ast.arguments(args=[ast.arg(arg=parameter)]),
            body=[*docstring, ast.Return(value=ast.expr() as value)],
        ) if all(isinstance(line, ast.Expr) for line in docstring) and _is_safe(value, parameter):
            return Function(name, parameter, value)
    return None


def _is_safe(value: ast.expr, parameter: str) -> bool:
    called = {id(node.func) for node in ast.walk(value) if isinstance(node, ast.Call)}

    def safe(node: ast.AST) -> bool:
        if isinstance(node, ast.Call):
            return isinstance(node.func, ast.Name) and not node.keywords
        if isinstance(node, ast.Constant):
            small = isinstance(node.value, int) and abs(node.value) <= MOST_LITERAL
            return small or isinstance(node.value, float | str)
        if isinstance(node, ast.Name):
            return node.id in (_CALLS if id(node) in called else (parameter,))
        return isinstance(node, _NODES)

    nodes = list(ast.walk(value))
    return len(nodes) <= MOST_NODES and all(map(safe, nodes)) and parameter not in _CALLS


def _evaluate(node: ast.expr, parameter: str, given: Value) -> Value:
    """One node's value; nodes are few, so the recursion is shallow."""

    def of(inner: ast.expr) -> Value:
        return _evaluate(inner, parameter, given)

    match node:
        case ast.Constant(value=int() | float() | str() as constant):
            return constant
        case ast.Name():
            return given
        case ast.UnaryOp():
            return _bounded(_UNARY[type(node.op)](of(node.operand)))
        case ast.BinOp():
            return _combined(type(node.op), of(node.left), of(node.right))
        case ast.IfExp():
            return of(node.body) if of(node.test) else of(node.orelse)
        case ast.BoolOp():
            return _either(isinstance(node.op, ast.Or), node.values, of)
        case ast.Compare():
            return _compared(node, of)
        case ast.Call(func=ast.Name(id=name)):
            return _bounded(_CALLS[name](*map(of, node.args)))
    raise TypeError(type(node).__name__)


def _either(wanted: bool, values: Sequence[ast.expr], of: Callable[[ast.expr], Value]) -> Value:
    """The first of several whose truth decides, as `or` and `and` give it."""
    value: Value = False
    for one in values:
        value = of(one)
        if bool(value) == wanted:
            break
    return value


def _compared(node: ast.Compare, of: Callable[[ast.expr], Value]) -> bool:
    left = of(node.left)
    for op, right in zip(node.ops, map(of, node.comparators), strict=False):
        if not _COMPARE[type(op)](left, right):
            return False
        left = right
    return True


def _combined(kind: type[ast.operator], left: Value, right: Value) -> Value:
    if kind is ast.Mult and (isinstance(left, str) or isinstance(right, str)):
        text, times = (left, right) if isinstance(left, str) else (right, left)
        if isinstance(text, str) and isinstance(times, int) and len(text) * times > MOST_CHARACTERS:
            raise _TooLargeError
    if kind is ast.Mod and isinstance(left, str):  # a format may ask for any width
        raise TypeError("a text has no rest")
    return _bounded(_BINARY[kind](left, right))


def _bounded(value: Value) -> Value:
    """The value, where it is of a size that the next operation can take."""
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise _TooLargeError
    if isinstance(value, str) and len(value) > MOST_CHARACTERS:
        raise _TooLargeError
    return value
