"""How long what a judge is asked would be, without writing the prompt of every pair.

A prompt is its template and two answers: each answer is measured once a turn and place, however
many others it meets. For a forecast over a ledger that holds no replies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from sami_eval.core.types import Judge, Order, Prompt, Response
from sami_eval.judge.rendering import render
from sami_eval.judge.requests import Turn, conversations, turns

Sizes = tuple[int, ...]  # bytes of each message of a request, the name of its role among them
Game = tuple[str, str]  # the names of two models that meet
Answers = Mapping[str, Sequence[Response]]  # by model name


@dataclass(frozen=True, slots=True)
class _Measure:
    """The answers to one turn of a prompt, by model name, and how long they make a request."""

    judge: Judge
    prompt: Prompt
    turn: int
    answers: Mapping[str, Response]

    def said(self, name: str) -> tuple[str, ...]:
        """What a model has said up to here."""
        return self.answers[name].turns[: self.turn + 1]

    def asked(self, a: str, b: str) -> bool:
        """Whether the judge is asked: not of what both said, or neither."""
        of = Turn(self.prompt, self.turn, self.answers[a], self.answers[b])
        return of.answered() and not of.identical()

    def alone(self, name: str) -> Sizes:
        """Of a request about one answer."""
        of = Turn(self.prompt, self.turn, self.answers[name], self.answers[name])
        return tuple(map(_size, conversations(self.judge, of, "a")[0]))

    def of_two(self) -> Callable[[str, str], Sizes]:
        """Of a request about two answers, the first shown first."""
        none = Response(self.prompt.id, "", ("",) * len(self.prompt.turns))

        def measured(a: Response, b: Response) -> Sizes:
            return tuple(map(_size, render(self.judge, self.prompt, self.turn, a, b, "a")))

        *before, bare = measured(none, none)

        @cache
        def in_place(name: str, is_first: bool) -> int:
            answer = self.answers[name]
            whole = measured(answer, none) if is_first else measured(none, answer)
            return whole[-1] - bare

        return lambda a, b: (*before, bare + in_place(a, True) + in_place(b, False))


def _size(message: tuple[str, str]) -> int:
    role, text = message
    return len(role) + len(text.encode("utf-8", "replace"))


def sizes(
    judge: Judge,
    prompts: Sequence[Prompt],
    answers: Answers,
    games: Sequence[Game],
    orders: Sequence[Order],
    repeats: int,
) -> Iterator[Sizes]:
    """The sizes of all requests of a comparison, none of them twice.

    Raises UsageError where a response is missing.
    """
    for given in answers.values():
        for _ in turns(prompts, given, given):
            pass  # each has an answer
    by_prompt = {name: {one.prompt_id: one for one in rows} for name, rows in answers.items()}
    times = 1 if judge.kind == "reward" else repeats
    for prompt in prompts:
        here = {name: rows[prompt.id] for name, rows in by_prompt.items()}
        for turn in range(len(prompt.turns)):
            of_turn = _Measure(judge, prompt, turn, here)
            for found in (_alone if judge.rates_alone else _paired)(of_turn, games, orders):
                yield from [found] * times


def _alone(measure: _Measure, games: Sequence[Game], _: Sequence[Order]) -> Iterator[Sizes]:
    meeting = dict.fromkeys(name for game in games if measure.asked(*game) for name in game)
    for name in {measure.said(name): name for name in meeting}.values():
        yield measure.alone(name)


def _paired(measure: _Measure, games: Sequence[Game], orders: Sequence[Order]) -> Iterator[Sizes]:
    of_two, seen = measure.of_two(), set()
    for a, b in games:
        if not measure.asked(a, b):
            continue
        for first, second in [(a, b) if order == "a" else (b, a) for order in orders]:
            said = measure.said(first), measure.said(second)
            if said not in seen:
                seen.add(said)
                yield of_two(first, second)
