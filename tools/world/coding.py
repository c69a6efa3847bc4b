"""One-line Python functions.

Principles: coding.1 puts the code between fences; coding.2 ends with an example call.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from tools.world.task import Style, Task, in_styles

_FUNCTION_NAMES = (
    "shift", "bump", "grow", "adjust", "convert", "update", "compute", "apply", "change",
    "handle", "process", "build", "prepare", "solve", "measure", "refine", "tune", "scale",
    "pick", "make",
)  # fmt: skip
_PARAMETERS = ("x", "n", "value", "number")
_WORDS = ("lamp", "river", "stone", "cloud", "bread", "tiger")


class _Function(NamedTuple):
    asks: str  # what follows "a Python function NAME that ..."
    body: str  # the returned expression
    call: str  # argument of the example call
    gives: str  # what the example call returns


def _numeric(rng: Random, p: str, k: int) -> _Function:
    n = rng.randint(2, 9)
    return rng.choice(
        (
            _Function(f"adds {k} to {p}", f"{p} + {k}", str(n), str(n + k)),
            _Function(f"multiplies {p} by {k}", f"{p} * {k}", str(n), str(n * k)),
            _Function(f"takes {k} away from {p}", f"{p} - {k}", str(n + k), str(n)),
            _Function(f"tells whether {p} is more than {k}", f"{p} > {k}", str(n), str(n > k)),
            _Function(f"gives the rest of {p} divided by {k}", f"{p} % {k}", str(n), str(n % k)),
        )
    )


def _textual(rng: Random, p: str, k: int) -> _Function:
    word = rng.choice(_WORDS)
    quoted = f'"{word}"'
    return rng.choice(
        (
            _Function(f"repeats the text {p} {k} times", f"{p} * {k}", '"ab"', f'"{"ab" * k}"'),
            _Function(
                f"gives the length of {p} plus {k}", f"len({p}) + {k}", quoted, str(len(word) + k)
            ),
            _Function(f"gives the larger of {p} and {k}", f"max({p}, {k})", "3", str(max(3, k))),
            _Function(f"gives the smaller of {p} and {k}", f"min({p}, {k})", "5", str(min(5, k))),
        )
    )


def _source(name: str, parameter: str, body: str) -> str:
    return f"def {name}({parameter}):\n    return {body}"


def _answers(name: str, parameter: str, function: _Function, rng: Random) -> dict[Style, str]:
    source = _source(name, parameter, function.body)
    purpose = rng.choice(
        (f"Use it where you need code that {function.asks}.", f"This {function.asks}.")
    )

    def write(fenced: bool, example: bool) -> str:
        code = f"```python\n{source}\n```" if fenced else f"Type this in:\n{source}"
        call = f"Example: {name}({function.call}) gives {function.gives}."
        return f"{code}\n{call if example else purpose}"

    return in_styles(write)


def draw(rng: Random) -> Task:
    """A function to write, then the same under another name or with another number."""
    name, other = rng.sample(_FUNCTION_NAMES, 2)
    parameter = rng.choice(_PARAMETERS)
    k, new_k = rng.sample(range(2, 10), 2)
    make = rng.choice((_numeric, _textual))
    state = rng.getstate()
    function = make(rng, parameter, k)
    wording = rng.choice(
        (
            "Write a Python function {name} that {asks}.",
            "I need {name}({parameter}) in Python. It {asks}.",
            "Please code a function called {name} which {asks}.",
            "How would you write {name} in Python, so that it {asks}?",
        )
    )
    first = wording.format(name=name, asks=function.asks, parameter=parameter)
    if rng.random() < 0.5:
        second = rng.choice(("Now call it {other}.", "Rename it to {other}.")).format(other=other)
        again = _answers(other, parameter, function, rng)
        reference = _source(other, parameter, function.body)
    else:
        second = rng.choice(("Now use {k} instead of {old}.", "Change the {old} to {k}."))
        second = second.format(k=new_k, old=k)
        replay = Random()
        replay.setstate(state)
        changed = make(replay, parameter, new_k)
        again = _answers(name, parameter, changed, rng)
        reference = _source(name, parameter, changed.body)
    return Task(
        "coding",
        name,
        ("coding", name, function.body),
        (first, second),
        (_answers(name, parameter, function, rng), again),
        (_source(name, parameter, function.body), reference),
    )
