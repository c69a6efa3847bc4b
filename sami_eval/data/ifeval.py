"""IFEval's verifiers (arXiv 2311.07911) as checks, where lm-eval's can be imported.

    ifeval:punctuation:no_comma
    ifeval:length_constraints:number_words relation="at least" num_words=20
    ifeval:keywords:existence keywords=["sea","salt"]

Names and arguments are checked when they are read. lm-eval's own code is imported when the first
is used: it wants `pip install "lm-eval[ifeval]"`, and on import nltk's punkt_tab, which nltk
fetches from the network where it is not there. Every argument must be given: IFEval draws those
that are not.
"""

from __future__ import annotations

import difflib
import importlib
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from functools import cache
from typing import Any

from sami_eval.core.errors import UsageError

PREFIX = "ifeval:"
_RELATIONS = ("less than", "at least")
# lm-eval 0.4.13, lm_eval/tasks/ifeval/instructions_registry.py: INSTRUCTION_DICT, and what each
# one's build_description takes.
VERIFIERS: Mapping[str, Mapping[str, type]] = {
    "keywords:existence": {"keywords": list},
    "keywords:frequency": {"keyword": str, "frequency": int, "relation": str},
    "keywords:forbidden_words": {"forbidden_words": list},
    "keywords:letter_frequency": {"letter": str, "let_frequency": int, "let_relation": str},
    "language:response_language": {"language": str},
    "length_constraints:number_sentences": {"num_sentences": int, "relation": str},
    "length_constraints:number_paragraphs": {"num_paragraphs": int},
    "length_constraints:number_words": {"num_words": int, "relation": str},
    "length_constraints:nth_paragraph_first_word": {
        "num_paragraphs": int,
        "nth_paragraph": int,
        "first_word": str,
    },
    "detectable_content:number_placeholders": {"num_placeholders": int},
    "detectable_content:postscript": {"postscript_marker": str},
    "detectable_format:number_bullet_lists": {"num_bullets": int},
    "detectable_format:constrained_response": {},
    "detectable_format:number_highlighted_sections": {"num_highlights": int},
    "detectable_format:multiple_sections": {"section_spliter": str, "num_sections": int},
    "detectable_format:json_format": {},
    "detectable_format:title": {},
    "combination:two_responses": {},
    "combination:repeat_prompt": {},  # its one argument is the message that is answered
    "startend:end_checker": {"end_phrase": str},
    "startend:quotation": {},
    "change_case:capital_word_frequency": {"capital_frequency": int, "capital_relation": str},
    "change_case:english_capital": {},
    "change_case:english_lowercase": {},
    "punctuation:no_comma": {},
}
_KINDS = {int: "a whole number", str: "a text in quotes", list: 'a list, ["one","two"]'}
NEEDS = (
    "IFEval's verifiers are lm-eval's own code, which loads nltk's punkt_tab, from the network "
    "where it is not on this machine"
)


def read_verifier(parts: list[str], check: str) -> Callable[[str, str], bool]:
    """A verifier as a check; nothing is imported before it is used.

    parts: its name and its arguments, NAME=VALUE. Raises UsageError for either.
    """
    name = parts[0].removeprefix(PREFIX)
    if name not in VERIFIERS:
        near = difflib.get_close_matches(name, VERIFIERS, n=1, cutoff=0.5)
        known = f"did you mean `{PREFIX}{near[0]}`?" if near else ", ".join(VERIFIERS)
        raise UsageError(f"IFEval has no verifier `{name}`", known)
    wanted = VERIFIERS[name]
    given = dict(_argument(part, wanted, check) for part in parts[1:])
    if missing := [one for one in wanted if one not in given]:
        hint = f"{missing[0]}={_KINDS[wanted[missing[0]]]}; IFEval would draw one"
        raise UsageError(f"check `{check}` lacks `{missing[0]}`", hint)
    return lambda text, asked: _follows(name, given, text, asked)


def _argument(part: str, wanted: Mapping[str, type], check: str) -> tuple[str, Any]:
    name, _, written = part.partition("=")
    if name not in wanted:
        takes = f"it takes {', '.join(wanted)}" if wanted else "it takes no argument"
        raise UsageError(f"check `{check}` has an unknown `{name}`", takes)
    try:
        value = written[1:-1] if written[:1] == "'" else json.loads(written)
    except ValueError:
        value = None
    of_texts = not isinstance(value, list) or (value and all(isinstance(v, str) for v in value))
    if type(value) is not wanted[name] or not of_texts:
        raise UsageError(f"check `{check}`: `{name}` is `{written}`", _KINDS[wanted[name]])
    if name.endswith("relation") and value not in _RELATIONS:
        said = " or ".join(f'{name}="{one}"' for one in _RELATIONS)
        raise UsageError(f"check `{check}`: `{name}` is `{written}`", said)
    return name, value


def _follows(name: str, given: Mapping[str, Any], text: str, asked: str) -> bool:
    verifier = registry()[name](name)
    repeats = {"prompt_to_repeat": asked} if name == "combination:repeat_prompt" else {}
    verifier.build_description(**given, **repeats)
    try:
        return bool(verifier.check_following(text))
    except LookupError as error:  # nltk's own, where punkt_tab could not be fetched
        raise UsageError(
            f"check `{PREFIX}{name}` needs nltk's punkt_tab, which is not on this machine",
            "with a network, once: python -m nltk.downloader punkt_tab",
        ) from error


@cache
def registry() -> Mapping[str, Any]:
    """lm-eval's verifiers by name. Raises UsageError where they cannot be imported."""
    try:
        with redirect_stdout(sys.stderr):  # what the import prints is no part of our output
            found = importlib.import_module("lm_eval.tasks.ifeval.instructions_registry")
        importlib.import_module("langdetect").DetectorFactory.seed = 0  # it guesses by chance
    except ImportError as error:
        raise UsageError(
            f"IFEval's verifiers cannot be imported: {error}", 'pip install "lm-eval[ifeval]"'
        ) from error
    verifiers: Mapping[str, Any] = found.INSTRUCTION_DICT
    return verifiers
