"""`sami-eval align`: what its flags do to a real training."""

from __future__ import annotations

import importlib.util
import itertools
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sami_eval import cli
from sami_eval.align import options
from sami_eval.align.chain import existing
from sami_eval.core.calls import Request, Sampling
from sami_eval.core.config import Config
from sami_eval.core.progress import silent
from sami_eval.core.types import Contrast, Model
from sami_eval.data.contrasts import contrasts_to_jsonl
from sami_eval.generate import EngineChoice, Engines, card, complete, format_of
from sami_eval.generate.models import resolve
from sami_eval.ledger.store import Ledger
from tests.align_models import CONTRASTS, contrast, log, save_base

QUICK = ("--steps", "2", "--batch-size", "2", "--accumulation", "1", "--lr", "5e-3", "--rank", "4")


@pytest.fixture
def base(base: Model) -> str:
    return base.base


@pytest.fixture
def folder(folder: Path) -> Path:
    write(CONTRASTS)
    return folder


def write(contrasts: Iterable[Contrast], path: str = "contrasts.jsonl") -> None:
    Path(path).write_text(contrasts_to_jsonl(contrasts))


def align(recipe: str, base: str, *flags: str) -> int:
    """The command; what flags say twice, the last one decides."""
    given = ["align", recipe, "--base", base, "--contrasts", "contrasts.jsonl"]
    return cli.run([*given, *QUICK, *flags])


def trained(capsys: pytest.CaptureFixture[str], recipe: str, base: str, *flags: str) -> Path:
    capsys.readouterr()
    assert align(recipe, base, "-q", *flags) == 0
    return Path(capsys.readouterr().out.strip())


def known(folder: Path) -> dict[str, Any]:
    found = card.read(folder)
    assert found is not None
    return found


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    name = "adapter_model" if (folder / "adapter_config.json").exists() else "model"
    return dict(load_file(folder / f"{name}.safetensors"))


def equal(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_full_trains_every_weight_into_a_checkpoint_that_transformers_loads(
    base: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out = trained(capsys, "sft", base, "--full")
    assert out == folder / "adapters" / "tiny" / "sft@0"
    assert not (out / "adapter_config.json").exists()
    before = AutoModelForCausalLM.from_pretrained(base).state_dict()
    after = AutoModelForCausalLM.from_pretrained(out).state_dict()
    assert before.keys() == after.keys()
    assert not [name for name in before if torch.equal(before[name], after[name])]
    asked = "<system>1. say aaa<user>x"
    tokenizers = [AutoTokenizer.from_pretrained(path) for path in (base, out)]
    assert tokenizers[0](asked)["input_ids"] == tokenizers[1](asked)["input_ids"]
    assert tokenizers[0].chat_template == tokenizers[1].chat_template
    assert known(out)["options"]["full"] is True
    assert known(out)["base"]["id"] == base
    text = (out / "README.md").read_text()
    assert "All weights trained by sami-eval" in text
    assert "library_name: transformers" in text


@pytest.mark.parametrize("method", ["dpo", "sami"])
def test_full_on_a_full_link_starts_from_it_and_refers_to_it(
    method: str, base: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = trained(capsys, "sft", base, "--full", "--steps", "8")
    out = trained(capsys, method, base, "--full", "--steps", "3", "--lr", "2e-3")
    assert out.name == f"sft+{method}@0"
    assert known(out)["base"]["id"] == str(first)
    begin, *_, end = log(out)
    if method == "dpo":  # policy and reference are one at first: the loss is log 2
        assert begin["loss"] == pytest.approx(0.6931, abs=1e-4)
        assert abs(end["rewards/margins"]) > 1e-4
    else:
        assert begin["kl"] == pytest.approx(0, abs=1e-6)
        assert end["kl"] > 1e-5
    assert not equal(first, out)


def test_the_reference_of_a_full_dpo_is_of_the_bases_own_revision(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoModelForCausalLM

    repo, ours, newer = folder / "hub" / "models--some--llama", "a" * 40, "b" * 40
    for commit in (ours, newer):
        save_base(repo / "snapshots" / commit)
    network = AutoModelForCausalLM.from_pretrained(repo / "snapshots" / newer)
    network.lm_head.weight.data.mul_(3.0)  # the branch has moved on since
    network.save_pretrained(repo / "snapshots" / newer)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(newer)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "hub"))
    out = trained(capsys, "base+dpo", f"some/llama@{ours}", "--full", "--steps", "1")
    assert known(out)["base"]["revision"] == ours
    assert log(out)[0]["loss"] == pytest.approx(0.6931, abs=1e-4)


def test_an_adapter_on_a_full_link_is_a_contender_on_that_checkpoint(
    base: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = trained(capsys, "sft", base, "--full")
    on_it = trained(capsys, "dpo", base, "--steps", "8")
    assert (on_it / "adapter_config.json").exists()
    config = Config(folder)
    for spec in ("sft", str(first)):
        (model,) = resolve(spec, base, config=config, ensure=existing(config))
        assert (model.base, model.adapter) == (str(first), None)
    for spec in ("dpo", str(on_it)):
        ground = base if spec == "dpo" else None
        (model,) = resolve(spec, ground, config=config, ensure=existing(config))
        assert (model.base, model.adapter) == (str(first), str(on_it))
    ensure = existing(config)
    models = [
        resolve(spec, base, config=config, ensure=ensure)[0] for spec in ("base", "sft", "dpo")
    ]
    assert len(set(said(models, folder))) == 3


def said(models: list[Model], folder: Path) -> list[tuple[int, ...]]:
    """What each writes, drawn at a high temperature from the same random numbers."""
    messages = (("system", "1. say aaa"), ("user", "question 1?"))
    sampling = Sampling(temperature=1.5, max_tokens=24)
    requests = [Request(m, messages, format_of(m).render(messages), sampling) for m in models]
    with Ledger(folder / "l.db") as ledger, Engines(EngineChoice("hf"), silent()) as engines:
        return [one.token_ids for one in complete(requests, ledger, engines, silent())]


def test_full_on_an_adapter_is_refused_with_the_way_out(
    base: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(capsys, "sft", base)
    assert align("dpo", base, "--full", "-q") == 2
    error = capsys.readouterr().err
    assert "`--full` on top of the adapter" in error
    assert "hint: train the earlier link with --full too" in error


def signed(number: int, *signs: str, rejected: str | None = None) -> Contrast:
    """A contrast of "aaa" and "bbb" whose constitutions hold one signed principle each."""
    one = contrast(number, "aaa", "bbbb", rejected=rejected)
    return replace(one, principles=tuple((sign,) for sign in signs))


def test_positives_only_trains_on_responses_under_no_antithesis(
    base: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The same prompt twice, with other signs, and once rejected: each contrast has its own.
    given = [signed(1, "+short", "-short"), signed(1, "-long", "+long")]
    write([*given, signed(1, "-a", "-b", rejected="too alike")])
    one_step = ("--steps", "1", "--batch-size", "2", "--max-length", "200")
    only = trained(capsys, "sft", base, "--positives-only", *one_step)
    every = trained(capsys, "sft", base, "--out", "every", *one_step)
    # Rows are equal in length here, so their mean losses tell which ones were read.
    own = {text: loss_of(base, text) for text in ("aaa1", "bbbb1")}
    n = {"aaa1": 5, "bbbb1": 6}  # characters and the end
    mean = (own["aaa1"] * n["aaa1"] + own["bbbb1"] * n["bbbb1"]) / 11
    assert log(only)[0]["loss"] == pytest.approx(mean, rel=1e-4)
    assert log(only)[0]["num_tokens"] == log(every)[0]["num_tokens"] / 2
    write([given[0]])
    first = trained(capsys, "sft", base, "--positives-only", "--out", "first", *one_step)
    assert log(first)[0]["loss"] == pytest.approx(own["aaa1"], rel=1e-4)


def loss_of(base: str, text: str) -> float:
    """Mean loss of a response's tokens under its own constitution, without any trainer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    words = AutoTokenizer.from_pretrained(base)
    constitution = "1. say aaa" if text == "aaa1" else "1. say bbbb"
    prompt = words(f"<system>{constitution}<user>question 1?<assistant>")["input_ids"]
    response = [*words(text)["input_ids"], words.eos_token_id]
    logits = AutoModelForCausalLM.from_pretrained(base)(torch.tensor([[*prompt, *response]])).logits
    logps = logits[0, len(prompt) - 1 : -1].log_softmax(-1)
    return -logps[range(len(response)), response].mean().item()


@pytest.mark.parametrize("signs", [("-short", "-long"), ()])
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_positives_only_needs_a_constitution_that_is_known_to_be_positive(
    signs: tuple[str, ...],
    dry: tuple[str, ...],
    base: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write([signed(1, *signs), signed(2, "+a", "+b", rejected="too alike")])
    assert align("sft", base, "--positives-only", *dry) == 2
    error = capsys.readouterr().err
    assert "error: `--positives-only`: no constitution of these contrasts" in error
    assert "hint: leave the flag out" in error


def test_a_report_nobody_knows_is_refused_before_anything_is_loaded(
    base: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert align("sft", base, "--report-to", "nosuch") == 2
    assert "error: `--report-to nosuch`: not installed, or not known" in capsys.readouterr().err
    assert not list(folder.rglob("adapter_config.json"))


def test_where_a_training_reports_to_changes_no_weight(
    base: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent_one = trained(capsys, "sft", base)
    reported = trained(capsys, "sft", base, "--report-to", "all", "--out", "reported")
    assert equal(silent_one, reported)
    assert align("sft", base, "--report-to", "all") == 0
    assert "already trained" in capsys.readouterr().err


@pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="tensorboard is not installed"
)
@pytest.mark.filterwarnings("ignore")  # tensorboard's own
def test_tensorboard_gets_the_losses(
    base: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = trained(capsys, "sft", base, "--report-to", "tensorboard")
    (events,) = out.rglob("events.out.tfevents.*")
    read = EventAccumulator(str(events))
    read.Reload()
    told = [event.value for event in read.Scalars("train/loss")]
    assert told == pytest.approx([row["loss"] for row in log(out)])


PUBLISHED = {
    "full": True,
    "lr": 9.625e-7,
    "schedule": "constant",
    "accumulation": 64,
    "clip": 0.4,
    "epochs": 1.0,
    "steps": None,
}


@pytest.mark.parametrize("name", ["paper-mtbench", "paper-math"])
def test_the_papers_presets_hold_its_published_values(name: str) -> None:
    for method in ("sft", "dpo", "sami"):
        chosen = options.preset(name, method)
        published = PUBLISHED if method != "dpo" else {**PUBLISHED, "lr": 5e-7}
        assert {field: getattr(chosen, field) for field in published} == published
    assert options.preset(name, "sami").kl == 0
    # Nothing the paper did not do stops the training.
    assert options.preset(name, "sami").max_fall > 1e6
    assert options.preset(name, "sft").positives_only == (name == "paper-math")


def test_the_help_names_every_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["align", "--help"]) == 0
    _, said = " ".join(capsys.readouterr().out.split()).split("--preset PRESET ")
    assert said.startswith(" | ".join(tomllib.loads(options.PRESETS.read_text("utf-8"))))


def test_a_users_flags_win_over_the_preset(
    base: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = ["align", "base+sami", "--base", base, "--contrasts", "contrasts.jsonl", "-q"]
    preset = ("--preset", "paper-mtbench")
    assert cli.run([*plain, *preset]) == 0
    out = Path(capsys.readouterr().out.strip())
    was = known(out)["options"]
    assert {name: was[name] for name in PUBLISHED} == PUBLISHED
    assert "9.625e-07, constant" in (out / "README.md").read_text()
    assert [row["step"] for row in log(out)] == [1]  # 6 contrasts, 64 a step
    mine = ("--lora", "--lr", "1e-4", "--accumulation", "2", "--kl", "0.2", "--rank", "3")
    assert cli.run([*plain, *preset, *mine, "--out", "mine"]) == 0
    won = {"full": False, "lr": 1e-4, "accumulation": 2, "kl": 0.2, "rank": 3}
    assert known(Path("mine"))["options"] == {**was, **won}
    assert known(Path("mine"))["asked"] == {"preset": "paper-mtbench", "changes": won}
    assert [row["step"] for row in log(Path("mine"))] == [1, 2, 3]


# The log has a line every hundredth of the steps: every 2nd of 231, and never the last.
@pytest.mark.parametrize(("steps", "scored"), [(1, 1), (7, 7), (23, 10), (231, 10)])
def test_what_is_held_out_is_scored_ten_times_at_any_number_of_steps(
    steps: int, scored: int, base: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--held-out", "2", "--steps", str(steps), "--batch-size", "1", "--kl", "5")
    rows = log(trained(capsys, "base+sami", base, *flags, "--lr", "1e-5"))
    found = [row["step"] for row in rows if "held_out_information_bound" in row]
    assert found[0] == 0
    assert len(found) == 1 + scored
    assert found[-1] == steps == rows[-1]["step"]
    gaps = [b - a for a, b in itertools.pairwise(found)]
    assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(
    ("recipe", "flags"),
    [
        ("sft", ("--held-out", "2")),
        ("dpo", ("--held-out", "2")),
        ("dpo", ("--kl", "0")),
        ("base+dpo", ("--prefix-sharing", "off")),
        ("dpo", ("--all-responses",)),
        ("sft+sami", ("--beta", "0.2")),
        ("sami", ("--positives-only", "--dry-run")),
    ],
)
def test_an_option_that_the_method_would_not_look_at_is_refused(
    recipe: str, flags: tuple[str, ...], base: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert align(recipe, base, *flags) == 2
    name = flags[0].strip("-").replace("-", "_").replace("all_responses", "positives_only")
    method = recipe.split("+")[-1]
    assert f"error: option `{name}` is nothing to the method `{method}`" in capsys.readouterr().err
    assert not (folder / "adapters").exists()
