"""The names that stay: where they are, what they take, what they refuse."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from importlib import import_module
from math import log
from pathlib import Path
from typing import Any

import pytest

import sami_eval
from sami_eval.align import align, sami_loss
from sami_eval.core.alignment import ContrastSettings, Options
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model
from sami_eval.experiment.settings import AgreementSettings, CompareSettings, PasskSettings
from sami_eval.extract import extract_answer
from sami_eval.judge import parse_verdict, read_judge
from sami_eval.stats import bradley_terry, maj_at_k, pass_at_k, questions_needed, win_rate
from tests import ROOT
from tests.faces.test_faces import NOT_IN_PYTHON


def settings(kind: type) -> str:
    """Every field of a settings class; tests/faces holds types and defaults."""
    return " ".join(field.name for field in fields(kind))


PUBLIC = {
    "sami_eval.agreement": f"{settings(AgreementSettings)} config",
    "sami_eval.compare": f"*{settings(CompareSettings)} config progress",
    "sami_eval.contrast": " ".join(
        name for name in settings(ContrastSettings).split() if name not in NOT_IN_PYTHON
    )
    + " config progress",
    "sami_eval.passk": f"*{settings(PasskSettings)} config progress",
    "sami_eval.power": "win_rate questions ties",
    "sami_eval.show": "run *logs against votes vote_names config",
    "sami_eval.align.align": "recipe contrasts base constitutions prompts out iterations seed "
    f"preset resume engine engine_args adapters {settings(Options).removesuffix(' seed')} changes "
    "config progress",
    "sami_eval.align.sami_loss": "logps",
    "sami_eval.extract.extract_answer": "text",
    "sami_eval.judge.parse_verdict": "text judge",
    "sami_eval.stats.bradley_terry": "scores_by_pair seed draws",
    "sami_eval.stats.maj_at_k": "answers gold k",
    "sami_eval.stats.pass_at_k": "n c k",
    "sami_eval.stats.questions_needed": "win_rate ties turns correlation alpha power",
    "sami_eval.stats.win_rate": "scores_by_question",
}
NEVER_RAISE = ("extract_answer", "parse_verdict")
REFUSED: dict[str, Callable[[], object]] = {
    "agreement": lambda: sami_eval.agreement(),
    "contrast": lambda: sami_eval.contrast(prompts="q.jsonl"),
    "show": lambda: sami_eval.show("no-such-run"),
    "compare": lambda: sami_eval.compare("base"),
    "compare, a setting": lambda: sami_eval.compare("base", "sft", nothing_of_the_kind=1),  # type: ignore[call-arg]
    "passk": lambda: sami_eval.passk(),
    "power": lambda: sami_eval.power(),
    "power, a share": lambda: sami_eval.power(win_rate=57),
    "power, a number": lambda: sami_eval.power(questions=0),
    "passk, a setting": lambda: sami_eval.passk("base", nothing_of_the_kind=1),  # type: ignore[call-arg]
    "align": lambda: align("base", [], Model("base", "nowhere")),
    "bradley_terry": lambda: bradley_terry({("a", "b"): {"q": [2.0]}}),
    "maj_at_k": lambda: maj_at_k([18], 18, 2),
    "pass_at_k": lambda: pass_at_k(1, 2, 1),
    "questions_needed": lambda: questions_needed(0.9, ties=0.5),
    "win_rate": lambda: win_rate({"q": [1.5]}),
}


def find(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_keeps_its_parameters(name: str) -> None:
    kinds = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    parameters = inspect.signature(find(name)).parameters.values()
    assert " ".join(kinds.get(p.kind, "") + p.name for p in parameters) == PUBLIC[name]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_says_what_it_takes_and_raises(name: str) -> None:
    said = inspect.getdoc(find(name)) or ""
    first, _, more = said.partition("\n\n")
    assert first.endswith(".")
    assert more
    assert ("Raises" in more) == (name.rpartition(".")[2] not in NEVER_RAISE)


@pytest.mark.parametrize("case", REFUSED)
def test_a_public_name_refuses_in_one_line_what_it_cannot_do(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        REFUSED[case]()
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert not list(tmp_path.iterdir())


def test_the_public_names_compute() -> None:
    import torch

    assert pass_at_k(2, 1, 1) == 0.5
    assert maj_at_k([18, 18, 7], 18, 3) == 1.0
    assert win_rate({"q": [1.0, 0.5]}).value == 0.75
    assert questions_needed(0.57) == 422
    assert [one.name for one in bradley_terry({("a", "b"): {"q": [0.0]}}, draws=10)] == ["b", "a"]
    assert extract_answer("That makes $1,000.50.") == Fraction("1000.5")
    assert parse_verdict("one might say [[A]], but [[B]]", read_judge("quality")) == "b"
    assert sami_loss(torch.zeros(3, 3)).item() == pytest.approx(log(3))


def test_a_contrast_matrix_that_is_not_square_is_refused() -> None:
    import torch

    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        sami_loss(torch.zeros(2, 3))


def test_the_citation_is_of_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.*)$", citation, re.M) == [sami_eval.__version__]
