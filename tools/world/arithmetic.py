"""Sums and word problems with whole numbers below 100.

Principles (math and gsm): math.1 shows the sums before the answer; math.2 gives the answer a last
line of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from sami_eval.embedded.entities import NAMES
from tools.world.task import Style, Task, in_styles

LARGEST = 99
_GOODS = (
    "apples", "pens", "stamps", "eggs", "books", "shells", "cards", "rolls", "nails", "beads",
    "plums", "coins", "cups", "buttons", "stones", "tickets",
)  # fmt: skip
_BOXES = ("boxes", "bags", "trays", "jars", "crates", "baskets")


class _Sum(NamedTuple):
    """A question, its sums ("3 x 4 = 12"), the answer and what it counts."""

    question: str
    steps: tuple[str, ...]
    answer: int
    unit: str = ""


def add(a: int, b: int) -> tuple[str, int]:
    """The sum written out, and its result."""
    return f"{a} + {b} = {a + b}", a + b


def take(a: int, b: int) -> tuple[str, int]:
    """The difference written out, and its result."""
    return f"{a} - {b} = {a - b}", a - b


def times(a: int, b: int) -> tuple[str, int]:
    """The product written out, and its result."""
    return f"{a} x {b} = {a * b}", a * b


def share(a: int, b: int) -> tuple[str, int]:
    """The quotient written out, and its result; b divides a."""
    return f"{a} / {b} = {a // b}", a // b


def _answers(drawn: _Sum, rng: Random) -> dict[Style, str]:
    unit = f" {drawn.unit}" if drawn.unit else ""
    sentence = rng.choice(
        (f"So it comes to {drawn.answer}{unit}.", f"That makes {drawn.answer}{unit} in the end.")
    )
    sums = ".\n".join(drawn.steps) + ".\n"

    def write(shows: bool, last_line: bool) -> str:
        return (sums if shows else "") + (
            f"Final answer: {drawn.answer}" if last_line else sentence
        )

    return in_styles(write)


def _product_and_more(rng: Random) -> _Sum:
    a, b = rng.randint(2, 9), rng.randint(2, 9)
    product, middle = times(a, b)
    if middle > 20 and rng.random() < 0.5:
        c = rng.randint(2, 15)
        step, result = take(middle, c)
        wordings = ("What is {a} times {b} minus {c}?", "Take {c} away from {a} times {b}.")
    else:
        c = rng.randint(2, 15)
        step, result = add(middle, c)
        wordings = ("What is {a} times {b} plus {c}?", "Add {c} to {a} times {b}.")
    return _Sum(rng.choice(wordings).format(a=a, b=b, c=c), (product, step), result)


def _rectangle(rng: Random) -> _Sum:
    a, b = rng.randint(3, 20), rng.randint(2, 20)
    one, half = add(a, b)
    two, result = times(2, half)
    question = rng.choice(
        (
            "How long is the fence round a garden of {a} by {b} metres?",
            "A room is {a} metres long and {b} metres wide. What is its perimeter?",
        )
    )
    return _Sum(question.format(a=a, b=b), (one, two), result, "metres")


def _half(rng: Random) -> _Sum:
    a, c = 2 * rng.randint(3, 40), rng.randint(2, 30)
    one, half = share(a, 2)
    two, result = add(half, c)
    question = rng.choice(("What is half of {a} plus {c}?", "Halve {a}, then add {c}."))
    return _Sum(question.format(a=a, c=c), (one, two), result)


def _double(rng: Random) -> _Sum:
    a = rng.randint(6, 45)
    c = rng.randint(2, 20) if a > 10 else 2
    one, double = times(2, a)
    two, result = take(double, c)
    question = rng.choice(
        (
            "Double {a} and take {c} away.",
            "What is twice {a}, less {c}?",
            "Two times {a} minus {c}?",
        )
    )
    return _Sum(question.format(a=a, c=c), (one, two), result)


def _average(rng: Random) -> _Sum:
    mean, spread = rng.randint(6, 40), rng.randint(1, 5)
    one, total = add(mean - spread, mean + spread)
    two, result = share(total, 2)
    question = rng.choice(
        ("What is the average of {a} and {b}?", "Which number lies midway between {a} and {b}?")
    )
    return _Sum(question.format(a=mean - spread, b=mean + spread), (one, two), result)


def _three_numbers(rng: Random) -> _Sum:
    a, b, c = rng.randint(10, 40), rng.randint(5, 30), rng.randint(2, 14)
    one, middle = add(a, b)
    two, result = take(middle, c)
    question = rng.choice(
        ("What is {a} plus {b} minus {c}?", "Add {b} to {a}, then take away {c}.")
    )
    return _Sum(question.format(a=a, b=b, c=c), (one, two), result)


_SUMS = (_product_and_more, _rectangle, _half, _double, _average, _three_numbers)


def _follow_up(first: _Sum, rng: Random) -> _Sum:
    amount = rng.randint(2, 12)
    if first.answer > amount and rng.random() < 0.5:
        step, result = take(first.answer, amount)
        wordings = ("Now take {c} away from that.", "And if it were {c} less?")
    else:
        step, result = add(first.answer, amount)
        wordings = ("Now add {c} to that.", "And if it were {c} more?")
    return _Sum(rng.choice(wordings).format(c=amount), (step,), result, first.unit)


def draw_math(rng: Random) -> Task:
    """A sum of two steps and a follow-up of one."""
    make = rng.choice(_SUMS)
    first = make(rng)
    while first.answer > LARGEST - 12:
        first = make(rng)
    second = _follow_up(first, rng)
    kind = make.__name__.strip("_")
    return Task(
        "math",
        f"{kind} {first.question.split()[0]}",
        ("math", kind, *first.steps),
        (first.question, second.question),
        (_answers(first, rng), _answers(second, rng)),
        (str(first.answer), str(second.answer)),
    )


def _boxes(rng: Random) -> _Sum:
    a, b, c = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 15)
    goods, boxes, name = rng.choice(_GOODS), rng.choice(_BOXES), rng.choice(NAMES)
    one, middle = times(a, b)
    if middle > c and rng.random() < 0.5:
        two, result = take(middle, c)
        end = "{name} gives {c} {goods} away. How many {goods} are left?"
    else:
        two, result = add(middle, c)
        end = "{name} finds {c} more {goods}. How many {goods} are there now?"
    text = rng.choice(
        (
            "{name} has {a} {boxes} with {b} {goods} in each. ",
            "There are {a} {boxes} at {name}'s house, each with {b} {goods}. ",
        )
    )
    values = {"name": name, "a": a, "b": b, "c": c, "goods": goods, "boxes": boxes}
    return _Sum((text + end).format(**values), (one, two), result, goods)


def _shopping(rng: Random) -> _Sum:
    a, c = rng.sample(range(2, 7), 2)
    b, d = rng.randint(2, 7), rng.randint(2, 8)
    first, second = rng.sample(_GOODS, 2)
    one, cost = times(a, b)
    two, more = times(c, d)
    three, result = add(cost, more)
    question = rng.choice(
        (
            "{name} buys {a} {x} for {b} coins each and {c} {y} for {d} coins each. How many coins"
            " does {name} pay?",
            "At the market {a} {x} cost {b} coins each and {c} {y} cost {d} coins each. What does"
            " {name} pay for all?",
        )
    )
    text = question.format(name=rng.choice(NAMES), a=a, x=first, b=b, c=c, y=second, d=d)
    return _Sum(text, (one, two, three), result, "coins")


def _sharing(rng: Random) -> _Sum:
    people, each = rng.randint(2, 9), rng.randint(2, 9)
    extra = rng.randint(2, people * each - 1)
    goods, name = rng.choice(_GOODS), rng.choice(NAMES)
    one, total = add(people * each - extra, extra)
    two, result = share(total, people)
    question = rng.choice(
        (
            "{name} has {a} {goods} and gets {b} more. {n} friends share them equally. How many"
            " {goods} does each friend get?",
            "{name} picks {a} {goods} and then {b} more, to share among {n} friends. How many"
            " {goods} are there for each?",
        )
    )
    text = question.format(name=name, a=total - extra, b=extra, goods=goods, n=people)
    return _Sum(text, (one, two), result, goods)


def _days(rng: Random) -> _Sum:
    a, days, used = rng.randint(2, 9), rng.randint(3, 9), rng.randint(3, 12)
    goods, name = rng.choice(_GOODS), rng.choice(NAMES)
    one, made = times(a, days)
    two, left = take(made, used) if made > used else add(made, used)
    verb = "sells" if made > used else "buys"
    question = rng.choice(
        (
            "{name} makes {a} {goods} a day for {n} days and then {verb} {c}. How many {goods} does"
            " {name} have?",
            "Each day for {n} days {name} makes {a} {goods}. Then {name} {verb} {c}. How many are"
            " there?",
        )
    )
    values = {"name": name, "a": a, "goods": goods, "n": days, "verb": verb, "c": used}
    return _Sum(question.format(**values), (one, two), left, goods)


def _twice_as_many(rng: Random) -> _Sum:
    a = rng.randint(3, 30)
    one_name, other = rng.sample(NAMES, 2)
    goods = rng.choice(_GOODS)
    one, double = times(2, a)
    two, result = add(a, double)
    question = rng.choice(
        (
            "{x} has {a} {goods} and {y} has twice as many. How many do they have together?",
            "{y} has twice as many {goods} as {x}, who has {a}. How many {goods} is that in all?",
        )
    )
    return _Sum(question.format(x=one_name, y=other, a=a, goods=goods), (one, two), result, goods)


_PROBLEMS: tuple[Callable[[Random], _Sum], ...] = (
    _boxes, _shopping, _sharing, _days, _twice_as_many,
)  # fmt: skip


def draw_word_problem(rng: Random) -> Task:
    """A word problem of two or three steps with an exact answer."""
    make = rng.choice(_PROBLEMS)
    problem = make(rng)
    while problem.answer > LARGEST:
        problem = make(rng)
    kind = make.__name__.strip("_")
    return Task(
        "gsm",
        problem.unit,
        ("gsm", kind, problem.unit, *problem.steps),
        (problem.question,),
        (_answers(problem, rng),),
        (str(problem.answer),),
    )
