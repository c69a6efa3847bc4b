"""One program a principle: does this text meet it?

Each check takes (prompt, turn, text). It reads the prompt for what the text must agree with: the
reader's name, the persona, the number of facts asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sami_eval.core.types import Prompt
from sami_eval.embedded.correctness import alternatives, function_source
from sami_eval.embedded.entities import NAMES

_SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _last_sentence(text: str) -> str:
    sentences = re.split(r"(?<=[.!?])\s+", text.strip())
    return str(sentences[-1])


def _n_words(text: str) -> int:
    return len(re.findall(r"\w+", text))


def _reader(prompt: Prompt, turn: int) -> str | None:
    """The name in the latest user message that has one."""
    for message in reversed(prompt.turns[: turn + 1]):
        names = [word for word in re.findall(r"\w+", message) if word in NAMES]
        if names:
            return str(names[-1])
    return None


def _greets_reader(prompt: Prompt, turn: int, text: str) -> bool:
    name = re.escape(_reader(prompt, turn) or "") or r"[A-Z]\w+"
    greeting = r"(?:dear|hello|hi|hey|welcome|greetings|good \w+)?,?\s*"
    return bool(re.match(rf"{greeting}{name}\b\s*[,!:.\n]", text.strip(), re.IGNORECASE))


def _ends_with_question(prompt: Prompt, turn: int, text: str) -> bool:
    last = _last_sentence(text)
    return last.endswith("?") and _n_words(last) >= 3


def _persona(prompt: Prompt) -> str | None:
    found = re.search(r"\ban? ([a-z ]+?) (?:in|who|from|of)\b", prompt.turns[0])
    return str(found[1]) if found else None


def _speaks_as_persona(prompt: Prompt, turn: int, text: str) -> bool:
    spoken = re.sub(r"\*[^*]*\*", " ", text)
    persona = _persona(prompt)
    narrated = persona is not None and re.search(rf"\bthe {persona}\b", spoken, re.IGNORECASE)
    return bool(re.search(r"\b(?:I|[Mm]y|me|mine)\b", spoken)) and not narrated


def _opens_with_action(prompt: Prompt, turn: int, text: str) -> bool:
    found = re.match(r"\*([^*\n]{3,80})\*\s*(.*)", text.strip(), re.DOTALL)
    return found is not None and _n_words(found[1]) >= 2 and _n_words(found[2]) >= 3


def _steps_then_concludes(prompt: Prompt, turn: int, text: str) -> bool:
    lines = _lines(text)
    numbers = [re.match(r"(?:step )?(\d{1,9})[.:)]\s+\w+", line, re.IGNORECASE) for line in lines]
    n_steps = sum(number is not None for number in numbers)
    opening = 1 if lines and lines[0].endswith(":") else 0
    counted = [int(found[1]) for found in numbers[opening : opening + n_steps] if found]
    after = [
        line
        for line in lines[opening + n_steps :]
        if "ruled out" not in line.lower() and _n_words(line) >= 2
    ]
    return n_steps >= 2 and counted == list(range(1, n_steps + 1)) and bool(after)


def _says_what_is_ruled_out(prompt: Prompt, turn: int, text: str) -> bool:
    last = (_lines(text) or [""])[-1]
    reference = prompt.reference[turn] if prompt.reference else ""
    said = set(re.findall(r"\w+", last)) & set(alternatives(prompt, turn, reference))
    return "ruled out" in last.lower() and bool(said) and reference not in said


_EQUATION = re.compile(r"(?<!\d)(\d++)\s*+[-+x×*/÷]\s*+(\d++)\s*+=\s*+\d")


def _shows_sums(prompt: Prompt, turn: int, text: str) -> bool:
    asked = set(re.findall(r"\d+", " ".join(prompt.turns[: turn + 1])))
    sums = [found for line in _lines(text)[:-1] for found in _EQUATION.findall(line)]
    return any(asked & set(operands) for operands in sums)


def _final_answer_line(prompt: Prompt, turn: int, text: str) -> bool:
    last = (_lines(text) or [""])[-1]
    return bool(re.fullmatch(r"\**final answer:\**\s*-?\d+(?:\.\d+)?\.?\**", last, re.IGNORECASE))


def _fenced_code(prompt: Prompt, turn: int, text: str) -> bool:
    found = re.search(r"^```(?:python|py)?\n(.*?)\n```", text, re.DOTALL | re.MULTILINE)
    return found is not None and found[1].lstrip().startswith("def ")


def _example_call(prompt: Prompt, turn: int, text: str) -> bool:
    source = function_source(text)
    if source is None:
        return False
    name = source.removeprefix("def ").partition("(")[0]
    last = (_lines(text.replace("```", "")) or [""])[-1]
    result = r"\s*(?:gives|returns|yields|is|=+>?|->|#)\s*\S+"
    return bool(re.search(rf"\b{re.escape(name)}\([^()\n]+\)`?{result}", last))


def _n_facts(prompt: Prompt, turn: int) -> int | None:
    reference = prompt.reference[turn] if prompt.reference else ""
    return reference.count("; ") + 1 if reference else None


def _one_fact_a_line(prompt: Prompt, turn: int, text: str) -> bool:
    facts = {line for line in _lines(text) if re.match(r"[-*•]\s+\w", line)}
    return len(facts) == (_n_facts(prompt, turn) or len(facts)) and bool(facts)


def _counts_facts(prompt: Prompt, turn: int, text: str) -> bool:
    opening = re.split(r"[.:;\n]", text.strip(), maxsplit=1)[0].lower()
    counts = [int(w) if w.isdecimal() else _SMALL.index(w) for w in re.findall(r"\w+", opening)
              if (w.isdecimal() and len(w) < 10) or w in _SMALL]  # fmt: skip
    expected = _n_facts(prompt, turn)
    return bool(counts) and (expected is None or counts[0] == expected)


def _gives_example(prompt: Prompt, turn: int, text: str) -> bool:
    found = re.search(r"\bfor (?:example|instance)\b,?:?([^.!?]*)", text, re.IGNORECASE)
    return found is not None and _n_words(found[1]) >= 3


def _sums_up(prompt: Prompt, turn: int, text: str) -> bool:
    last = _last_sentence(text)
    return bool(re.match(r"(?:in short|in summary|to sum up)\b", last, re.IGNORECASE)) and (
        4 <= _n_words(last) <= 25
    )


def _gives_both_sides(prompt: Prompt, turn: int, text: str) -> bool:
    found = re.search(
        r"\bsome (?:\w+ )?(?:say|think|hold|believe|argue)\b(.+?)\b(?:others?)\b(.+)",
        text,
        re.IGNORECASE | re.DOTALL,
    )
    return found is not None and _n_words(found[1]) >= 3 and _n_words(found[2]) >= 3


def _opens_with_claim(prompt: Prompt, turn: int, text: str) -> bool:
    found = re.match(r"(?:my )?claim:\s*([^.!?\n]+)", text.strip(), re.IGNORECASE)
    return found is not None and _n_words(found[1]) >= 3


CHECKS: dict[str, Callable[[Prompt, int, str], bool]] = {
    "writing.1": _greets_reader,
    "writing.2": _ends_with_question,
    "roleplay.1": _speaks_as_persona,
    "roleplay.2": _opens_with_action,
    "reasoning.1": _steps_then_concludes,
    "reasoning.2": _says_what_is_ruled_out,
    "math.1": _shows_sums,
    "math.2": _final_answer_line,
    "coding.1": _fenced_code,
    "coding.2": _example_call,
    "extraction.1": _one_fact_a_line,
    "extraction.2": _counts_facts,
    "stem.1": _gives_example,
    "stem.2": _sums_up,
    "humanities.1": _gives_both_sides,
    "humanities.2": _opens_with_claim,
}
