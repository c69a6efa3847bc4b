"""Reward models: a classifier scores each answer, the difference is stored, its sign decides."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core.types import Model
from sami_eval.generate import EngineChoice
from sami_eval.judge import read_judge
from sami_eval.judge.seats import Seat
from tests.loopback_judge import LoopbackJudge
from tests.records import vote, write_records, write_rows
from tests.tiny_classifier import save_classifier

RECORDS = ("compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "-q")
REWARD = ("--judge-model", "reward:rm")


@pytest.fixture(scope="module")
def rm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that likes answers whose last character comes late."""
    return save_classifier(tmp_path_factory.mktemp("models") / "rm")


@pytest.fixture
def folder(folder: Path, rm: Path) -> Path:
    """Two records, strengths 9 and 1 as their last characters, beside the classifier."""
    write_records(folder, 6, one=9, two=1)
    Path("rm").symlink_to(rm)
    return folder


def compared(capsys: pytest.CaptureFixture[str], *flags: str, code: int = 0) -> dict[str, Any]:
    assert cli.run([*RECORDS, *flags, "--json", "--out", "run"]) == code
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def verdicts() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("run", "verdicts.jsonl").read_text().splitlines()]


def test_the_higher_score_wins_in_one_order_and_nothing_is_scored_twice(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = compared(capsys, *REWARD)
    (row,) = document["comparisons"]
    assert (row["win_rate"], row["n_turns"], row["n_verdicts"]) == (1.0, 12, 12)
    assert row["first_position_rate"] is None
    assert (document["cost_usd"], document["measures"]) == (0.0, None)
    # Two answers a turn; the second turn's conversation is the same for every question but its
    # first message, so each of 6 questions has 2 turns of 2 contenders.
    assert document["calls"] == {"made": 24, "from_ledger": 0}
    for one in verdicts():
        of_a, of_b = one["ratings"]
        assert one["score"] == of_a - of_b > 0
        assert (one["winner"], one["first"]) == ("a", "a")
        assert json.loads(one["text"].partition("\n")[0]) == {"LABEL_0": of_a}
    assert cli.run([*RECORDS, *REWARD, "--repeats", "3", "--json", "--out", "again"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["calls"] == {"made": 0, "from_ledger": 24}
    assert again["comparisons"][0]["win_rate"] == 1.0
    turned = ["compare", "two.jsonl", "one.jsonl", *RECORDS[3:], *REWARD, "--json", "--out", "back"]
    assert cli.run(turned) == 0
    back = json.loads(capsys.readouterr().out)
    assert back["calls"] == {"made": 0, "from_ledger": 24}
    assert back["comparisons"][0]["win_rate"] == 0.0
    assert cli.run(["show", "run"]) == 0
    assert "judge reward (rm) · each answer by itself" in capsys.readouterr().out


def test_that_one_order_is_enough_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = [one for one in RECORDS if one != "-q"]
    assert cli.run([*job, *REWARD]) == 0
    assert "one order is enough" in capsys.readouterr().err


def test_the_dry_run_counts_what_is_scored(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*RECORDS, *REWARD, "--dry-run", "--json"]) == 0
    (judge,) = json.loads(capsys.readouterr().out)["judges"]
    assert (judge["calls"], judge["cost_usd"]) == (24, 0.0)


def test_identical_answers_tie_and_one_beyond_the_context_has_no_verdict(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [json.loads(line) for line in Path("two.jsonl").read_text().splitlines()]
    same = {**json.loads(Path("one.jsonl").read_text().splitlines()[0]), "model": "two"}
    long = {**rows[1], "turns": ["x" * 300 + "1", "1"]}
    write_rows("two.jsonl", same, long, *rows[2:])
    document = compared(capsys, *REWARD, code=1)
    (row,) = document["comparisons"]
    assert (row["ties"], row["unparsed"], row["too_long"]) == (2, 2, 2)


def test_batches_and_engine_arguments_leave_scores_as_they_are(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # No padding of its own: what short rows are filled with must be no token of theirs.
    for name, pad in (("own", 2), ("none", None), ("end", 1)):
        save_classifier(tmp_path / name, pad_token_id=pad)
    rows = [json.loads(line) for line in Path("two.jsonl").read_text().splitlines()]
    write_rows("two.jsonl", *({**row, "turns": ["y" * i + "1"] * 2} for i, row in enumerate(rows)))
    found = []
    for name, batch in (("own", "1"), ("own", "24"), ("none", "5"), ("none", "1"), ("end", "7")):
        flags = ["--judge-model", f"reward:{name}", "--engine", "hf"]
        flags += ["--engine-arg", f"batch_rows={batch}"]
        shutil.rmtree(".sami-eval", ignore_errors=True)  # nothing is stored
        assert cli.run([*RECORDS, *flags, "--json", "--out", f"{name}{batch}"]) == 0
        capsys.readouterr()
        lines = Path(f"{name}{batch}", "verdicts.jsonl").read_text().splitlines()
        found.append([rating for line in lines for rating in json.loads(line)["ratings"]])
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=1e-5)
    shutil.rmtree(".sami-eval")
    assert cli.run([*RECORDS, *REWARD, "--engine", "hf", "--engine-arg", "rows=2"]) == 2
    assert "no argument `rows`" in capsys.readouterr().err


def test_scores_of_another_precision_are_other_scores(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hf = ("--engine", "hf", "--engine-arg")
    calls = [
        (compared(capsys, *REWARD, *more)["calls"], [one["score"] for one in verdicts()])
        for more in ((), (*hf, "dtype=float32"), (*hf, "dtype=bfloat16"), (*hf, "dtype=bfloat16"))
        if shutil.rmtree("run", ignore_errors=True) is None
    ]
    made = [one["made"] for one, _ in calls]
    assert made == [24, 0, 24, 0]
    scores = [several for _, several in calls]
    assert scores[0] == scores[1] != scores[2] == scores[3]


def test_a_judge_in_words_is_another_under_another_dtype_and_one_by_any_batch() -> None:
    seat = Seat(replace(read_judge("quality"), model="hf:x"), Model("x", "x", fingerprint="f"))

    def identity(**arguments: str) -> str | None:
        return seat.run_by(EngineChoice("hf", arguments)).identity

    assert identity() == identity(batch_rows="8") == seat.identity
    assert len({identity(), identity(dtype="float16"), identity(dtype="bfloat16")}) == 3


def test_it_stands_in_an_ensemble_beside_a_judge_that_reads_both_orders(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        quality = ["--judge", "quality", "--judge-model", "openai:x", "--base-url", server.url]
        document = compared(capsys, *quality, *REWARD)
        assert server.n_calls == 24
    (row,) = document["comparisons"]
    names = ["quality (openai:x)", "quality (reward:rm)"]
    assert [one["judge"] for one in row["judges"]] == names
    assert [one["win_rate"] for one in row["judges"]] == [1.0, 1.0]
    assert [one["n_turns"] for one in row["judges"]] == [12, 12]
    assert (row["win_rate"], row["n_verdicts"]) == (1.0, 24 + 12)
    assert row["kappa"]["overall"]["n_turns"] == 12


def test_agreement_with_people_takes_its_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compared(capsys, *REWARD)
    several = [vote(i, "model_a", model_a="one", model_b="two") for i in range(1, 7)]
    write_rows("votes.jsonl", *several)
    assert cli.run(["agreement", "run", "--votes", "votes.jsonl", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_fastchats_ratings_are_not_made_of_scores_on_another_scale(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compared(capsys, *REWARD)
    assert cli.run(["show", "run", "--fastchat", "fc"]) == 0
    (file,) = Path("fc", "model_judgment").iterdir()
    assert file.name == "rm_pair.jsonl"
    first = json.loads(file.read_text().splitlines()[0])
    assert (first["g1_winner"], first["g2_winner"]) == ("model_1", "model_1")


def refused(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    assert cli.run([*RECORDS, *flags]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert not Path("runs").exists()
    return said


def test_what_is_no_classifier_is_refused_before_anything_is_asked(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from tests.tiny_llama import save_base

    save_base(tmp_path / "talks")
    said = refused(capsys, "--judge-model", "reward:talks")
    assert "`talks` is no classifier: its config.json names LlamaForCausalLM" in said
    assert "`none`" in refused(capsys, "--judge-model", "reward:none")
    assert "names none" in refused(capsys, "--judge", "reward", "--judge-model", "openai:x")
    assert "needs a model" in refused(capsys, "--judge", "reward")


def test_a_head_at_random_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    file = save_classifier(tmp_path / "headless") / "model.safetensors"
    weights = {name: one for name, one in load_file(file).items() if name != "score.weight"}
    save_file(weights, file, {"format": "pt"})
    assert cli.run([*RECORDS, "--judge-model", "reward:headless"]) == 2
    assert "not in its files: `score.weight`" in capsys.readouterr().err


def test_a_classifier_of_several_labels_needs_one_named(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    labels = {"id2label": {0: "helpful", 1: "harmless"}, "label2id": {"helpful": 0, "harmless": 1}}
    save_classifier(tmp_path / "two", 2, **labels)
    said = refused(capsys, "--judge-model", "reward:two")
    assert "gives 2 numbers, and which one is the reward is open: helpful, harmless" in said
    text = 'name = "mine"\nkind = "reward"\nmodel = "reward:two"\nlabel = "{}"\n'
    Path("mine.toml").write_text(text.format("honest"))
    assert "`two` has no label `honest`" in refused(capsys, "--judge", "./mine.toml")
    Path("mine.toml").write_text(text.format("harmless"))
    assert compared(capsys, "--judge", "./mine.toml")["comparisons"][0]["win_rate"] == 1.0
    both = [json.loads(one["text"].partition("\n")[0]) for one in verdicts()]
    assert [one["ratings"][0] for one in verdicts()] == [one["harmless"] for one in both]
    # Another label is another reading of what is stored.
    Path("mine.toml").write_text(text.format("helpful"))
    assert compared(capsys, "--judge", "./mine.toml")["calls"]["made"] == 0


def test_no_chat_template_is_refused_and_one_can_be_given(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (save_classifier(tmp_path / "plain") / "chat_template.jinja").unlink()
    assert "has no chat template" in refused(capsys, "--judge-model", "reward:plain")
    Path("sami-eval.toml").write_text(
        '[models.mine]\nbase = "plain"\nchat_template = "{{ messages[-1][\'content\'] }}"\n'
    )
    assert compared(capsys, "--judge-model", "reward:mine")["comparisons"][0]["win_rate"] == 1.0


def test_principles_are_not_left_to_a_judge_that_is_shown_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    principle = 'id = "a.1"\ncategories = ["*"]\nweak = "x"\nstrong = "y"\nantithesis = "z"\n'
    Path("c.toml").write_text(f"[[principle]]\n{principle}")
    flags = ["--constitutions", "c.toml", "--judge", "principles", *REWARD]
    assert "is shown none" in refused(capsys, *flags)
    # Named alone it needs no judge file: it is the reward judge.
    document = compared(capsys, "--constitutions", "c.toml", *REWARD)
    assert document["judge"] == "reward"


def test_an_adapter_brings_its_own_head(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForSequenceClassification

    from tests.tiny_llama import save_base

    # A base that talks, and a reward adapter of it: its head and its template are its own.
    save_base(tmp_path / "talks")
    network = LlamaForSequenceClassification.from_pretrained(tmp_path / "talks", num_labels=1)
    lora = LoraConfig(r=2, target_modules=["q_proj"], task_type="SEQ_CLS")
    peft = get_peft_model(network, lora)
    torch.manual_seed(1)
    for name, weights in peft.named_parameters():
        if "lora_B" in name or "modules_to_save" in name:
            torch.nn.init.normal_(weights, std=1.0)
    peft.save_pretrained(tmp_path / "mine")
    Path("sami-eval.toml").write_text(
        '[models.rm2]\nadapter = "mine"\nbase = "talks"\n'
        "chat_template = \"{% for m in messages %}{{ m['content'] }}\\n{% endfor %}\"\n"
    )
    document = compared(capsys, "--judge-model", "reward:rm2")
    assert document["calls"]["made"] == 24
    # Once more by PEFT's own loop.
    tokenizer_text = "a1?\none strength 9\n"
    from tests.tiny_llama import byte_tokenizer

    ids = torch.tensor([byte_tokenizer()(tokenizer_text)["input_ids"]])
    peft.eval()
    peft.config.pad_token_id = None
    with torch.no_grad():
        expected = float(peft(input_ids=ids).logits[0, 0])
    assert verdicts()[0]["ratings"][0] == pytest.approx(expected, abs=1e-4)
