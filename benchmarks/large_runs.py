"""What a large pass@k run and a large comparison take: time, money and disk, from measured rates.

    OMP_NUM_THREADS=1 python -m benchmarks.large_runs    # some minutes
    ... --answers DPO_responses.json SFT_responses.json  # as long as those of the paper's authors

Measured here: bytes that a text takes in the ledger and in a run's folder, CPU seconds of a
judgment at a loopback server, and of a verdict and a sample where the command is typed again. What
is not measured is an assumption and a flag: tokens of what is said, tokens a second that a GPU
writes, calls a minute that a server takes. Money is by the price table of this package.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks import growth, judging, stored_samples
from benchmarks.laid import REPORTED, SAMPLES, Laid, of_replies, of_samples, texts
from sami_eval import cli
from sami_eval.core.calls import Reply
from sami_eval.core.config import Price
from sami_eval.core.types import Usage
from sami_eval.experiment.disk import in_words
from sami_eval.experiment.likely import BYTES_A_TOKEN, usual
from sami_eval.ledger.store import Ledger
from sami_eval.server.budget import cost_usd
from sami_eval.server.prices import listed

CONTENDERS, QUESTIONS, TURNS, ORDERS = 10, 1_000, 2, 2
PROBLEMS = 1_319


def judgment_s() -> float:
    """CPU seconds of a judgment at a server, 64 of them in flight."""
    with judging.serving() as url:
        judging.ours(url, 200, 64)
        return judging.ours(url, 2_000, 64).cpu / 2_000


def again(row: str, n: int) -> tuple[float, float]:
    """CPU seconds and bytes of a verdict or sample where the command is typed again."""
    seconds, held = growth.alone(row, n)
    return seconds / n, held / n


def write_contenders(folder: Path, tokens: float) -> list[str]:
    """Ten files of answers to a thousand questions of two turns, as `compare` takes them."""
    (folder / "sami-eval.toml").write_text("")
    asked = texts(TURNS * QUESTIONS, usual_of("question_tokens") / TURNS)
    turns = [asked[TURNS * i : TURNS * (i + 1)] for i in range(QUESTIONS)]
    prompts = [{"id": f"q{i}", "category": f"c{i % 8}", "turns": t} for i, t in enumerate(turns)]
    growth.write(folder / "prompts.jsonl", prompts)
    names = []
    for number in range(CONTENDERS + 1):
        said = [f"{number} {text}" for text in texts(TURNS * QUESTIONS, tokens, number + 1)]
        names.append(f"m{number}.jsonl")
        rows = [
            {
                "prompt_id": f"q{i}",
                "model": f"m{number}",
                "turns": said[TURNS * i : TURNS * (i + 1)],
            }
            for i in range(QUESTIONS)
        ]
        growth.write(folder / names[-1], rows)
    return names


def usual_of(name: str) -> float:
    """What the scale `paper` reckons with."""
    from sami_eval.experiment.reproduce.scale import read_scale

    return float(getattr(read_scale("paper").expected, name))


def foreseen(words: Sequence[str]) -> tuple[dict[str, Any], float]:
    """What `--dry-run --json` says of a command, and the CPU seconds it takes."""
    said, began = io.StringIO(), time.process_time()
    with contextlib.redirect_stdout(said):
        if cli.run([*words, "--dry-run", "--json"]) != 0:
            raise SystemExit(f"the forecast of {words[0]} failed")
    return json.loads(said.getvalue()), time.process_time() - began


def price_of(model: str) -> Price:
    """By the table of this package. Raises SystemExit for a model that is not in it."""
    found = {name: one.price for one in listed() for name in one.models}
    if model not in found:
        raise SystemExit(
            f"`--judges {model}`: no price; `python -m benchmarks.costs judging` has all"
        )
    return found[model]


def dollars(model: str, usage: Usage) -> str:
    """What these tokens cost, and what they cost by batch jobs where that is known."""
    price = price_of(model)
    each = (cost_usd(usage, one) for one in (price, price.in_batch()) if one is not None)
    return ", ".join(f"${usd:,.0f}" for usd in each)


def mean_tokens(files: Sequence[Path]) -> float | None:
    """Of the answers in files of the paper's authors, by bytes; None without a file.

    Raises SystemExit for a file that holds none.
    """
    said: list[str] = []
    for file in files:
        try:
            said += json.loads(file.read_text(encoding="utf-8"))["response"].values()
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise SystemExit(f"`--answers {file}`: no answers in it ({error!r})") from None
    return fmean(len(text.encode()) for text in said) / BYTES_A_TOKEN if said else None


@dataclass(frozen=True, slots=True)
class Rates:
    """What is measured here. again: CPU seconds and bytes of memory, where all is there already."""

    reply: Laid
    sample: Laid
    judgment_s: float
    verdict_again: tuple[float, float]
    sample_again: tuple[float, float]


def measure(reply_tokens: float, sample_tokens: float) -> Rates:
    """All of it; a minute or two."""
    return Rates(
        of_replies(3_000, reply_tokens),
        of_samples(3_000, sample_tokens),
        judgment_s(),
        again("rerun", 8_000),
        again("passk-rerun", 16_384),
    )


def hours(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of Markdown."""
    yield f"| {' | '.join(head)} |"
    yield "|" + "-|" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def rates_of(rates: Rates) -> Iterator[str]:
    """What was measured."""
    verdict, sample = rates.verdict_again, rates.sample_again
    rows = [
        ("a judgment in the ledger", in_words(rates.reply.row), "`laid`"),
        ("a judgment in the run's folder", in_words(rates.reply.line), "`laid`"),
        ("a sample in the ledger", in_words(rates.sample.row), "`laid`"),
        ("a sample in the run's folder", in_words(rates.sample.line), "`laid`"),
        ("CPU of a judgment", f"{1e3 * rates.judgment_s:.2f} ms", "`judging`, 64 in flight"),
        ("CPU of a verdict again", f"{1e3 * verdict[0]:.2f} ms", "`growth rerun`"),
        ("memory of it", in_words(verdict[1]), "`growth rerun`"),
        ("CPU of a sample again", f"{1e3 * sample[0]:.2f} ms", "`growth passk-rerun`"),
        ("memory of it", in_words(sample[1]), "`growth passk-rerun`"),
    ]
    yield from table(("measured", "", "by"), rows)


def of_passk(rates: Rates, tokens: float, gpu: float) -> Iterator[str]:
    """A row a quantity of the run of pass@k."""
    n = CONTENDERS * PROBLEMS * SAMPLES
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        folder = Path(place)
        (folder / "sami-eval.toml").write_text("")
        asked = texts(PROBLEMS, 60)
        rows = [{"question": text, "answer": f"#### {i}"} for i, text in enumerate(asked)]
        growth.write(folder / "problems.jsonl", rows)
        names = [str(stored_samples.adapter(folder / f"a{i}", i)) for i in range(CONTENDERS)]
        words = ["passk", *names, "--prompts", "problems.jsonl", "--samples", str(SAMPLES)]
        said, took = foreseen([*words, "--k", "1,10,32", "--no-greedy", "--max-tokens", "512"])
    yield from table(
        (f"pass@k: {CONTENDERS} adapters x {PROBLEMS:,} problems x {SAMPLES} samples", ""),
        (
            ("samples", f"{n:,}"),
            ("tokens written", f"{n * tokens:,.0f}"),
            (f"at {gpu:,.0f} tokens a second", hours(n * tokens / gpu)),
            ("ledger", in_words(n * rates.sample.row)),
            ("the run's folder", in_words(n * rates.sample.line)),
            ("typed again, all there", f"{hours(n * rates.sample_again[0])} of CPU"),
            ("memory of that", in_words(n * rates.sample_again[1])),
            ("`--dry-run`", f"{sum(one['calls'] for one in said['contenders']):,} samples"),
            ("`--dry-run`: disk", in_words(said["expected_disk_bytes"])),
            ("`--dry-run` takes", f"{hours(took)} of CPU"),
        ),
    )


def of_compare(rates: Rates, asked: argparse.Namespace, tokens: float) -> Iterator[str]:
    """A column for a baseline and one for all pairs."""
    ways: dict[str, tuple[int, dict[str, Any], float]] = {}
    commands: list[list[str]] = []
    judge = ("--judge", "quality", "--judge-model", f"openai:{asked.judges[0]}")
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        names = write_contenders(Path(place), tokens)
        for way, files, more in (
            ("against a baseline", names, ("--against", names[-1])),
            ("all pairs", names[:-1], ()),
        ):
            words = ["compare", *files, "--prompts", "prompts.jsonl", *judge, *more]
            pairs = CONTENDERS if more else CONTENDERS * (CONTENDERS - 1) // 2
            ways[way] = (pairs, *foreseen([*words, "--rpm", str(asked.rpm)]))
            commands.append(words)
        with Ledger(Path(".sami-eval/ledger.db")) as ledger:
            ledger.add_replies([("of something else", "quality", Reply("[[A]]", REPORTED))])
        beside = [foreseen(words)[1] for words in commands]

    def row(name: str, of: Callable[[int, dict[str, Any]], str]) -> tuple[str, ...]:
        """of: calls, and what is said of the judge."""
        each = ((pairs * QUESTIONS * TURNS * ORDERS, one) for pairs, one, _ in ways.values())
        return (name, *(of(n, one) for n, one in each))

    def usage(one: dict[str, Any], n: int) -> Usage:
        return Usage(one["judges"][0]["expected_prompt_tokens"], n * asked.reply_tokens)

    def money(model: str) -> Callable[[int, dict[str, Any]], str]:
        return lambda n, one: dollars(model, usage(one, n))

    title = f"{CONTENDERS} contenders, {QUESTIONS:,} questions, {TURNS} turns, both orders"
    yield from table(
        (title, *ways),
        (
            ("pairs", *(f"{pairs}" for pairs, _, _ in ways.values())),
            row("judgments", lambda n, one: f"{n:,}"),
            row("tokens read", lambda n, one: f"{usage(one, n).prompt_tokens:,}"),
            row("tokens written", lambda n, one: f"{usage(one, n).completion_tokens:,.0f}"),
            *(row(f"`{model}`, and by batch jobs", money(model)) for model in asked.judges),
            row(f"time at {asked.rpm:,} calls a minute", lambda n, one: hours(60 * n / asked.rpm)),
            row("CPU of it", lambda n, one: hours(n * rates.judgment_s)),
            row("ledger", lambda n, one: in_words(n * rates.reply.row)),
            row("the run's folder", lambda n, one: in_words(n * rates.reply.line)),
            row("typed again, all there", lambda n, one: hours(n * rates.verdict_again[0])),
            row("memory of that", lambda n, one: in_words(n * rates.verdict_again[1])),
            row("`--dry-run`", lambda n, one: f"{one['judges'][0]['calls']:,} calls"),
            row("`--dry-run`: expected", lambda n, one: f"${one['expected_cost_usd']:,.0f}"),
            row("`--dry-run`: at most", lambda n, one: f"${one['cost_usd']:,.0f}"),
            row("`--dry-run`: at least", lambda n, one: hours(60 * one["least_minutes"])),
            row("`--dry-run`: disk", lambda n, one: in_words(one["expected_disk_bytes"])),
            ("`--dry-run` takes", *(f"{hours(took)} of CPU" for _, _, took in ways.values())),
            ("beside other replies it takes", *(f"{hours(took)} of CPU" for took in beside)),
        ),
    )


def flags() -> argparse.Namespace:
    """What is typed. Raises SystemExit for a number that is none above 0."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--answers", type=Path, nargs="+", default=[], help="files to measure")
    parser.add_argument("--answer-tokens", type=float, help="of a turn, where there are no files")
    parser.add_argument("--sample-tokens", type=float, default=usual("sample").tokens)
    parser.add_argument("--reply-tokens", type=float, default=usual("reply").tokens)
    parser.add_argument("--gpu-tokens-s", type=float, default=5_000, help="assumed, not measured")
    parser.add_argument("--rpm", type=int, default=500, help="calls a minute, assumed")
    parser.add_argument("--judges", nargs="+", default=["gpt-4o-mini", "gpt-4o", "claude-opus-5"])
    asked = parser.parse_args()
    for name, value in vars(asked).items():
        if isinstance(value, int | float) and value <= 0:
            parser.error(f"`--{name.replace('_', '-')} {value:g}`: must be above 0")
    for model in asked.judges:
        price_of(model)
    return asked


def main() -> None:
    asked = flags()
    measured = mean_tokens(asked.answers)
    tokens = measured or asked.answer_tokens or usual("answer").tokens
    of = "measured" if measured else "assumed"
    print(f"{tokens:,.0f} tokens an answer ({of}), {asked.sample_tokens:,.0f} a sample, ", end="")
    print(f"{asked.reply_tokens:,.0f} a judgment (assumed)\n", flush=True)
    rates = measure(asked.reply_tokens, asked.sample_tokens)
    print("\n".join(rates_of(rates)), flush=True)
    print("\n".join(of_passk(rates, asked.sample_tokens, asked.gpu_tokens_s)), flush=True)
    print("\n".join(of_compare(rates, asked, tokens)))


if __name__ == "__main__":
    main()
