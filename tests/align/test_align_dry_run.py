"""`sami-eval align --dry-run` says what the training then does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.core.types import Model
from tests.align.test_align_flags import align, signed, weights, write
from tests.align_models import CONTRASTS, contrast, log


@pytest.fixture
def base(base: Model) -> str:
    return base.base


@pytest.fixture
def folder(folder: Path) -> Path:
    write(CONTRASTS)
    return folder


def table(text: str) -> dict[str, str]:
    """A dry run's lines by their labels."""
    return {line[:11].strip(): line[11:] for line in text.strip().splitlines()}


def numbers(text: str) -> list[float]:
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?(?:e-\d+)?", text)]


@pytest.mark.parametrize("method", ["sft", "dpo", "sami"])
@pytest.mark.parametrize("more", [(), ("--full",)])
def test_a_dry_run_says_what_the_training_then_does(
    method: str,
    more: tuple[str, ...],
    base: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from transformers import AutoModelForCausalLM

    write([*CONTRASTS, contrast(7, "a" * 80, "b" * 80), contrast(8, rejected="too alike")])
    flags = ("--max-length", "100", "--epochs", "2", "--batch-size", "4", *more)
    given = ["align", f"base+{method}" if method != "sft" else "sft", "--base", base]
    given += ["--contrasts", "contrasts.jsonl", "--accumulation", "1", "--rank", "4", *flags]
    assert cli.run([*given, "--dry-run"]) == 0
    told = table(capsys.readouterr().out)
    assert not list(folder.rglob("*@0"))
    assert cli.run([*given, "-q"]) == 0
    out = Path(capsys.readouterr().out.strip())
    assert numbers(told["contrasts"]) == [6, 8, 1, 100]
    # Two passes over 6 contrasts, 4 a step: 4 and 2, twice.
    assert numbers(told["steps"])[:3] == [4, 4, 2]
    assert log(out)[-1]["step"] == 4
    read, own = numbers(told["tokens"])
    # "<system>1. say aaa<user>question 1?<assistant>" and "aaa1" with its end.
    assert own == 2 * 6 * 2 * 5
    prompt = len("<system>1. say aaa<user>question 1?<assistant>")
    if method == "sami":  # a prompt but its last token, and two responses, in each row
        assert read == 2 * 6 * 2 * (prompt - 1 + 2 * 5)
    else:
        assert (
            read == log(out)[-1]["num_tokens"] == 2 * 6 * 2 * (1 + (method == "dpo")) * (prompt + 5)
        )
    network = AutoModelForCausalLM.from_pretrained(base)
    n_all = sum(weight.numel() for weight in network.parameters())
    n_trained = n_all if more else sum(weight.numel() for weight in weights(out).values())
    assert numbers(told["trains"])[-2:] == [n_trained, n_all]


def test_a_dry_run_counts_what_is_held_out_and_what_is_no_positive(
    base: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ("--epochs", "1", "--batch-size", "1", "--accumulation", "1")
    given = ["--base", base, "--contrasts", "contrasts.jsonl", *few]
    assert cli.run(["align", "base+sami", *given, "--held-out", "2", "--dry-run"]) == 0
    told = table(capsys.readouterr().out)
    assert numbers(told["steps"])[:3] == [4, 1, 1]
    assert numbers(told["tokens"])[1] == 4 * 2 * 5
    write([signed(number, "+a", "-a" if number < 4 else "+b") for number in range(6)])
    assert cli.run(["align", "sft", *given, "--positives-only", "--dry-run"]) == 0
    told = table(capsys.readouterr().out)
    assert numbers(told["steps"])[:3] == [4, 1, 1]  # 8 responses, two a contrast
    assert numbers(told["tokens"])[1] == 6 * 5 + 2 * 6
    assert cli.run(["align", "sft", *given, "--positives-only", "-q"]) == 0
    assert log(Path(capsys.readouterr().out.strip()))[-1]["step"] == 4


def test_a_dry_runs_memory_is_that_of_weights_gradients_and_moments_at_least(
    base: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from transformers import AutoModelForCausalLM

    from sami_eval.align import estimate

    assert align("sft", base, "--full", "--dry-run") == 0
    assert numbers(table(capsys.readouterr().out)["memory"])[0] >= estimate.PROCESS_BYTES / 2**30
    monkeypatch.setattr(estimate, "PROCESS_BYTES", 0)  # beside a tiny base it is nearly all
    n = sum(w.numel() for w in AutoModelForCausalLM.from_pretrained(base).parameters())
    for recipe, networks in (("sft", 1), ("base+dpo", 2)):
        assert align(recipe, base, "--full", "--dry-run") == 0
        said, _ = numbers(table(capsys.readouterr().out)["memory"])[:2]
        # Four bytes a weight, its gradient and AdamW's two moments; DPO keeps a frozen copy.
        least = n * 4 * (networks + 3) / 2**30
        assert least < said < 30 * least
