"""A contender that was trained on the evaluation's prompts is told of before it answers them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval import cli, embedded
from sami_eval.align import chain
from sami_eval.core.types import Model, Prompt
from sami_eval.data import problem_sets
from sami_eval.data.contrasts import prompt_hash
from sami_eval.generate import card
from tests.align_models import CONTRASTS, Said, save_base
from tests.loopback_judge import LoopbackJudge
from tests.records import write_rows
from tests.tiny_llama import save_adapter
from tests.tiny_llama import save_base as save_llama

TEXTS = ("Which colour is the sky?", "How many legs has an ant?", "Name a river.")


def knows(adapter: Path, *texts: str, earlier: tuple[str, ...] | None = ()) -> None:
    """Write the card of a training on prompts of these words."""
    hashes = [prompt_hash(Prompt("x", "all", (text,))) for text in texts]
    written = {"schema": card.SCHEMA, "contrasts": {"prompts": hashes}}
    if earlier is not None:
        of = [prompt_hash(Prompt("y", "all", (text, "and a second turn"))) for text in earlier]
        written["earlier_prompts"] = of
    (adapter / card.FILE).write_text(json.dumps(written))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A random base and an adapter of it."""
    folder = tmp_path_factory.mktemp("models")
    base = save_llama(folder / "llama")
    return base, save_adapter(folder / "mine", base, seed=1)


@pytest.fixture
def folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    rows = [
        {"question_id": i, "category": "stem", "turns": [text]} for i, text in enumerate(TEXTS, 81)
    ]
    write_rows("q.jsonl", *rows)
    return folder


def compare(base: Path, adapter: Path, *more: str) -> int:
    with LoopbackJudge() as server:
        asked = ["compare", str(adapter), "base", "--base", str(base), "--prompts", "q.jsonl"]
        asked += ["--judge", "quality", "--judge-model", "openai:loopback", "--max-tokens", "8"]
        return cli.run([*asked, "--base-url", server.url, "--max-unparsed", "1", *more])


def test_a_contender_trained_on_the_prompts_is_warned_of_before_it_answers(
    made: tuple[Path, Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, adapter = made
    # The second question by an earlier link, whatever else it was asked there.
    knows(adapter, TEXTS[2], "Not asked here.", earlier=(TEXTS[1],))
    capsys.readouterr()
    assert compare(base, adapter, "--json") == 0
    out, err = capsys.readouterr()
    warning = (
        f"warning: `mine` was trained on 2 of these 3 prompts, e.g. `82` (adapter `{adapter}`)"
    )
    assert err.count("was trained on") == 1
    assert 0 <= err.index(warning) < err.index("generating")
    rows = json.loads(out)["contenders"]
    assert [row["trained_on"] for row in rows] == [["82", "83"], None]
    assert cli.run(["show"]) == 0
    shown = capsys.readouterr().out
    assert "trained on prompts    mine: 2 of the evaluation, e.g. 82" in shown
    assert cli.run(["show", "--html"]) == 0
    assert "mine: 2 of the evaluation, e.g. 82" in next(folder.rglob("report.html")).read_text()


def test_a_dry_run_says_it_too(
    made: tuple[Path, Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, adapter = made
    knows(adapter, TEXTS[0])
    assert compare(base, adapter, "--dry-run") == 0
    assert "`mine` was trained on 1 of these 3 prompts" in capsys.readouterr().err
    assert compare(base, adapter, "--dry-run", "--json") == 0
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert "e.g. `81`" in note


@pytest.mark.parametrize("texts", [("Something else?",), None])
def test_other_prompts_and_an_adapter_without_a_card_are_not_warned_of(
    made: tuple[Path, Path],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    texts: tuple[str, ...] | None,
) -> None:
    base, adapter = made
    (adapter / card.FILE).unlink(missing_ok=True)
    if texts is not None:
        knows(adapter, *texts)
    assert compare(base, adapter, "--json") == 0
    out, err = capsys.readouterr()
    assert "trained on" not in err
    # None is "not known", an empty list is "none of them".
    assert json.loads(out)["contenders"][0]["trained_on"] == (None if texts is None else [])
    assert cli.run(["show"]) == 0
    assert "trained on prompts" not in capsys.readouterr().out


def test_passk_warns_of_problems_a_contender_was_trained_on(
    made: tuple[Path, Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, adapter = made
    rows = [{"question": text, "answer": "#### 6"} for text in TEXTS]
    write_rows("p.jsonl", *rows)
    ids = [problem.prompt.id for problem in problem_sets.read_problems(Path("p.jsonl"), None)]
    knows(adapter, TEXTS[1], TEXTS[2])
    capsys.readouterr()
    asked = ["passk", str(adapter), "base", "--base", str(base), "--prompts", "p.jsonl"]
    assert cli.run([*asked, "--k", "1", "--samples", "2", "--dry-run"]) == 0
    assert capsys.readouterr().out.count("was trained on 2 of these 3 prompts") == 1
    assert cli.run([*asked, "--k", "1", "--samples", "2", "--max-tokens", "4", "--json"]) == 0
    out, err = capsys.readouterr()
    warning = f"warning: `mine` was trained on 2 of these 3 prompts, e.g. `{ids[1]}`"
    assert 0 <= err.index(warning) < err.index("sampling")
    rows = json.loads(out)["contenders"]
    assert [row["trained_on"] for row in rows] == [ids[1:], None]
    assert cli.run(["show"]) == 0
    assert f"mine: 2 of the evaluation, e.g. {ids[1]}" in capsys.readouterr().out


def test_a_run_of_an_earlier_version_is_shown_without_it(
    made: tuple[Path, Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, adapter = made
    knows(adapter, *TEXTS)
    assert compare(base, adapter, "-q") == 0
    (path,) = folder.rglob("comparison.json")
    document = json.loads(path.read_text())
    for row in document["contenders"]:
        del row["trained_on"]
    path.write_text(json.dumps(document))
    capsys.readouterr()
    assert cli.run(["show"]) == 0
    assert "trained on prompts" not in capsys.readouterr().out


def test_the_prompts_of_earlier_links_are_on_a_chains_card(tmp_path: Path) -> None:
    base = save_base(tmp_path / "base")
    setup = chain.Setup(base, tmp_path / "adapters", 0, "embedded", Said())
    few = {"steps": 1, "batch_size": 2, "max_fall": 10.0}
    first, second = CONTRASTS[:2], CONTRASTS[1:4]
    sft = chain.align("sft", first, setup, None, few)
    both = chain.align("sft+dpo", second, setup, None, few)
    third = chain.align("sft+dpo+sami", CONTRASTS[4:], setup, None, few)

    def hashes(*numbers: int) -> set[str]:
        return {prompt_hash(CONTRASTS[number].prompt) for number in numbers}

    assert card.prompts_seen(sft) == hashes(0, 1)
    assert card.prompts_seen(both) == hashes(0, 1, 2, 3)
    assert card.prompts_seen(third) == hashes(0, 1, 2, 3, 4, 5)
    assert card.prompts_seen(base) is None
    assert third.adapter is not None
    path = Path(third.adapter) / card.FILE
    known = json.loads(path.read_text())
    del known["earlier_prompts"]  # a card of an earlier version
    path.write_text(json.dumps(known))
    assert card.prompts_seen(third) == hashes(4, 5)


def test_a_checkpoint_and_an_adapter_on_it_tell_what_both_saw(tmp_path: Path) -> None:
    for name, texts in (("whole", TEXTS[:1]), ("on it", TEXTS[1:2])):
        (tmp_path / name).mkdir()
        knows(tmp_path / name, *texts, earlier=None)
    model = Model("m", str(tmp_path / "whole"), adapter=str(tmp_path / "on it"))
    prompts = [Prompt(str(i), "all", (text,)) for i, text in enumerate(TEXTS)]
    known = {prompt_hash(prompt) for prompt in prompts[:2]}
    assert card.prompts_seen(model) == known
    assert card.prompts_seen(replace(model, engine="recorded")) is None


def test_the_embedded_evaluation_is_not_what_its_adapters_train_on() -> None:
    seen = {prompt_hash(prompt) for prompt in embedded.prompts("alignment")}
    problems = problem_sets.read_problems(problem_sets.EMBEDDED, "evaluation")
    asked = [*embedded.prompts("evaluation"), *(problem.prompt for problem in problems)]
    assert seen.isdisjoint(prompt_hash(prompt) for prompt in asked)
