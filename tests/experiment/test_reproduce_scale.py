"""Scales: a TOML file holds everything a reproduction depends on, or is refused with its line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval.align.filters import PRESETS, Filters
from sami_eval.align.options import preset
from sami_eval.core.errors import UsageError
from sami_eval.data.constitutions import constitution_file, principles_for, read_constitution
from sami_eval.experiment.reproduce.scale import listing, read_scale
from sami_eval.experiment.settings import CompareSettings, PasskSettings
from tests import MTBENCH_CATEGORIES


def scale_file(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", sorted(listing()))
def test_every_bundled_scale_is_read(name: str) -> None:
    scale = read_scale(name)
    assert scale.name == name
    assert scale.about
    assert sum(trial.published for trial in scale.mtbench.trials) == 1


def test_the_papers_numbers_are_the_papers() -> None:
    scale = read_scale("paper")
    assert scale.mtbench.base == "meta-llama/Llama-3.1-8B"
    (first,), (second,) = scale.mtbench.writings, scale.gsm8k.writings
    assert first.writer == "meta-llama/Llama-3.1-8B-Instruct"
    assert first.prompts == 19_663
    assert [one.limit for one in first.sets] == [3000] * 8
    assert scale.gsm8k.base == "mistralai/Mistral-7B-v0.1"
    assert second.keep == 4000
    assert all(trial.settings.ks == (1, 10, 32) for trial in scale.gsm8k.trials)
    assert second.filters == PRESETS["paper-math"]
    for writing in (first, second):
        assert (writing.temperature, writing.top_p, writing.max_tokens) == (0.4, 0.9, 750)
    assert {one.options.lr for one in scale.mtbench.alignings} == {9.625e-7, 5e-7}
    assert scale.mtbench.alignings[-1].options.lr == 9.625e-7  # SAMI's


def test_the_bundled_constitutions_serve_every_category() -> None:
    principles = read_constitution(constitution_file("mtbench"))
    for category in MTBENCH_CATEGORIES:
        assert len(principles_for(category, principles)) >= 2  # two differ in 4 ways: N up to 4
    assert len(read_constitution(constitution_file("math"))) == 2


def test_a_file_that_is_like_another_holds_only_what_differs(tmp_path: Path) -> None:
    text = 'like = "embedded"\nabout = "small"\n[mtbench.compare]\nlimit = 8\n'
    scale, embedded = read_scale(scale_file(tmp_path, text)), read_scale("embedded")
    assert (scale.name, scale.about) == ("mine", "small")
    assert [trial.n for trial in scale.mtbench.trials] == [8, 8, 8]
    assert scale.mtbench.writings == embedded.mtbench.writings
    assert scale.gsm8k == embedded.gsm8k


def test_a_step_of_a_known_name_differs_in_what_it_says_and_a_new_one_comes_last(
    tmp_path: Path,
) -> None:
    text = """like = "embedded"
[[mtbench.steps]]
name = "alone"
do = "align"
recipe = "base+dpo"
[[mtbench.steps]]
name = "duel"
do = "compare"
title = "two of them"
contenders = { alone = "base+dpo", base = "base" }
rule = "average"
[[mtbench.steps]]
name = "hidden"
skip = true
[[mtbench.steps]]
name = "contrasts"
filters = { min_characters = 3 }
"""
    course, known = read_scale(scale_file(tmp_path, text)).mtbench, read_scale("embedded").mtbench
    names = [step.name for step in known.steps if step.name != "hidden"]
    assert [step.name for step in course.steps] == [*names, "alone", "duel"]
    (writing,), (before,) = course.writings, known.writings
    assert writing == replace(before, filters=Filters(min_characters=3))
    duel = course.trials[-1]
    assert duel.contenders == {"alone": "base+dpo", "base": "base"}  # and no others
    assert isinstance(duel.settings, CompareSettings)
    assert (duel.settings.rule, duel.settings.judge, duel.n) == ("average", "rules", 240)
    assert course.alignings[-1].options == preset("embedded", "dpo")


def test_every_setting_of_a_command_is_a_key_of_its_steps(tmp_path: Path) -> None:
    text = """like = "embedded"
[mtbench.compare]
judge-model = ["openai:a", "openai:b"]
orders = "one"
temperature = 1
max-unparsed = 0.5
[[gsm8k.steps]]
name = "samples"
k = "2,1"
samples = 2
greedy = false
prompts = "second-half.jsonl"
"""
    # `k` stands beside the parent's `ks`: one setting, said twice.
    with pytest.raises(UsageError, match=r"`k` is given twice, under two names"):
        read_scale(scale_file(tmp_path, text))
    scale = read_scale(scale_file(tmp_path, text.replace('k = "2,1"', "ks = [2, 1]")))
    for trial in scale.mtbench.trials:
        assert isinstance(trial.settings, CompareSettings)
        assert trial.settings.judge_model == ("openai:a", "openai:b")
        assert (trial.settings.orders, trial.settings.temperature) == ("one", 1.0)
    (sampled,) = (trial.settings for trial in scale.gsm8k.trials)
    assert isinstance(sampled, PasskSettings)
    assert (sampled.ks, sampled.greedy) == ((1, 2), False)
    assert sampled.prompts == Path("second-half.jsonl")


STEP = '[[{}.steps]]\nname = "{}"\n'
FIRST, SFT = STEP.format("gsm8k", "contrasts"), STEP.format("mtbench", "sft")
DPO, SHOWN = STEP.format("mtbench", "dpo"), STEP.format("mtbench", "shown")
SAMPLES, NEW = STEP.format("gsm8k", "samples"), STEP.format("mtbench", "new")


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("[mtbench.compare]\nlimit = 0\n", "step `shown`: `limit` is `0`", 3),
        (f'{SHOWN}limit = "all"\n', "step `shown`: `limit` is `'all'`", 4),
        (f"[mtbench]\nbase = 'x'\n{DPO}{SHOWN}judg = 3\n", "compare has no setting `judg`", 8),
        (f"{SHOWN}judge-model = 3\n", "step `shown`: `judge-model` is `3`", 4),
        (f"{SHOWN}seed = 3\n", "step `shown`: `seed` is of the whole experiment", 4),
        (f"{SHOWN}skip = 1\n", "step `shown`: `skip` is `1`", 4),
        (f"{SHOWN}published = 1\n", "step `shown`: `published` is `1`", 4),
        (f'{SHOWN}title = ""\n', "step `shown`: `title` is `''`", 4),
        (f"{SHOWN}contenders = {{ A = 'kt' }}\n", "step `shown`: no recipe `kt`", 4),
        (f"{SHOWN}contenders = {{ A = 'base+dpo' }}\n", "step `shown`: needs `base+dpo`, which", 4),
        (f"{NEW}do = 'bake'\n", "step `new`: `do` is `'bake'`", 4),
        (f"{NEW}do = ['align']\n", "step `new`: `do` is `['align']`", 4),
        (f"{SHOWN}contenders = {{ '' = 'sft' }}\n", "`''` is no name of a contender", 4),
        (f"{NEW}title = 'x'\n", "step `new`: `do` is missing", 2),
        (f"{NEW}do = 'compare'\ntitle = 'principles shown judged by principles'\n",
         "step `new`: `title` is `principles shown judged by principles`, another's, too", 5),
        (f"{NEW}do = 'contrast'\n", "step `new`: `writer` is missing", 2),
        (f"{NEW}do = 'answer'\nlimit = 3\n", "step `new`: `limit` is no field here", 5),
        (f"{DPO}recipe = 'sami+dpo'\n", "step `dpo`: recipe `sami+dpo` does not say", 4),
        (f"{DPO}recipe = 'base'\n", "step `dpo`: `recipe` is `base`", 4),
        (f"{DPO}recipe = 'sft+sami+dpo'\n", "step `dpo`: needs `sft+sami`, which no step", 4),
        (f"{SFT}changes = {{ beta = 0.2 }}\n", "step `sft`: option `beta` is nothing to", 4),
        (f"{SFT}changes = {{ lr = -1 }}\n", "step `sft`: option `lr` is `-1`", 4),
        (f"{SFT}[mtbench.steps.changes]\nlr = -1\n", "step `sft`: option `lr` is `-1`", 4),
        ("[mtbench.align]\npreset = 'none'\n", "step `sft`: no preset `none`", 3),
        ("[mtbench]\nquestion = 3\n", "`mtbench.question` is no field here", 3),
        ("[mtbench]\nbase = 3\n", "`mtbench.base` is `3`", 3),
        ("[mtbench]\nsteps = [{ skip = true }]\n", "step 1: `name` is missing", 3),
        (f"{SFT}{DPO}{SFT}", "step 3: `name` is `'sft'`, as that of step 1", 7),
        (f"{FIRST}top_p = 1.5\n", "step `contrasts`: `top_p` is `1.5`", 4),
        (f"{FIRST}n = 1\n", "step `contrasts`: `n` is `1`", 4),
        (f"{FIRST}sets = []\n", "step `contrasts`: `sets` is empty", 4),
        (f"{FIRST}filters = {{ min_ratio = 0.5 }}\n", "`--min-ratio` is `0.5`", 4),
        (f"{FIRST}[gsm8k.steps.filters]\nmin_ratio = 0.5\n", "`--min-ratio` is `0.5`", 4),
        (f"{SAMPLES}ks = [1, 64]\n", "step `samples`: draws 32 samples for up to 64 attempts", 4),
        ("[expected.accepted]\nmtbench = 2.0\n", "`expected.accepted.mtbench` is `2.0`", 3),
        ("[expected]\nstart_s = -1\n", "`expected.start_s` is `-1`", 3),
        ("[prices.x]\ninput = -1\noutput = 1\n", "`prices.x.input` is `-1`", 3),
        ("mtbench = 3\n", "`mtbench` is `3`", 2),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_its_line(
    tmp_path: Path, text: str, said: str, line: int
) -> None:
    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        read_scale(scale_file(tmp_path, f'like = "embedded"\n{text}'))
    assert caught.value.where == f"{tmp_path / 'mine.toml'}:{line}"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("[mtbench]\nquestions = 8\n", "write limit, under [mtbench.compare] or of a step"),
        ("[mtbench.contrasts]\nn = 3\n", 'write [[mtbench.steps]] with do = "contrast"'),
        ("[mtbench.training]\npreset = 'x'\n", "write preset under [mtbench.align], and"),
        ("[[mtbench.judging]]\nname = 'x'\n", 'write [[mtbench.steps]] with do = "compare"'),
        ("[[gsm8k.sampling]]\nname = 'x'\n", 'write [[gsm8k.steps]] with do = "passk"'),
        ("[gsm8k]\nks = [1]\n", "write ks, under [gsm8k.passk] or of a step"),
    ],
)
def test_a_file_from_before_the_steps_is_told_what_replaced_its_tables(
    tmp_path: Path, text: str, instead: str
) -> None:
    with pytest.raises(UsageError, match="is no more") as caught:
        read_scale(scale_file(tmp_path, f'like = "embedded"\n{text}'))
    assert caught.value.hint.startswith(instead)
    assert re.fullmatch(r".*mine\.toml:[23]", str(caught.value.where))


@pytest.mark.parametrize(
    ("spec", "said"), [("enormous", "no scale `enormous`"), ("no.toml", "no scale `no.toml`")]
)
def test_an_unknown_scale_lists_the_known(spec: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        read_scale(spec)
    assert "embedded, laptop, one-gpu, paper" in caught.value.hint


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
