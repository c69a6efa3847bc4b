"""Short explanations of things in nature and technology.

Principles: stem.1 gives an example; stem.2 closes with a summary.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from tools.world.entities import AUDIENCES
from tools.world.task import Style, Task, in_styles


class _Topic(NamedTuple):
    what: str  # what follows "NAME is"
    example: str
    law: str
    short: str
    read: str  # what to read next


_TOPICS = {
    "gravity": _Topic(
        "the pull between heavy things",
        "an apple falls to the ground",
        "more mass means more pull",
        "mass pulls mass",
        "planets",
    ),
    "friction": _Topic(
        "the force that slows sliding things",
        "a sledge stops on dry grass",
        "rough faces slow things more than smooth ones",
        "rubbing slows motion",
        "brakes",
    ),
    "evaporation": _Topic(
        "the change of a liquid into gas",
        "a wet shirt dries on the line",
        "warm and moving air takes up more water",
        "water goes into the air",
        "clouds",
    ),
    "rust": _Topic(
        "iron that has joined with oxygen",
        "a nail left in the rain turns brown",
        "iron needs both air and water to change",
        "wet iron turns brown",
        "paint",
    ),
    "an echo": _Topic(
        "a sound that comes back",
        "a shout returns from a rock wall",
        "sound bounces off hard and flat things",
        "sound bounces",
        "bats",
    ),
    "a lever": _Topic(
        "a bar that turns on a point",
        "a child lifts a parent on a seesaw",
        "a longer arm needs a smaller force",
        "length replaces strength",
        "pulleys",
    ),
    "a magnet": _Topic(
        "a body that pulls iron",
        "a needle clings to the fridge door",
        "like ends push and unlike ends pull",
        "it pulls iron",
        "compasses",
    ),
    "photosynthesis": _Topic(
        "how leaves make sugar from light",
        "a plant grows toward the window",
        "more light gives more sugar up to a limit",
        "light becomes sugar",
        "leaves",
    ),
    "a shadow": _Topic(
        "a place that light cannot reach",
        "a tree keeps the bench dark",
        "light runs straight until it meets a body",
        "blocked light leaves a dark place",
        "eclipses",
    ),
    "yeast": _Topic(
        "a tiny fungus that eats sugar",
        "bread dough swells in a warm bowl",
        "living cells work faster when warm",
        "small cells make gas",
        "bread",
    ),
    "a battery": _Topic(
        "a store of electric energy",
        "a torch shines without a wire",
        "the charge flows only in a closed loop",
        "it stores charge",
        "circuits",
    ),
    "a vaccine": _Topic(
        "a lesson for the body's defence",
        "a child stays well when others fall ill",
        "the body answers faster the second time",
        "the body learns",
        "antibodies",
    ),
    "a rainbow": _Topic(
        "sunlight split by drops",
        "colours stand over a garden hose",
        "each colour bends by its own angle",
        "drops split light",
        "prisms",
    ),
    "the tide": _Topic(
        "the rise and fall of the sea",
        "a beach grows wide at noon",
        "the moon lifts the water that is nearest",
        "the moon moves the sea",
        "the moon",
    ),
    "a filter": _Topic(
        "a wall with very small holes",
        "coffee runs through while grounds stay",
        "only what is smaller than the holes can pass",
        "small things pass",
        "sieves",
    ),
    "boiling": _Topic(
        "a liquid that turns to gas inside",
        "bubbles rise in a hot pot",
        "lower pressure lets it start at less heat",
        "heat makes bubbles",
        "steam",
    ),
    "a computer virus": _Topic(
        "code that copies itself",
        "one bad file fills a whole disk",
        "code spreads wherever it may be run",
        "bad code spreads",
        "backups",
    ),
    "an antenna": _Topic(
        "a wire that catches waves",
        "a radio plays better on the roof",
        "its length should fit the wave",
        "wires catch waves",
        "radios",
    ),
    "a seed": _Topic(
        "a sleeping plant with food",
        "a bean opens in wet cotton",
        "warmth and water wake it",
        "a plant waits inside",
        "roots",
    ),
    "soap": _Topic(
        "a helper that joins oil and water",
        "a greasy plate comes clean",
        "one end holds oil and one end holds water",
        "oil goes with the water",
        "bubbles",
    ),
}
_WORDINGS = (
    "Explain to a {who} what {topic} is.",
    "A {who} wants to know about {topic}. What do you say?",
    "What is {topic}? Say it for a {who}.",
)


def _answers(topic: str, who: str, rng: Random) -> dict[Style, str]:
    facts = _TOPICS[topic]
    name = topic[0].upper() + topic[1:]
    opening = rng.choice((f"{name} is {facts.what}.", f"For a {who}: {topic} is {facts.what}."))

    def write(example: bool, sums_up: bool) -> str:
        middle = f"For example, {facts.example}." if example else f"In general, {facts.law}."
        end = f"In short, {facts.short}." if sums_up else f"To go on, read about {facts.read}."
        return f"{opening} {middle} {end}"

    return in_styles(write)


def draw(rng: Random) -> Task:
    """A thing to explain to somebody, then to somebody else, or another thing."""
    topic, next_topic = rng.sample(tuple(_TOPICS), 2)
    who, other = rng.sample(AUDIENCES, 2)
    if rng.random() < 0.5:
        second = rng.choice(("Now say it to a {who}.", "How would you put it to a {who}?"))
        second, again = second.format(who=other), _answers(topic, other, rng)
    else:
        second = rng.choice(("And what is {topic}?", "Now do the same for {topic}."))
        second, again = second.format(topic=next_topic), _answers(next_topic, who, rng)
    return Task(
        "stem",
        topic,
        ("stem", topic, who),
        (rng.choice(_WORDINGS).format(topic=topic, who=who), second),
        (_answers(topic, who, rng), again),
    )
