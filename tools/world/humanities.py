"""Questions of taste, custom and town life that have two sides.

Principles: humanities.1 gives both sides; humanities.2 opens with a claim.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from tools.world.entities import TOWNS
from tools.world.task import Style, Task, in_styles


class _Topic(NamedTuple):
    claim: str
    pro: str  # what follows "Some say that" or "It is certain that"
    contra: str  # what follows "Others say that"
    scene: str  # what follows "Picture"


_TOPICS = {
    "keep its old town wall": _Topic(
        "old walls hold a town together",
        "the stones tell who lived here",
        "a wall keeps new life out",
        "moss on grey stones",
    ),
    "make the museum free": _Topic(
        "art belongs to all",
        "children come back with their parents",
        "what is free is soon neglected",
        "a quiet hall with gold frames",
    ),
    "teach a dead language": _Topic(
        "old words sharpen new ones",
        "the old books open by themselves",
        "young people need living words",
        "a pupil bent over a scroll",
    ),
    "honour its poets": _Topic(
        "poems outlive kings",
        "a verse is a house for memory",
        "bakers and nurses do more for us",
        "a bust under a lime tree",
    ),
    "hold its winter feast": _Topic(
        "feasts bind neighbours",
        "shared bread ends old quarrels",
        "the noise serves only the inns",
        "torches in the snow",
    ),
    "rename its main street": _Topic(
        "names are a kind of memory",
        "a name should honour the just",
        "a new sign does not mend the past",
        "a worker on a tall ladder",
    ),
    "keep the town crier": _Topic(
        "a voice is worth more than paper",
        "people trust a face they know",
        "the news is older than the voice",
        "a bell in the morning",
    ),
    "fund the theatre": _Topic(
        "a stage is a mirror",
        "we learn pity by watching others",
        "only few have time for plays",
        "a red curtain that moves",
    ),
    "close shops on holy days": _Topic(
        "rest is a public good",
        "families meet at one table",
        "each should choose the hour of rest",
        "empty streets and open windows",
    ),
    "write down its dialect": _Topic(
        "speech is a home",
        "the old jokes live on in it",
        "it shuts out those who move here",
        "two old friends on a bench",
    ),
    "build a statue of its founder": _Topic(
        "a town needs its story",
        "a figure gives the past a face",
        "stone makes one person too large",
        "pigeons on a bronze hat",
    ),
    "let strangers vote": _Topic(
        "who lives here decides here",
        "those who pay should also speak",
        "a vote asks for deep roots",
        "a long line at the hall",
    ),
    "keep diaries of its people": _Topic(
        "small lives make history",
        "daily words show what kings forget",
        "private pages should stay private",
        "ink on a kitchen table",
    ),
    "ban loud bells": _Topic(
        "silence is shared as well",
        "the sick need quiet nights",
        "bells have told the hour for ages",
        "a tower in the fog",
    ),
    "paint its houses in one colour": _Topic(
        "beauty needs a common rule",
        "the eye can rest in the streets",
        "a free hand makes lively streets",
        "a row of yellow doors",
    ),
    "share its harvest": _Topic(
        "plenty is a duty",
        "nobody is safe while one is hungry",
        "a gift can weaken the will to work",
        "carts full of wheat",
    ),
}
_WORDINGS = (
    "Should the town of {town} {topic}?",
    "In {town} people ask whether to {topic}. What would you say?",
    "Discuss whether {town} ought to {topic}.",
)


def _answers(topic: str, town: str, rng: Random) -> dict[Style, str]:
    facts = _TOPICS[topic]
    others = rng.choice(("Others say that", "Others think that"))
    certain = rng.choice(("It is certain that", "There is no doubt that"))

    def write(both: bool, claims: bool) -> str:
        first = f"Claim: {facts.claim}." if claims else f"Picture {facts.scene} in {town}."
        if both:
            return f"{first} Some say that {facts.pro}. {others} {facts.contra}."
        return f"{first} {certain} {facts.pro}, and {town} will be glad of it."

    return in_styles(write)


def draw(rng: Random) -> Task:
    """A question for a town, then for another town or about another custom."""
    topic, next_topic = rng.sample(tuple(_TOPICS), 2)
    town, other = rng.sample(TOWNS, 2)
    if rng.random() < 0.5:
        second = rng.choice(("And what about {town}?", "Would you say the same of {town}?"))
        second, again = second.format(town=other), _answers(topic, other, rng)
    else:
        second = rng.choice(("And should it {topic}?", "Now tell me whether it should {topic}."))
        second, again = second.format(topic=next_topic), _answers(next_topic, town, rng)
    return Task(
        "humanities",
        topic,
        ("humanities", topic, town),
        (rng.choice(_WORDINGS).format(topic=topic, town=town), second),
        (_answers(topic, town, rng), again),
    )
