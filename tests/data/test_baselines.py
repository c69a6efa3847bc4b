"""A task's baseline: recorded answers of one model or of one a category, all of them there."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import constants

from sami_eval.core.errors import UsageError
from sami_eval.core.types import Prompt, Response
from sami_eval.data.baselines import read_baseline
from sami_eval.data.task_keys import Answered, Baseline
from tests.hub_cache import fetched
from tests.records import write_rows

PROMPTS = [Prompt("h1", "hard", ("?",)), Prompt("s1", "soft", ("?",))]


def arena(uid: str, model: str, text: str) -> dict[str, object]:
    said = {"role": "assistant", "content": {"answer": text}}
    return {"uid": uid, "model": model, "messages": [{"role": "user", "content": "?"}, said]}


def both(folder: Path) -> Baseline:
    """Two models, each with an answer to both questions; one for each category."""
    for name in ("deep", "free"):
        write_rows(folder / f"{name}.jsonl", *(arena(u, name, f"{name} {u}") for u in ("h1", "s1")))
    places = (
        Answered(file="deep.jsonl", categories=("hard",)),
        Answered(file="free.jsonl", categories=("soft",)),
    )
    return Baseline(name="usual", answers=places)


def test_each_category_has_its_own_model(tmp_path: Path) -> None:
    found, whose = read_baseline(both(tmp_path), tmp_path, PROMPTS)
    assert found == [Response("h1", "usual", ("deep h1",)), Response("s1", "usual", ("free s1",))]
    assert whose == "deep (hard), free (soft)"


def test_questions_without_an_answer_are_named(tmp_path: Path) -> None:
    asked = [*PROMPTS, Prompt("h2", "hard", ("?",)), Prompt("o1", "other", ("?",))]
    with pytest.raises(UsageError) as caught:
        read_baseline(both(tmp_path), tmp_path, asked)
    said = "baseline `usual` answers 2 of 4 questions; without an answer: `h2`, `o1`"
    assert caught.value.message == said
    assert "--against none" in caught.value.hint
    long = Prompt("h1", "hard", ("?", "And?"))
    with pytest.raises(UsageError, match="without an answer: `h1`"):
        read_baseline(both(tmp_path), tmp_path, [long])


def test_one_of_several_models_is_named(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", *(arena("h1", name, name) for name in ("deep", "free")))
    with pytest.raises(UsageError, match="answers of 2 models, `deep` and others"):
        read_baseline(
            Baseline(name="x", answers=(Answered(file="a.jsonl"),)), tmp_path, PROMPTS[:1]
        )
    one = Baseline(name="x", answers=(Answered(file="a.jsonl", model="free"),))
    assert read_baseline(one, tmp_path, PROMPTS[:1])[0][0].turns == ("free",)


def test_a_file_of_the_hub_is_read_from_its_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    row = {"instruction": "?", "output": "So.", "generator": "old", "session_id": "h1"}
    fetched(tmp_path, "me/answers", "some/old.json", row)
    one = Baseline(name="x", answers=(Answered(hub="me/answers", file="some/old.json"),))
    found, whose = read_baseline(one, tmp_path, PROMPTS[:1])
    assert (found[0].turns, whose) == (("So.",), "old")
    away = Baseline(name="x", answers=(Answered(hub="me/answers", file="some/new.json"),))
    with pytest.raises(UsageError, match="cannot read the baseline's answers, `me/answers some/n"):
        read_baseline(away, tmp_path, PROMPTS[:1])
