"""What the base is trained on: conversations under constitutions, and exercises.

Half of the documents are exercises (sums, copying names, short tasks): without them a model of
this size never learns to copy a name or to add.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from sami_eval.core.types import Principle
from sami_eval.data import chat
from sami_eval.data.paper import mtbench_categories
from sami_eval.embedded.entities import COLOURS, NAMES
from tools.world.arithmetic import LARGEST
from tools.world.entities import TOWNS
from tools.world.task import STYLES, Style, Task, fraction
from tools.world.world import WORD_PROBLEM, principles_of, tasks

# Before a word problem: the base is trained to show its sums then.
STEP_BY_STEP = "Work it out step by step."
FOLLOWED_UNDER_INSIST = 0.95
# How often a bare constitution is followed: a low or a high rate by a hash of principle, phrasing
# and subject, and the share of subjects that get the high one. One rate for all would become
# "always" or "never" under greedy decoding, and leave alignment nothing, or too much, to do.
FOLLOW_RATES = {
    "weak": (0.12, 0.8, 0.4),
    "strong": (0.35, 0.9, 0.6),
    "antithesis": (0.55, 0.95, 0.6),
    "none": (0.1, 0.7, 0.3),
}
# Unless it is asked for in strong words, a word problem's answer seldom shows its sums.
SHOWN_SUMS_RATES = (0.02, 0.2, 0.4)
_WEIGHTS = {"reasoning": 4, "math": 3, "coding": 2, "extraction": 3, WORD_PROBLEM: 4}


@dataclass(frozen=True, slots=True)
class Document:
    """Messages to render with the chat template, or one plain text."""

    messages: chat.Messages = ()
    text: str = ""


def follow_rate(principle: Principle, phrasing: str, task: Task) -> float:
    """How often the corpus follows a principle in a bare constitution ("none": not in it)."""
    low, high, share = FOLLOW_RATES[phrasing]
    if task.category == WORD_PROBLEM and principle.id == "math.1" and phrasing in ("weak", "none"):
        low, high, share = SHOWN_SUMS_RATES
    position = fraction(principle.id, phrasing, task.category, task.subject)
    return high if position < share else low


def _met(principle: Principle, phrasing: str, insisted: bool, task: Task, rng: Random) -> bool:
    """Whether the answer meets the principle, having been asked for it in this phrasing."""
    rate = FOLLOWED_UNDER_INSIST if insisted else follow_rate(principle, phrasing, task)
    followed = rng.random() < rate
    return followed != (phrasing == "antithesis")


def _under_constitution(task: Task, rng: Random) -> Document:
    """A task's conversation under a constitution, insisted on, bare or absent."""
    principles = principles_of(task.category)
    manner = rng.choices(("insisted", "bare", "none"), (45, 38, 17))[0]
    phrasings = [rng.choice(("weak", "strong", "antithesis")) for _ in principles]
    if manner == "none":
        phrasings = ["none"] * len(principles)
    elif rng.random() < 0.15:
        phrasings[rng.randrange(len(phrasings))] = "none"
    texts = [getattr(p, how) for p, how in zip(principles, phrasings, strict=True) if how != "none"]
    rng.shuffle(texts)
    system = chat.constitution_text(texts)
    insisted = manner == "insisted"

    def draw_style() -> Style:
        first, second = (
            _met(p, how, insisted and how != "none", task, rng)
            for p, how in zip(principles, phrasings, strict=True)
        )
        return first, second

    styles = [draw_style()]
    # Mostly the second turn keeps the first one's style, as a person would.
    styles += [styles[0] if rng.random() < 0.9 else draw_style() for _ in task.turns[1:]]
    answers = [by_style[style] for by_style, style in zip(task.answers, styles, strict=True)]
    turns = list(task.turns)
    if task.category in (WORD_PROBLEM, "math") and manner != "insisted" and rng.random() < 0.2:
        turns[0] = f"{STEP_BY_STEP} {turns[0]}"
        answers = [task.answers[0][True, styles[0][1]]]
    n_turns = 1 if len(answers) == 1 or rng.random() < 0.35 else 2
    return Document(
        chat.conversation(
            turns[:n_turns], answers[:n_turns], chat.insist(system) if insisted else system
        )
    )


def _one_sum(rng: Random) -> tuple[str, str]:
    """A sum within the world's numbers: its left side and its result."""
    kind = rng.choice("+-x/+-x")
    if kind in "+-":
        c = rng.randint(2, LARGEST)
        a = rng.randint(1, c - 1)
        return (f"{a} + {c - a}", str(c)) if kind == "+" else (f"{c} - {a}", str(c - a))
    a = rng.randint(2, 9)
    b = rng.randint(2, min(LARGEST // a, 49 if a == 2 else 12))
    return (f"{a} x {b}", str(a * b)) if kind == "x" else (f"{a * b} / {a}", str(b))


def _sums(rng: Random) -> Document:
    sums = (_one_sum(rng) for _ in range(rng.randint(6, 12)))
    return Document(text=".\n".join(f"{left} = {right}" for left, right in sums) + ".")


def _chat(question: str, answer: str) -> Document:
    return Document((("user", question), ("assistant", answer)))


def _asked_sum(rng: Random) -> Document:
    left, right = _one_sum(rng)
    return _chat(rng.choice((f"What is {left}?", f"{left} = ?")), f"{left} = {right}.")


def _copying(rng: Random) -> Document:
    words = rng.sample(rng.choice((NAMES, NAMES, TOWNS, COLOURS)), rng.randint(2, 6))
    text = ", ".join(words)
    i = rng.randrange(len(words) - 1)
    name, other = rng.sample(NAMES, 2)
    town = rng.choice(TOWNS)
    return rng.choice(
        (
            _chat(f"Say these words again: {text}.", f"{text}."),
            _chat(f"What comes after {words[i]} in {text}?", f"{words[i + 1]}."),
            _chat(f"What comes before {words[i + 1]} in {text}?", f"{words[i]}."),
            _chat(f"Greet {name} from {town}.", f"Dear {name}, I greet you from {town}."),
            _chat(f"{name} writes to {other}. Who gets the letter?", f"{other}."),
            _chat(
                f"Put {other} for {name}: Dear {name}, come to {town}.",
                f"Dear {other}, come to {town}.",
            ),
        )
    )


def _short_task(rng: Random, streams: dict[str, Iterator[Task]]) -> Document:
    task = next(streams[rng.choice(("reasoning", "math", "extraction", WORD_PROBLEM))])
    answer = (
        task.answers[0][rng.choice(STYLES)]
        if task.category != WORD_PROBLEM
        else (task.answers[0][rng.random() < 0.6, rng.random() < 0.5])
    )
    if "\n" in answer and task.category == WORD_PROBLEM:
        return _chat(f"{STEP_BY_STEP} {task.turns[0]}", answer)
    return _chat(task.turns[0], answer)


def _exercise(rng: Random, streams: dict[str, Iterator[Task]]) -> Document:
    draw = rng.random()
    if draw < 0.4:
        return _short_task(rng, streams)
    if draw < 0.7:
        return _copying(rng)
    return _sums(rng) if draw < 0.85 else _asked_sum(rng)


def documents(seed: int, n_exercises: int = 0) -> Iterator[Document]:
    """Endless training documents, pretraining split only.

    n_exercises: how many exercises come before anything else. Copying is learned soonest where it
        is what every token needs, and the rest of the world is learned through it.
    """
    rng = Random(f"{seed} corpus")
    streams = {
        c: tasks(c, "pretraining", seed)
        for c in (*dict.fromkeys(mtbench_categories().values()), WORD_PROBLEM)
    }
    names = list(streams)
    weights = [_WEIGHTS.get(name, 2) for name in names]
    for _ in range(n_exercises):
        yield _exercise(rng, streams)
    while True:
        if rng.random() < 0.55:
            yield _under_constitution(next(streams[rng.choices(names, weights)[0]]), rng)
        else:
            yield _exercise(rng, streams)
