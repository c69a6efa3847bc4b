"""Short letters and notes: opened by the reader's name or a title, closed by a question or a wish.

Principles: writing.1 greets the reader by name; writing.2 ends with a question.
"""

from __future__ import annotations

from random import Random

from sami_eval.embedded.entities import NAMES
from tools.world.entities import DAYS, TOWNS, WEATHER
from tools.world.task import Style, Task, in_styles

# kind -> (prompt wordings, body sentences, subjects)
_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "invitation": (
        (
            "Write a short invitation to {name} for the {thing} in {town}.",
            "Please invite {name} to the {thing} in {town} with a few lines.",
            "Our {thing} in {town} is near. Write the lines that ask {name} to come.",
        ),
        (
            "The {thing} in {town} begins on {day}, and there is a seat for every guest.",
            "On {day} we hold the {thing} in {town}, and the doors open early.",
        ),
        ("spring fair", "boat race", "book night", "harvest dinner", "kite day", "choir evening"),
    ),
    "thanks": (
        (
            "Write a thank-you note to {name} for the {thing} from {town}.",
            "Help me thank {name}, who sent a {thing} from {town}.",
            "A {thing} came from {town}. Write a note of thanks to {name}.",
        ),
        (
            "The {thing} from {town} came on {day}, and it made the whole house happy.",
            "Thank you for the {thing} from {town}, which now stands by the window.",
        ),
        ("blue lamp", "honey jar", "wool scarf", "old map", "tea set", "wooden clock"),
    ),
    "apology": (
        (
            "Write an apology to {name} because the {thing} in {town} was late.",
            "I am sorry that the {thing} in {town} went wrong. Write this to {name}.",
            "Draft a kind apology to {name} about the {thing} in {town}.",
        ),
        (
            "I am sorry about the {thing} in {town}, and it will go better on {day}.",
            "The {thing} in {town} was my mistake, and I will put it right by {day}.",
        ),
        ("train ticket", "paint job", "cake order", "phone call", "garden work", "music lesson"),
    ),
    "advice": (
        (
            "Write a few lines of advice to {name}, who begins a {thing} in {town}.",
            "What should {name} know about starting a {thing} in {town}? Write a note.",
            "A friend, {name}, plans a {thing} in {town}. Write some advice.",
        ),
        (
            "A {thing} in {town} takes time, so begin with small plans and good shoes.",
            "Start the {thing} in {town} on a {day}, and keep some money for bad weeks.",
        ),
        ("fish shop", "dance school", "bee farm", "bike tour", "small museum", "night market"),
    ),
    "news": (
        (
            "Write to {name} with the news that {town} has a new {thing}.",
            "There is a new {thing} in {town}. Tell {name} in a short letter.",
            "Let {name} know in a few lines about the new {thing} in {town}.",
        ),
        (
            "Since {day} the new {thing} in {town} is open, and people come from far away.",
            "The new {thing} in {town} looks bright, and the children like it most.",
        ),
        ("stone bridge", "library", "tram line", "swimming hall", "bakery", "lookout tower"),
    ),
}
_GREETINGS = ("Dear {name},", "Hello {name},", "Dear {name},")
_QUESTIONS = (
    "Will you write back soon?",
    "What do you think about it?",
    "Shall we talk about it on {day}?",
    "Would you like to see it?",
)
_WISHES = (
    "I wish you a calm week.",
    "Stay well and keep warm.",
    "With all good wishes from here.",
    "I will write again on {day}.",
)
_EXTRA = "Mind the {weather}, which may come that day."


def _answers(facts: dict[str, str], bodies: tuple[str, ...], rng: Random) -> dict[Style, str]:
    greeting, question = rng.choice(_GREETINGS), rng.choice(_QUESTIONS)
    body, wish = rng.choice(bodies), rng.choice(_WISHES)

    def write(greets: bool, asks: bool) -> str:
        opening = greeting if greets else "Title: The {thing} in {town}"
        return f"{opening}\n{body} {question if asks else wish}".format(**facts)

    return in_styles(write)


def draw(rng: Random) -> Task:
    """A letter or note to somebody, then the same for another reader or with a condition more."""
    kind = rng.choice(tuple(_KINDS))
    wordings, bodies, things = _KINDS[kind]
    name, other = rng.sample(NAMES, 2)
    facts = {"name": name, "town": rng.choice(TOWNS), "thing": rng.choice(things)}
    facts |= {"day": rng.choice(DAYS), "weather": rng.choice(WEATHER)}
    first = rng.choice(wordings).format(**facts)
    if rng.random() < 0.5:
        second = rng.choice(("Now write it for {name}.", "Send the same to {name} as well."))
        again = _answers(facts | {"name": other}, bodies, rng)
        second = second.format(name=other)
    else:
        second = rng.choice(
            ("Write it again and mention the {weather}.", "Now add a line about the {weather}.")
        ).format(**facts)
        again = _answers(facts, tuple(f"{body} {_EXTRA}" for body in bodies), rng)
    return Task(
        "writing",
        facts["thing"],
        ("writing", facts["thing"], name, facts["town"]),
        (first, second),
        (_answers(facts, bodies, rng), again),
    )
