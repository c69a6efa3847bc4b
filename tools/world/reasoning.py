"""Small puzzles: who is tallest, what is where, what follows.

Principles: reasoning.1 takes numbered steps before the answer; reasoning.2 ends by saying what was
ruled out.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from sami_eval.embedded.entities import COLOURS, NAMES
from tools.world.entities import TOWNS
from tools.world.task import Style, Task, in_styles

# comparative, superlative, the other end's superlative
_MEASURES = (
    ("taller", "tallest", "shortest"),
    ("older", "oldest", "youngest"),
    ("faster", "fastest", "slowest"),
    ("richer", "richest", "poorest"),
    ("stronger", "strongest", "weakest"),
)
_THINGS = ("key", "coin", "ring", "letter", "ticket", "map", "whistle", "stamp")
_HOLDERS = ("box", "bag", "drawer", "cup", "jar")


class _Puzzle(NamedTuple):
    steps: tuple[str, str]
    conclusion: str  # without its full stop
    answer: str
    others: tuple[str, ...]


def _answers(puzzle: _Puzzle, rng: Random) -> dict[Style, str]:
    first, second = puzzle.steps
    reason = next((step for step in puzzle.steps if puzzle.answer in step), first)
    so = rng.choice(("So", "So", "Therefore"))

    def write(steps: bool, rules_out: bool) -> str:
        if steps:
            body = f"Step 1: {first}.\nStep 2: {second}.\n{so} {puzzle.conclusion}."
        else:
            body = f"{puzzle.conclusion[0].upper()}{puzzle.conclusion[1:]}, because {reason}."
        others = " and ".join(puzzle.others)
        return f"{body}\n" + (f"Ruled out: {others}." if rules_out else f"Again: {puzzle.answer}.")

    return in_styles(write)


def _task(
    subject: str, key: tuple[str, ...], turns: list[str], puzzles: list[_Puzzle], rng: Random
) -> Task:
    return Task(
        "reasoning",
        subject,
        ("reasoning", subject, *key),
        tuple(turns),
        tuple(_answers(puzzle, rng) for puzzle in puzzles),
        tuple(puzzle.answer for puzzle in puzzles),
    )


def _ordering(rng: Random) -> Task:
    more, most, least = rng.choice(_MEASURES)
    a, b, c, d = rng.sample(NAMES, 4)
    clues = [f"{a} is {more} than {b}", f"{b} is {more} than {c}"]
    facts = ". ".join(rng.sample(clues, 2))
    asks_most = rng.random() < 0.6
    end, answer, others = (most, a, (b, c)) if asks_most else (least, c, (a, b))
    wording = rng.choice(("{facts}. Who is the {end}?", "Who is the {end} of three? {facts}."))
    first = _Puzzle((clues[0], clues[1]), f"{answer} is the {end}", answer, others)
    if rng.random() < 0.5:
        new = f"{d} is {more} than {a}"
        follow_up = f"Now {d} comes, and {new}. Who is the {most}?"
        second = _Puzzle((new, clues[0]), f"{d} is the {most}", d, (a, b))
    else:
        end, answer, others = (least, c, (a, b)) if asks_most else (most, a, (b, c))
        follow_up = f"And who is the {end}?"
        second = _Puzzle((clues[0], clues[1]), f"{answer} is the {end}", answer, others)
    turns = [wording.format(facts=facts, end=first.conclusion.split()[-1]), follow_up]
    return _task(most, (a, b, c), turns, [first, second], rng)


def _hidden(rng: Random) -> Task:
    thing, holder = rng.choice(_THINGS), rng.choice(_HOLDERS)
    one, two, three, four = rng.sample(COLOURS, 4)
    name = rng.choice(NAMES)
    wording = rng.choice(
        (
            "{name} hid a {thing} in a {a}, a {b} or a {c} {holder}. The {x} one is empty and so is"
            " the {y} one. Where is the {thing}?",
            "A {thing} lies in one of three {holder}s: {a}, {b}, {c}. {name} looked in the {x} and"
            " the {y} one and found nothing. Which one is left?",
        )
    )
    a, b, c = rng.sample((one, two, three), 3)
    facts = {"name": name, "thing": thing, "holder": holder, "a": a, "b": b, "c": c}
    first = _Puzzle(
        (f"the {two} {holder} is empty", f"the {three} {holder} is empty"),
        f"the {thing} is in the {one} {holder}",
        one,
        (two, three),
    )
    follow_up = (
        f"Then {name} moved the {thing} from the {one} {holder} to a {four} one. Where is it?"
    )
    second = _Puzzle(
        (f"the {thing} was in the {one} {holder}", f"{name} moved it to the {four} one"),
        f"the {thing} is in the {four} {holder}",
        four,
        (one,),
    )
    turns = [wording.format(x=two, y=three, **facts), follow_up]
    return _task(thing, (one, two, three, name), turns, [first, second], rng)


def _race(rng: Random) -> Task:
    a, b, c, d = rng.sample(NAMES, 4)
    town = rng.choice(TOWNS)
    clues = (f"{a} came in before {b}", f"{b} came in before {c}")
    wins = rng.random() < 0.5
    answer, others, how = (a, (b, c), "first") if wins else (c, (a, b), "last")
    wording = rng.choice(
        (
            "In the race of {town} {clues}. Who came in {how}?",
            "Three people ran in {town}: {clues}. Name the one who came in {how}.",
        )
    )
    first = _Puzzle(clues, f"{answer} came in {how}", answer, others)
    turns = [wording.format(town=town, clues=" and ".join(clues), how=how)]
    new = f"{c} came in before {d}" if not wins else f"{d} came in before {a}"
    follow_up = f"We forgot {d}: {new}. Who came in {how} now?"
    second = _Puzzle((clues[0] if wins else clues[1], new), f"{d} came in {how}", d, others)
    return _task(f"race {how}", (town, a, b, c), [*turns, follow_up], [first, second], rng)


def draw(rng: Random) -> Task:
    """A puzzle with one right answer and a second one that changes or turns it."""
    return rng.choice((_ordering, _ordering, _hidden, _race))(rng)
