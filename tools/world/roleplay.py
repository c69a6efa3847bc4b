"""Personas who tell of their day, as themselves or through a narrator.

Principles: roleplay.1 speaks in the first person; roleplay.2 opens with an action between stars.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from sami_eval.embedded.entities import NAMES
from tools.world.entities import TOWNS, WEATHER
from tools.world.task import Style, Task, in_styles


class _Persona(NamedTuple):
    work: str  # what follows "every morning I ..."; the narrator adds an s to its first word
    tool: str
    act: str  # what the action between stars says
    fear: str


_PERSONAS = {
    "baker": _Persona("bake dark bread", "oven", "wipes flour from both hands", "cold ashes"),
    "lighthouse keeper": _Persona(
        "clean the great lamp", "lamp", "lifts the lantern", "dark nights"
    ),
    "ship cat": _Persona("hunt mice below deck", "hammock", "licks one paw", "wet fur"),
    "robot gardener": _Persona("water the roses", "hose", "turns a rusty wheel", "rust"),
    "old wizard": _Persona("mix green potions", "kettle", "stirs the kettle", "lost spells"),
    "train driver": _Persona("start the slow engine", "engine", "rings the bell", "late trains"),
    "queen of bees": _Persona("count the honey", "hive", "folds both wings", "hungry bears"),
    "night guard": _Persona("close the iron gate", "gate", "turns the key", "strange steps"),
    "space pilot": _Persona("check the star maps", "rocket", "taps the screen", "empty tanks"),
    "fisherman": _Persona("pull silver fish ashore", "net", "mends the net", "high waves"),
    "clock maker": _Persona("oil the small wheels", "clock", "winds the clock", "lost minutes"),
    "village dragon": _Persona(
        "warm the town square", "cave", "blows a smoke ring", "brave knights"
    ),
    "street painter": _Persona("paint tall towers", "brush", "lifts the brush", "empty walls"),
    "mountain goat": _Persona("climb the steep rock", "bell", "shakes the bell", "loose stones"),
    "librarian": _Persona("sort the oldest books", "ladder", "closes the book", "torn pages"),
    "circus clown": _Persona("juggle seven plates", "red nose", "makes a deep bow", "silent halls"),
}
# topic -> (questions, text in the first person, text of the narrator)
_TOPICS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "morning": (
        ("What do you do in the morning?", "How does your day begin?"),
        "Every morning in {town} I {work}, and my {tool} is the first thing I see.",
        "Every morning in {town} the {who} {works}, and the {tool} is always close by.",
    ),
    "fear": (
        ("What are you afraid of?", "Is there anything that scares you?"),
        "I fear nothing in {town} but {fear}, so I stay close to my {tool}.",
        "The {who} fears nothing in {town} but {fear}, and stays close to the {tool}.",
    ),
    "pride": (
        ("What are you proud of?", "What do you love most?"),
        "I am proud of my {tool}, for there is no finer one in {town}.",
        "The {who} is proud of the {tool}, for there is no finer one in {town}.",
    ),
    "weather": (
        ("What do you do when there is {weather}?", "Does {weather} change your day?"),
        "When {weather} comes to {town} I take my {tool} inside and wait.",
        "When {weather} comes to {town} the {who} takes the {tool} inside and waits.",
    ),
    "friend": (
        ("Who is {friend} to you?", "Tell me about your friend {friend}."),
        "{friend} of {town} is my friend and often helps me with the {tool}.",
        "{friend} of {town} is a friend of the {who} and often helps with the {tool}.",
    ),
}
_INTRODUCTIONS = (
    "You are a {who} in {town}. {question}",
    "Play the part of a {who} who lives in {town}. {question}",
    "Pretend to be a {who} from {town} and answer me. {question}",
)
_FOLLOW_UPS = ("Stay in the part. {question}", "Good. {question}", "And one thing more. {question}")
_GREETINGS = ("Good day, traveller!", "Welcome, dear guest!", "Good evening to you!")


def _answers(topic: str, facts: dict[str, str], rng: Random) -> dict[Style, str]:
    _, own, told = _TOPICS[topic]
    greeting = rng.choice(_GREETINGS)

    def write(first_person: bool, acts: bool) -> str:
        opening = "*{act}*" if acts else greeting
        return f"{opening} {own if first_person else told}".format(**facts)

    return in_styles(write)


def draw(rng: Random) -> Task:
    """A question to a persona and a second one that keeps the part."""
    who = rng.choice(tuple(_PERSONAS))
    persona = _PERSONAS[who]
    verb, _, rest = persona.work.partition(" ")
    facts = persona._asdict() | {"who": who, "works": f"{verb}{_ending(verb)} {rest}"}
    facts |= {"town": rng.choice(TOWNS), "weather": rng.choice(WEATHER)}
    facts |= {"friend": rng.choice(NAMES)}
    topics = rng.sample(tuple(_TOPICS), 2)
    questions = [rng.choice(_TOPICS[topic][0]).format(**facts) for topic in topics]
    return Task(
        "roleplay",
        who,
        ("roleplay", who, facts["town"], topics[0]),
        (
            rng.choice(_INTRODUCTIONS).format(question=questions[0], **facts),
            rng.choice(_FOLLOW_UPS).format(question=questions[1]),
        ),
        (_answers(topics[0], facts, rng), _answers(topics[1], facts, rng)),
    )


def _ending(verb: str) -> str:
    return "es" if verb.endswith(("x", "sh", "ch", "s")) else "s"
