"""The paper's scale with everything small in the place of everything large.

Another writer than the student, all weights trained, questions and prompts from files,
constitutions by name, a judge at a server, both protocols of sampling: what the embedded scale
does not touch.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli, embedded
from sami_eval.data.contrasts import read_contrasts
from sami_eval.generate import card
from tests.loopback_judge import Behaviour, LoopbackJudge
from tests.records import write_rows

pytestmark = pytest.mark.slow
CATEGORIES = ("math", "coding", "roleplay", "stem")
SMALL = """
like = "paper"
about = "a rehearsal"
[mtbench]
base = "student"
[mtbench.align]
changes = { accumulation = 4, lr = 1e-3 }
[mtbench.compare]
limit = 6
max_tokens = 40
[[mtbench.steps]]
name = "contrasts"
writer = "writer"
max_tokens = 40
[[mtbench.steps.sets]]
source = "math.jsonl"
column = "problem"
category = "math"
limit = 6
[[mtbench.steps.sets]]
source = "roles.jsonl"
category_column = "kind"
column = "text"
limit = 6
[mtbench.steps.filters]
finished = false
[gsm8k]
base = "student"
[gsm8k.align]
changes = { accumulation = 4 }
[gsm8k.passk]
ks = [1, 2]
samples = 3
max_tokens = 40
[[gsm8k.steps]]
name = "contrasts"
max_tokens = 40
keep = 5
[[gsm8k.steps.sets]]
source = "math.jsonl"
column = "problem"
category = "math"
[gsm8k.steps.filters]
finished = false
min_characters = 1
min_ratio = 1.0
opening = 0.01
[[gsm8k.steps]]
name = "sft"
changes = { positives_only = false }
[[gsm8k.steps]]
name = "samples"
title = "ours"
limit = 5
[[gsm8k.steps]]
name = "as-paper"
title = "theirs"
limit = 5
"""


def save_writer(folder: Path) -> None:
    """A model that is nearly the student, and not it."""
    import torch
    from transformers import AutoModelForCausalLM

    shutil.copytree(embedded.BASE_DIR, folder)
    network = AutoModelForCausalLM.from_pretrained(str(folder))
    with torch.no_grad():
        network.model.norm.weight.mul_(1.01)
    network.save_pretrained(str(folder))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    shutil.copytree(embedded.BASE_DIR, tmp_path / "student")
    save_writer(tmp_path / "writer")
    prompts = {p.id: p for p in embedded.prompts("alignment")}
    math = [p for p in prompts.values() if p.category == "math"][:8]
    roles = [p for p in prompts.values() if p.category == "roleplay"][:8]
    write_rows(tmp_path / "math.jsonl", *({"problem": p.turns[0]} for p in math))
    rows = [{"text": p.turns[0], "kind": "roleplay"} for p in roles]
    write_rows(tmp_path / "roles.jsonl", *rows)
    asked = [p for p in embedded.prompts("evaluation") if p.category in CATEGORIES][::15]
    questions = [
        {"question_id": 81 + i, "category": p.category, "turns": list(p.turns)}
        for i, p in enumerate(asked)
    ]
    write_rows(tmp_path / "question.jsonl", *questions)
    problems = [
        {"question": p.turns[0], "answer": f"It is so. #### {(p.reference or ('0',))[0]}"}
        for p in embedded.word_problems("development")[:6]
    ]
    write_rows(tmp_path / "problems.jsonl", *problems)
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert cli.run(["reproduce", *arguments, "--scale", "small.toml", "--json", "-q"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_the_papers_mtbench_in_small(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LoopbackJudge(Behaviour(better_rate=0.9)) as server:
        asked = ("mtbench", "--prompts", "question.jsonl", "--base-url", server.url)
        document = run(capsys, *asked)
        judged = len(server.calls)
        assert run(capsys, *asked)["results"] == document["results"]
        assert len(server.calls) == judged > 0
    assert not document["embedded"]
    adapters = folder / document["folder"] / "adapters" / "student"
    assert not any(
        response.token_ids
        for contrast in read_contrasts(adapters / "contrasts.jsonl")
        for response in contrast.responses
    )
    for recipe in ("sft", "sft+dpo", "sft+sami"):  # all weights: models of their own
        assert card.is_checkpoint(adapters / f"{recipe}@0")
    by_principles, shown, plain = document["results"]
    assert by_principles["judge"] == "principles"
    assert (shown["principles_shown"], plain["principles_shown"]) == (True, False)
    assert all(pair["n_turns"] == 12 for row in document["results"] for pair in row["pairs"])
    # Our constitution's words reach that judge, and no other.
    said = [call.body["messages"][-1]["content"] for call in server.calls]
    told = [text for text in said if "<<<constitution>>>" in text]
    assert len(told) > 0
    assert len(told) < len(said)
    assert any("Sound like a person." in text for text in told)


def test_filters_that_leave_nothing_say_why(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = (folder / "small.toml").read_text().replace("min_ratio = 1.0", "min_ratio = 90.0")
    (folder / "small.toml").write_text(small)
    asked = ["gsm8k", "--prompts", "problems.jsonl", "--scale", "small.toml", "-q"]
    assert cli.run(["reproduce", *asked]) == 1
    error = capsys.readouterr().err
    assert "none of 8 contrasts passed the filters" in error
    assert "the longest response is less than 90 times the shortest" in error


def test_the_papers_gsm8k_in_small(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = run(capsys, "gsm8k", "--prompts", "problems.jsonl")
    ours, theirs = document["results"]
    assert (ours["name"], theirs["name"]) == ("ours", "theirs")
    assert ours["n_problems"] == theirs["n_problems"] == 5
    assert len(ours["gains"]) == len(theirs["gains"]) == 6
    contrasts = read_contrasts(
        folder / document["folder"] / "adapters" / "student" / "contrasts.jsonl"
    )
    assert sum(contrast.rejected is None for contrast in contrasts) <= 5
    settings = json.loads((folder / theirs["run"] / "passk.json").read_text())["settings"]
    assert (settings["temperature"], settings["top_p"]) == (1.0, 0.9)
