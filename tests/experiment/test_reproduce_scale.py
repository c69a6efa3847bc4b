"""Scales: a TOML file holds everything a reproduction depends on, or is refused with its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sami_eval.align.filters import PRESETS
from sami_eval.align.options import preset
from sami_eval.core.errors import UsageError
from sami_eval.data.constitutions import principles_for, read_constitution
from sami_eval.data.prompts import MTBENCH_CATEGORIES
from sami_eval.experiment.reproduce.scale import constitution_file, listing, read_scale


def scale_file(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", sorted(listing()))
def test_every_bundled_scale_is_read(name: str) -> None:
    scale = read_scale(name)
    assert scale.name == name
    assert scale.about
    assert sum(how.published for how in scale.mtbench.judging) == 1


def test_the_papers_numbers_are_the_papers() -> None:
    scale = read_scale("paper")
    assert scale.mtbench.base == "meta-llama/Llama-3.1-8B"
    assert scale.mtbench.contrasts.writer == "meta-llama/Llama-3.1-8B-Instruct"
    assert scale.mtbench.contrasts.prompts == 19_663
    assert [one.limit for one in scale.mtbench.contrasts.sets] == [3000] * 8
    assert scale.gsm8k.base == "mistralai/Mistral-7B-v0.1"
    assert scale.gsm8k.contrasts.keep == 4000
    assert scale.gsm8k.ks == (1, 10, 32)
    assert scale.gsm8k.contrasts.filters == PRESETS["paper-math"]
    for writing in (scale.mtbench.contrasts, scale.gsm8k.contrasts):
        assert (writing.temperature, writing.top_p, writing.max_tokens) == (0.4, 0.9, 750)
    assert preset(scale.mtbench.training.preset, "sami").lr == 9.625e-7


def test_the_bundled_constitutions_serve_every_category() -> None:
    principles = read_constitution(constitution_file("mtbench"))
    for category in MTBENCH_CATEGORIES:
        assert len(principles_for(category, principles)) >= 2  # two differ in 4 ways: N up to 4
    assert len(read_constitution(constitution_file("math"))) == 2


def test_a_file_that_is_like_another_holds_only_what_differs(tmp_path: Path) -> None:
    text = 'like = "embedded"\nabout = "small"\n[mtbench]\nquestions = 8\n'
    scale, embedded = read_scale(scale_file(tmp_path, text)), read_scale("embedded")
    assert (scale.name, scale.about, scale.mtbench.questions) == ("mine", "small", 8)
    assert scale.mtbench.contrasts == embedded.mtbench.contrasts
    assert scale.gsm8k == embedded.gsm8k


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("[mtbench]\nquestions = 0\n", "`mtbench.questions` is `0`", 3),
        ('[mtbench]\nquestions = "all"\n', "`mtbench.questions` is `'all'`", 3),
        ("[mtbench]\nquestion = 3\n", "`mtbench.question` is no field here", 3),
        ("[gsm8k.contrasts]\ntop_p = 1.5\n", "`gsm8k.contrasts.top_p` is `1.5`", 3),
        ("[gsm8k.contrasts]\nn = 1\n", "`gsm8k.contrasts.n` is `1`", 3),
        ("[gsm8k.contrasts.filters]\nmin_ratio = 0.5\n", "`--min-ratio` is `0.5`", 2),
        ("[gsm8k]\nks = [1, 64]\n", "draws 32 samples for up to 64 attempts", 3),
        ('[mtbench.training]\npreset = "none"\n', "no preset `none`", 3),
        ("[mtbench.training.changes.sft]\nlr = -1\n", "option `lr` is `-1`", 2),
        ("[expected.accepted]\nmtbench = 2.0\n", "`expected.accepted.mtbench` is `2.0`", 3),
        ("mtbench = 3\n", "`mtbench` is `3`", 2),
    ],
)
def test_a_bad_value_is_named_with_its_line(
    tmp_path: Path, text: str, said: str, line: int | None
) -> None:
    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        read_scale(scale_file(tmp_path, f'like = "embedded"\n{text}'))
    # A value that only the parent scale has is the file's alone: no line of it is at fault.
    at = tmp_path / "mine.toml"
    assert caught.value.where == (str(at) if line is None else f"{at}:{line}")


@pytest.mark.parametrize(
    ("spec", "said"), [("enormous", "no scale `enormous`"), ("no.toml", "no scale `no.toml`")]
)
def test_an_unknown_scale_lists_the_known(spec: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        read_scale(spec)
    assert "embedded, one-gpu, paper" in caught.value.hint


def test_like_names_a_bundled_scale(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`like` is `huge`") as caught:
        read_scale(scale_file(tmp_path, 'like = "huge"\n'))
    assert str(caught.value.where).endswith("mine.toml:1")


def test_a_file_that_says_too_little_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`mtbench` is missing"):
        read_scale(scale_file(tmp_path, 'about = "nothing else"\n'))


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("dpo = 3750.0, ", "`expected.trained` is without `dpo`"),
        ("gsm8k = 0.8\n", "`expected.accepted` is without `gsm8k`"),
    ],
)
def test_what_a_dry_run_reckons_with_is_whole(tmp_path: Path, there: str, said: str) -> None:
    text = listing()["embedded"].read_text()
    assert there in text
    with pytest.raises(UsageError, match=re.escape(said)):
        read_scale(scale_file(tmp_path, text.replace(there, "")))


def test_runs_of_one_name_are_refused(tmp_path: Path) -> None:
    run = '[[gsm8k.sampling]]\nname = "same"\nproblems = 1\nsamples = 32\n'
    with pytest.raises(UsageError, match="each with its own name"):
        read_scale(scale_file(tmp_path, f'like = "embedded"\n{run}{run}'))
