"""Constitution files in the paper's two JSON formats; test_prompts.py has our TOML."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.align.contrast import constitutions
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Principle, Prompt
from sami_eval.data.constitutions import principles_for, read_constitution
from sami_eval.data.prompts import with_principles
from tests import SHARED

PAPER = SHARED / "data" / "paper"
BY_CATEGORY = {
    "writing.1": {
        "weak": "Be warm.",
        "relevant_for": ["writing", "roleplay"],
        "strong": "Be very warm.",
        "antithesis": "Be cold.",
    },
    "math.1": {
        "weak": "Show steps.",
        "relevant_for": ["math"],
        "strong": "Show every step.",
        "antithesis": "Show none.",
    },
}
OF_PHRASINGS = {
    "math.1": {
        "definition": "Show steps.",
        "paraphrases": ["Show every step.", "Leave out no step."],
        "paraphrases_antithesis": ["Show none."],
    }
}


def save(folder: Path, data: object) -> Path:
    path = folder / "constitution.json"
    path.write_text(json.dumps(data, indent=1))
    return path


def test_a_constitution_by_category_keeps_its_categories(tmp_path: Path) -> None:
    principles = read_constitution(save(tmp_path, BY_CATEGORY))
    assert principles[0] == Principle(
        "writing.1", ("writing", "roleplay"), "Be warm.", "Be very warm.", "Be cold."
    )
    assert [one.id for one in principles_for("math", principles)] == ["math.1"]
    assert principles_for("coding", principles) == ()


def test_a_constitution_of_phrasings_is_for_every_prompt(tmp_path: Path) -> None:
    principles = read_constitution(save(tmp_path, OF_PHRASINGS))
    assert [one.id for one in principles_for("anything", principles)] == ["math.1"]
    asked = with_principles([Prompt("1", "algebra", ("2x = 4",))], principles)
    assert asked[0].principles == ("Show steps.",)


def test_contrasts_draw_among_all_phrasings(tmp_path: Path) -> None:
    principles = read_constitution(save(tmp_path, OF_PHRASINGS))
    prompts = [Prompt(str(i), "math", ("?",)) for i in range(40)]
    texts = {one.text for prompt in prompts for one in constitutions(prompt, principles, 2, 0)}
    assert texts == {"1. Show every step.", "1. Leave out no step.", "1. Show none."}


@pytest.mark.parametrize(
    ("field", "value"),
    [("weak", " "), ("strong", 7), ("relevant_for", "writing"), ("antithesis", [])],
)
def test_a_bad_field_is_named_with_its_line(tmp_path: Path, field: str, value: object) -> None:
    first = {**BY_CATEGORY["writing.1"], field: value}
    path = save(tmp_path, {**BY_CATEGORY, "writing.1": first})
    with pytest.raises(UsageError, match=f"principle `writing.1`: `{field}` is") as caught:
        read_constitution(path)
    written = path.read_text().split("\n")
    assert f'"{field}"' in written[int(str(caught.value.where).rpartition(":")[2]) - 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "not an object of principles"),
        ("{}", "not an object of principles"),
        ('{"a": 3}', "is not an object"),
        ('{"a": {"weak": "x", "tone": "y"}}', "unknown field `tone`"),
        ('{"a": {"weak": "x"}}', "`strong` is `None`"),
        ('{"a": {"definition": "x", "paraphrases": "y"}}', "`paraphrases` is"),
        ('{"a": {}, "a": {}}', "`a` occurs twice"),
        ('{"a":', "not JSON"),
    ],
)
def test_what_is_no_constitution_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "constitution.json"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_constitution(path)
    assert said in caught.value.message
    assert str(caught.value.where).startswith(str(path))


def test_compare_reads_the_papers_constitutions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path, {"a": {"weak": "", "relevant_for": ["writing"]}})
    command = ["compare", "base", "base", "--constitutions", "constitution.json", "--dry-run"]
    assert cli.run(command) == 2
    assert "`weak` is" in capsys.readouterr().err


@pytest.mark.skipif(not PAPER.is_dir(), reason="the paper's artifacts are not beside the checkout")
def test_the_papers_own_files_are_read() -> None:
    by_category = read_constitution(PAPER / "mt_bench_constitution.json")
    assert len(by_category) == 9
    assert [one.id for one in principles_for("stem", by_category)] == ["math.1", "generic_human"]
    assert len(read_constitution(PAPER / "math_constitution.json")) == 2


def test_a_principle_without_categories_is_for_every_prompt(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[[principle]]\nid = "a"\nweak = "w"\nstrong = "s"\nantithesis = "n"\n')
    principles = read_constitution(path)
    assert principles_for("writing", principles) == principles_for("math", principles) == principles
