"""The tables of docs/costs.md: what judging costs by the vendors' lists, and what training holds.

    python -m benchmarks.costs judging  # dollars a pair on MT-Bench, by judge
    python -m benchmarks.costs memory   # GiB to train, by size, method and weights

Nothing is asked and nothing trained. Tokens of a judgment are those that `sami-eval reproduce
mtbench --scale paper --dry-run` reckons with; memory is what `sami-eval align --dry-run` reckons,
for networks of public models' shapes that have no weights here.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sami_eval import embedded
from sami_eval.align.estimate import estimate
from sami_eval.align.options import preset
from sami_eval.core.config import Config
from sami_eval.core.types import Contrast, Model, Prompt, Response
from sami_eval.experiment.reproduce.expect import needs
from sami_eval.experiment.reproduce.scale import read_scale
from sami_eval.server.prices import Listed, listed

PAIRS = 3  # of a comparison of SAMI, DPO and SFT
RESOLD = "openrouter.ai"  # other vendors' models at their prices
# Hidden size, inner size, layers, heads, key-value heads, vocabulary, tied head: public models'.
SHAPES = {
    "135M (SmolLM2)": (576, 1_536, 30, 9, 3, 49_152, True),
    "1B (Llama 3.2)": (2_048, 8_192, 16, 32, 8, 128_256, True),
    "3B (Llama 3.2)": (3_072, 8_192, 28, 24, 8, 128_256, True),
    "8B (Llama 3.1)": (4_096, 14_336, 32, 32, 8, 128_256, False),
    "70B (Llama 3.1)": (8_192, 28_672, 80, 64, 8, 128_256, False),
}
WORDS = 300  # of a prompt with its constitution, and of a response; about as many tokens
WAYS = {"LoRA": {}, "LoRA on 4 bits": {"qlora": True}, "all weights": {"full": True}}


@cache
def a_pairs_tokens() -> tuple[int, int, int]:
    """Calls, tokens in and tokens out to judge one pair on MT-Bench's 80 questions."""
    stages = needs("mtbench", read_scale("paper"), Config(Path()), None)
    (one,) = (stage for stage in stages if stage.stage == "plain")
    return one.calls // PAIRS, one.tokens_in // PAIRS, one.tokens_out // PAIRS


def dollars(price: Listed, batch: bool = False) -> float | None:
    """What a pair costs; None where the vendor's list does not say."""
    found = price.price.in_batch() if batch else price.price
    _, tokens_in, tokens_out = a_pairs_tokens()
    return found and (tokens_in * found.input + tokens_out * found.output) / 1e6


def judging() -> Iterator[str]:
    """A row a priced model, the cheapest first."""
    yield "| judge | $ a pair | by batch jobs | price of |"
    yield "|-|-|-|-|"
    for one in sorted((one for one in listed() if one.at != RESOLD), key=dollars):
        half = dollars(one, batch=True)
        until = f", until {one.until}" if one.until else f", from {one.since}" if one.since else ""
        shown = "not known" if half is None else f"{half:.2f}"
        yield f"| `{one.models[0]}` | {dollars(one):.2f} | {shown} | {one.date}{until} |"


def save_shape(folder: Path, name: str) -> Model:
    """A base of that shape with the embedded base's tokenizer, without weights."""
    hidden, inner, layers, heads, kv_heads, vocabulary, tied = SHAPES[name]
    shutil.copytree(embedded.BASE_DIR, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers}
    config |= {"num_attention_heads": heads, "num_key_value_heads": kv_heads}
    config |= {"vocab_size": vocabulary, "tie_word_embeddings": tied, "head_dim": hidden // heads}
    (folder / "config.json").write_text(json.dumps(config))
    return Model(name, str(folder))


def contrasts(n: int) -> list[Contrast]:
    """As long as usual: two constitutions, prompts and responses of about as many tokens."""
    text = " ".join(["the"] * WORDS)
    said = tuple(Response(f"{i}", "base", (f"{i} {text}",)) for i in range(2))
    return [Contrast(Prompt(str(i), "writing", (text,)), ("", " "), said) for i in range(n)]


def memory() -> Iterator[str]:
    """A row a size and way, a column a method: GiB by the default preset on one GPU."""
    yield "| size | trained | SFT | DPO | SAMI |"
    yield "|-|-|-|-|-|"
    for name in SHAPES:
        with tempfile.TemporaryDirectory() as place:
            base = save_shape(Path(place) / "base", name)
            for way, changes in WAYS.items():
                cells = []
                for method in ("sft", "dpo", "sami"):
                    options = dataclasses.replace(preset("default", method), **changes)
                    found = estimate(method, contrasts(8), base, options, gpu=True)
                    cells.append(f"{found.memory_gib:,.1f}")
                yield f"| {name} | {way} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", choices=["judging", "memory"])
    table = parser.parse_args().table
    print("\n".join(judging() if table == "judging" else memory()))


if __name__ == "__main__":
    main()
