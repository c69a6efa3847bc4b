"""Facts to be taken out of a short note.

Principles: extraction.1 gives one fact a line with a dash; extraction.2 opens by counting them.
"""

from __future__ import annotations

from random import Random

from sami_eval.embedded.entities import COLOURS, NAMES
from tools.world.entities import DAYS, TOWNS, TRADES
from tools.world.task import Style, Task, in_styles

_THINGS = (
    "lamp", "clock", "bike", "boat", "chair", "violin", "tent", "drum", "coat", "mirror", "sledge",
    "basket",
)  # fmt: skip
_COUNTS = ("two", "three", "four", "five", "six", "seven", "eight")
_NOTES = {
    "sale": (
        "On {day} {person} sold a {colour} {thing} in {place}.",
        ("person", "day", "colour", "thing", "place"),
    ),
    "meeting": (
        "{person}, a {job}, will wait in {place} on {day}.",
        ("person", "job", "place", "day"),
    ),
    "order": (
        "Please send {number} {thing}s to {person} in {place}.",
        ("number", "thing", "person", "place"),
    ),
    "loss": (
        "A {colour} {thing} was lost in {place}. Ask for {person} the {job}.",
        ("colour", "thing", "place", "person", "job"),
    ),
    "visit": (
        "{person} came from {place} with {number} {thing}s on {day}.",
        ("person", "place", "number", "thing", "day"),
    ),
}
_WORDINGS = (
    'Read the note: "{note}" Give me the {fields}.',
    'Find the {fields} in this note: "{note}"',
    'Note: "{note}" What are the {fields}?',
)
_FOLLOW_UPS = ("Now give me only the {fields}.", "And what about the {fields}?")
_OPENINGS = ("From the note:", "The note says this:")


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _answers(fields: list[str], facts: dict[str, str], rng: Random) -> dict[Style, str]:
    opening = rng.choice(_OPENINGS)
    found = f"Found {len(fields)} {'facts' if len(fields) > 1 else 'fact'}."
    lines = "\n".join(f"- {field}: {facts[field]}" for field in fields)
    sentence = _list([f"the {field} is {facts[field]}" for field in fields])

    def write(dashes: bool, counts: bool) -> str:
        first = found if counts else opening
        text = sentence if not counts else sentence[0].upper() + sentence[1:]
        return f"{first}\n{lines}" if dashes else f"{first} {text}."

    return in_styles(write)


def draw(rng: Random) -> Task:
    """A note with two or three facts to find, then one or two more."""
    kind = rng.choice(tuple(_NOTES))
    note, available = _NOTES[kind]
    facts = {
        "person": rng.choice(NAMES),
        "day": rng.choice(DAYS),
        "colour": rng.choice(COLOURS),
        "thing": rng.choice(_THINGS),
        "place": rng.choice(TOWNS),
        "job": rng.choice(TRADES),
        "number": rng.choice(_COUNTS),
    }
    fields = rng.sample(available, rng.choice((2, 2, 3)))
    later = rng.sample(available, rng.choice((1, 2)))
    wording = rng.choice(_WORDINGS)
    return Task(
        "extraction",
        f"{kind} {fields[0]}",
        ("extraction", note.format(**facts)),
        (
            wording.format(note=note.format(**facts), fields=_list(fields)),
            rng.choice(_FOLLOW_UPS).format(fields=_list(later)),
        ),
        (_answers(fields, facts, rng), _answers(later, facts, rng)),
        ("; ".join(facts[f] for f in fields), "; ".join(facts[f] for f in later)),
    )
