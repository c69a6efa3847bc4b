"""Whether a response gives the right answer of its task, where the task has one."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from fractions import Fraction

from sami_eval.embedded.entities import COLOURS, NAMES
from sami_eval.types import Prompt

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_MARKED = re.compile(r"answer\W{0,3}(?:is\W{0,3})?(-?\d+(?:\.\d+)?)", re.IGNORECASE)


def last_number(text: str) -> Fraction | None:
    """The number after the last "answer", else the last number of all; None without one."""
    plain = text.replace("−", "-").replace("$", "")
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", plain)
    found = _MARKED.findall(plain) or _NUMBER.findall(plain)
    return Fraction(found[-1]) if found else None


def _number_is(reference: str, prompt: Prompt, turn: int, text: str) -> bool:
    return last_number(text) == Fraction(reference)


def alternatives(prompt: Prompt, turn: int, reference: str) -> list[str]:
    """Names (or colours) of the puzzle up to this turn, the right one among them."""
    words = re.findall(r"\w+", " ".join(prompt.turns[: turn + 1]))
    kinds = NAMES if reference in NAMES else COLOURS
    return sorted({word for word in words if word in kinds} | {reference})


def _concludes(reference: str, prompt: Prompt, turn: int, text: str) -> bool:
    """Steps, reasons and what was ruled out set aside, only the right name is left."""
    lines = [
        re.split(r"\b(?:because|since|as|for)\b", line, maxsplit=1)[0]
        for line in text.splitlines()
        if not re.match(r"\s*(?:step\b|\d+[.):])", line, re.IGNORECASE)
        and "ruled out" not in line.lower()
    ]
    said = set(re.findall(r"\w+", " ".join(lines)))
    return said & set(alternatives(prompt, turn, reference)) == {reference}


def _states_facts(reference: str, prompt: Prompt, turn: int, text: str) -> bool:
    facts = reference.split("; ")
    return all(re.search(rf"\b{re.escape(fact)}\b", text) for fact in facts)


_SAFE_NODES = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.BoolOp, ast.Call, ast.Name,
    ast.Constant, ast.Load, ast.operator, ast.unaryop, ast.cmpop, ast.boolop,
)  # fmt: skip
_SAFE_CALLS = {"len": len, "max": max, "min": min, "abs": abs, "str": str, "int": int}
_TRIALS: tuple[int | str, ...] = (0, 1, 3, 7, 20, "", "ab", "river")


def function_source(text: str) -> str | None:
    """The first function in a response: its def line and what is indented below it."""
    found = re.search(r"^def [^\n]*\n(?:[ \t]+[^\n]*\n?)+", text, re.MULTILINE)
    return found.group(0) if found else None


def _expression(source: str) -> tuple[str, str, ast.expr] | None:
    """Name, parameter and returned expression of a one-line function of safe parts."""
    try:
        (function,) = ast.parse(source).body
    except (SyntaxError, ValueError):
        return None
    match function:
        case ast.FunctionDef(
            name=name,
            args=ast.arguments(args=[ast.arg(arg=parameter)]),
            body=[*docstring, ast.Return(value=ast.expr() as value)],
        ) if all(isinstance(line, ast.Expr) for line in docstring) and _is_safe(value, parameter):
            return name, parameter, value
    return None


def _is_safe(value: ast.expr, parameter: str) -> bool:
    def safe(node: ast.AST) -> bool:
        if isinstance(node, ast.Pow | ast.LShift) or not isinstance(node, _SAFE_NODES):
            return False
        if isinstance(node, ast.Call):
            return isinstance(node.func, ast.Name) and node.func.id in _SAFE_CALLS
        if isinstance(node, ast.Constant):
            return not isinstance(node.value, int) or abs(node.value) <= 1000
        return not isinstance(node, ast.Name) or node.id in {parameter, *_SAFE_CALLS}

    nodes = list(ast.walk(value))
    return len(nodes) <= 30 and all(safe(node) for node in nodes)


def _results(parameter: str, value: ast.expr) -> list[object]:
    code = compile(ast.Expression(value), "<response>", "eval")
    results: list[object] = []
    for trial in _TRIALS:
        try:
            results.append(eval(code, {"__builtins__": {}, **_SAFE_CALLS, parameter: trial}))
        except (TypeError, ValueError, ZeroDivisionError) as error:
            results.append(type(error))
    return results


def _code_works(reference: str, prompt: Prompt, turn: int, text: str) -> bool:
    """The same name, and the same results as the reference on a few inputs."""
    wanted, given = _expression(reference), _expression(function_source(text) or "")
    if wanted is None or given is None or wanted[0] != given[0]:
        return False
    return _results(*wanted[1:]) == _results(*given[1:])


_CHECKS: dict[str, Callable[[str, Prompt, int, str], bool]] = {
    "math": _number_is,
    "gsm": _number_is,
    "reasoning": _concludes,
    "extraction": _states_facts,
    "coding": _code_works,
}


def is_right(prompt: Prompt, turn: int, text: str) -> bool | None:
    """Whether the text answers this turn rightly; None where there is no right answer."""
    reference = prompt.reference[turn] if prompt.reference else ""
    check = _CHECKS.get(prompt.category)
    return check(reference, prompt, turn, text) if reference and check else None
