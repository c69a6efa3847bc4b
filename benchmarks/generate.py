"""Our decoding against transformers' `generate` in batches of as many rows, at ragged lengths.

    python -m benchmarks.generate --model FOLDER          # CPU seconds, one thread
    python -m benchmarks.generate                         # the embedded base
    python -m benchmarks.generate --model FOLDER --vllm   # beside them vLLM; wall time for all

All sides answer the same prompts greedily: a seeded mixture, made here, of short questions, tasks
and long passages in the model's own chat template. An answer ends by itself or at a limit of its
own, most of them low and some high, as lengths of answers are. `generate` gets the prompts in order
of length, its kindest batches, pads each batch to its longest and goes on until its last row has
ended. Ours goes the way of a command, through the engine into a ledger; its first answer is timed
when it is stored. In alternating order, medians of the rounds; loading is not counted. Answers of
the same tokens are counted: sums of other batches differ in the last bits and may turn a near tie.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from torch import Tensor
from transformers import StoppingCriteria, StoppingCriteriaList

from sami_eval import generate
from sami_eval.core.calls import Completion, Request, Sampling
from sami_eval.core.config import Config
from sami_eval.core.progress import silent
from sami_eval.core.types import Model
from sami_eval.embedded import BASE_DIR
from sami_eval.generate import EngineChoice, Engines, format_of
from sami_eval.generate.loading import load_network
from sami_eval.generate.models import resolve_all
from sami_eval.ledger.store import Ledger

THINGS = ["rivers", "bridges", "bees", "glaciers", "clocks", "markets", "violins", "maps"]
PLACES = ["Norway", "Peru", "Kenya", "Japan", "Italy", "Canada", "Egypt", "India", "Chile"]
KINDS = (
    "What is the capital of {place}? Answer with one word.",
    "Name three {thing} of {place}.",
    "Is it true that {place} has many {thing}? Say yes or no.",
    "Write a short poem about {thing} in {place}.",
    "Explain to a child how {thing} work, step by step.",
    "Here are notes of a journey. {passage} Sum them up in one sentence.",
)
PASSAGE = "On day {day} we saw the {thing} of {place} and wrote down what people said of them."
Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """One side's round: seconds to the last and to the first answer, and the tokens of each."""

    seconds: float
    first: float
    ids: list[Ids]

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return sum(map(len, self.ids)) / self.seconds


def prompt(draw: random.Random) -> str:
    """A text of some 10 to 250 words."""

    def filled(text: str, **more: object) -> str:
        return text.format(thing=draw.choice(THINGS), place=draw.choice(PLACES), **more)

    days = range(1, draw.randint(2, 14))
    passage = " ".join(filled(PASSAGE, day=day, passage="") for day in days)
    return filled(draw.choice(KINDS), passage=passage)


def mixture(model: Model, n: int, max_tokens: int) -> list[Request]:
    """The requests of a round, ragged in what is asked and in what is answered."""
    draw, form = random.Random(0), format_of(model)
    asked = [(("user", prompt(draw)),) for _ in range(n)]
    limits = [round(4 * (max_tokens / 4) ** draw.random()) for _ in asked]  # log-uniform
    return [
        Request(model, messages, form.render(messages), Sampling(max_tokens=limit, stop=form.stop))
        for messages, limit in zip(asked, limits, strict=True)
    ]


def through_ledger(
    choice: EngineChoice, requests: Sequence[Request], clock: Callable[[], float]
) -> Answered:
    """Ours, or vLLM, as a command runs it: by an engine of its own, loaded before it is timed."""
    stored: list[float] = []

    class Noting(Ledger):
        def add_completions(self, rows: Sequence[tuple[str, str, Completion]]) -> None:  # type: ignore[override]
            super().add_completions(rows)
            stored.append(clock())

    with (
        tempfile.TemporaryDirectory() as folder,
        Noting(Path(folder) / "ledger.db") as ledger,
        Engines(choice, silent()) as engines,
    ):
        engines.open([requests[0].model])
        start = clock()
        done = generate.complete(requests, ledger, engines, silent())
        seconds = clock() - start
    return Answered(seconds, stored[0] - start, [one.token_ids for one in done])


class OwnLimits(StoppingCriteria):  # type: ignore[misc]
    """Each row ends at a length of its own (B,), prompt included."""

    def __init__(self, limits: Tensor) -> None:
        self.limits = limits

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: object) -> Tensor:
        """Which rows have ended (B,)."""
        return self.limits <= input_ids.shape[1]


@torch.inference_mode()
def by_transformers(
    network: torch.nn.Module, requests: Sequence[Request], rows: int, clock: Callable[[], float]
) -> Answered:
    """`generate`, batch by batch; an answer is there when its batch is."""
    form = format_of(requests[0].model)
    order = sorted(range(len(requests)), key=lambda i: -len(requests[i].token_ids))
    ids: list[Ids] = [()] * len(requests)
    start, first = clock(), 0.0
    for at in range(0, len(order), rows):
        batch = order[at : at + rows]
        longest = max(len(requests[i].token_ids) for i in batch)
        padding = [longest - len(requests[i].token_ids) for i in batch]
        device = next(network.parameters()).device
        given = [
            [form.pad_id] * n + list(requests[i].token_ids)
            for n, i in zip(padding, batch, strict=True)
        ]
        limits = [requests[i].sampling.max_tokens for i in batch]
        ends = OwnLimits(torch.tensor([longest + limit for limit in limits], device=device))
        out = network.generate(  # type: ignore[operator]
            torch.tensor(given, device=device),
            attention_mask=torch.tensor([[0] * n + [1] * (longest - n) for n in padding]).to(
                device
            ),
            max_new_tokens=max(limits),
            stopping_criteria=StoppingCriteriaList([ends]),
            do_sample=False,
            eos_token_id=sorted(form.ends),
            pad_token_id=form.pad_id,
        )
        for i, row, limit in zip(batch, out[:, longest:].tolist(), limits, strict=True):
            end = next((n + 1 for n, one in enumerate(row) if one in form.ends), limit)
            ids[i] = tuple(row[: min(end, limit)])
        first = first or clock() - start
    return Answered(clock() - start, first, ids)


def main() -> None:
    """Measure, print ratios, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=str(BASE_DIR), help="a model's folder or hub id")
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--rows", type=int, default=16, help="in a batch, on both sides")
    parser.add_argument("--max-tokens", type=int, default=96, help="of the longest answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--vllm", action="store_true", help="vLLM beside them; all in wall time")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model = resolve_all([args.model], config=Config(Path(folder)))[0]
    requests = mixture(model, args.requests, args.max_tokens)
    cuda = torch.cuda.is_available()
    clock = time.perf_counter if cuda or args.vllm else time.process_time
    own = {"batch_rows": str(args.rows), "threads": "1"}
    network = load_network(model, dtype="bfloat16" if cuda else "float32")
    network.to("cuda" if cuda else "cpu").eval()
    sides: dict[str, Callable[[], Answered]] = {
        "ours": lambda: through_ledger(EngineChoice("hf", own), requests, clock),
        "generate": lambda: by_transformers(network, requests, args.rows, clock),
    }
    if args.vllm:
        sides["vllm"] = lambda: through_ledger(EngineChoice("vllm"), requests, clock)
    rounds: dict[str, list[Answered]] = {name: [] for name in sides}
    for turn in range(args.rounds):
        for name in list(sides)[:: 1 if turn % 2 == 0 else -1]:
            rounds[name].append(sides[name]())
            print(f"round {turn + 1} {name}: {rounds[name][-1].seconds:.1f} s", flush=True)
    show(args, requests, rounds)


def show(
    args: argparse.Namespace, requests: Sequence[Request], rounds: dict[str, list[Answered]]
) -> None:
    """The medians, ours against the others."""
    prompts, ours = [len(one.token_ids) for one in requests], rounds["ours"][0].ids
    lengths = sorted(map(len, ours))
    print(
        f"{len(requests)} prompts of {min(prompts)} to {max(prompts)} tokens; answers of "
        f"{lengths[0]} to {lengths[-1]}, median {lengths[len(lengths) // 2]}; {args.rows} rows"
    )
    found = {
        name: {
            "tokens_per_s": statistics.median(one.rate for one in each),
            "first_answer_s": statistics.median(one.first for one in each),
            "ours_against_it": statistics.median(
                mine.rate / its.rate for mine, its in zip(rounds["ours"], each, strict=True)
            ),
            "equal_answers": sum(a == b for a, b in zip(ours, each[0].ids, strict=True)),
        }
        for name, each in rounds.items()
    }
    for name, row in found.items():
        print(
            f"{name:9} {row['tokens_per_s']:8.1f} tokens/s, first answer after "
            f"{row['first_answer_s']:5.1f} s, ours is {row['ours_against_it']:.2f} times as fast, "
            f"{row['equal_answers']} of {len(requests)} answers equal"
        )
    if args.out:
        figures = {
            "model": Path(args.model).name,
            "requests": args.requests,
            "rows": args.rows,
            "max_tokens": args.max_tokens,
            "rounds": args.rounds,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "sides": found,
        }
        args.out.write_text(
            json.dumps(figures | {"prompt_tokens": prompts, "answer_tokens": lengths}, indent=2)
            + "\n"
        )


if __name__ == "__main__":
    main()
