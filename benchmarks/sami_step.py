"""One SAMI step (forward and backward of a batch), ours against N x N padded rows and full logits.

    python -m benchmarks.sami_step                      # CPU: four shapes, then batches
    python -m benchmarks.sami_step --where --shape body-heavy --n 4    # CPU: ours by operation
    python -m benchmarks.sami_step --device cuda --shape 8b

Both sides compute the same loss and gradients (checked first, on the very inputs), in one process,
alternating; medians of the rounds. Time is CPU time on a CPU and wall time between device
synchronisations on a GPU. Peak memory is what a step needs on top of the model: on a CPU the rise
of the resident set of a process of its own, on a GPU the allocator's own count.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sami_eval.align.body import spare
from sami_eval.align.collate import Encoded, collate
from sami_eval.align.options import Options
from sami_eval.align.scores import objective
from sami_eval.core import memory
from tests.plain_sami import plain_objective

if TYPE_CHECKING:
    from transformers import PreTrainedModel

RESULTS = Path(__file__).with_name("results")
Step = Callable[[], Tensor]


@dataclass(frozen=True, slots=True)
class Shape:
    """A Llama with random weights, and the lengths of what it is trained on."""

    name: str
    vocabulary: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    inner: int
    prompt: tuple[int, int] = (160, 240)
    response: tuple[int, int] = (20, 60)


# A 32k vocabulary on a narrow body, and a body whose head is a small part; prompts and responses
# as in summarisation, SAMI's first task: a long post, a short summary.
HEAD = Shape("head-heavy", 32_000, 128, 2, 4, 4, 256)
BODY = Shape("body-heavy", 2_000, 256, 6, 8, 8, 768)
# Llama 3.1 8B.
LARGE = Shape("8b", 128_256, 4096, 32, 32, 8, 14_336, (200, 400), (100, 300))
SHAPES = {shape.name: shape for shape in (HEAD, BODY, LARGE)}


def network(shape: Shape, device: str) -> PreTrainedModel:
    """The base with random weights: in bf16 on a GPU, in float32 on a CPU."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=8192,
        tie_word_embeddings=False,
        pad_token_id=None,
    )
    torch.manual_seed(0)
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):  # weights are made where they are used
            return LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)


def build(
    shape: Shape, device: str, checkpointing: bool = False, spared: bool = False
) -> torch.nn.Module:
    """The base under a LoRA of rank 16 in float32. spared: computed as a training on a CPU does."""
    import peft

    base = network(shape, device)
    lora = peft.LoraConfig(
        r=16, lora_alpha=32, target_modules="all-linear", init_lora_weights=False
    )
    model = peft.get_peft_model(base, lora)
    if checkpointing:
        model.enable_input_require_grads()
        base.gradient_checkpointing_enable({"use_reentrant": False})
    if spared:
        spare(base)
    return model.train()


def contrasts(shape: Shape, n: int, how_many: int, seed: int = 0) -> list[Encoded]:
    """Random tokens; a contrast's prompts differ by the length of a principle."""
    rng = random.Random(seed)

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(rng.randrange(shape.vocabulary) for _ in range(count))

    made = []
    for k in range(how_many):
        common = rng.randint(*shape.prompt)
        made.append(
            Encoded(
                str(k),
                tuple(tokens(common + rng.randint(0, 12)) for _ in range(n)),
                tuple(tokens(rng.randint(*shape.response)) for _ in range(n)),
            )
        )
    return made


def ours(model: torch.nn.Module, batch: Sequence[Encoded], share: bool = True) -> Tensor:
    """Our objective of a batch."""
    device = next(model.parameters()).device
    rows = collate(batch, 0, share).to(device)
    return objective(model, rows, None, Options(kl=0.0), fused=True).total


def plain(model: torch.nn.Module, batch: Sequence[Encoded]) -> Tensor:
    """The plain objective of a batch."""
    return plain_objective(model, batch, 0)


def step(model: torch.nn.Module, way: Callable[..., Tensor], batches: Sequence[Sequence[Encoded]]):
    """Gradients of the mean loss over batches, accumulated; as trained, in bf16 on a GPU."""
    model.zero_grad(set_to_none=True)
    device = next(model.parameters()).device.type
    for batch in batches:
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = way(model, batch)
        (loss / len(batches)).backward()


def clock(device: str) -> float:
    """CPU seconds of this process, or wall seconds once the GPU has nothing left to do."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def alternate(ways: Sequence[Callable[[], None]], rounds: int, device: str) -> list[float]:
    """Median seconds of each way, run in turns after a warm-up."""
    taken: list[list[float]] = [[] for _ in ways]
    for turn in range(rounds + 1):
        for way, times in zip(ways, taken, strict=True):
            begin = clock(device)
            way()
            if turn:
                times.append(clock(device) - begin)
    return [statistics.median(times) for times in taken]


def agreement(bare: torch.nn.Module, spared: torch.nn.Module, batch: Sequence[Encoded]) -> float:
    """Distance of the two gradients relative to the plain one's norm."""

    def gradient(model: torch.nn.Module, way: Callable[..., Tensor]) -> Tensor:
        step(model, way, [batch])
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    theirs = gradient(bare, plain)
    return ((gradient(spared, ours) - theirs).norm() / theirs.norm()).item()


def resident() -> int:
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_on_cpu(way: Callable[[], None]) -> int:
    """Bytes by which the resident set rises at most while a step runs."""
    before, highest, done = resident(), resident(), threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.0005):
            highest = max(highest, resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    way()
    done.set()
    watcher.join()
    return highest - before


def peak_on_gpu(way: Callable[[], None]) -> int:
    """Bytes the allocator hands out at most on top of what was there."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    way()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def peak_alone(shape: Shape, n: int, side: str) -> int:
    """`peak_on_cpu` of one step in a fresh process, which has freed nothing it could reuse."""
    command = [sys.executable, "-m", "benchmarks.sami_step", "--peak", side]
    command += ["--shape", shape.name, "--n", str(n), "--shape-json", json.dumps(asdict(shape))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout)


def measured_peak(shape: Shape, n: int, side: str) -> int:
    """What `peak_alone` runs in its process."""
    model = build(shape, "cpu", spared=side == "ours")
    # Kernels are loaded on first use: a step on a few tokens, so that their code is not counted.
    few = replace(shape, prompt=(4, 4), response=(2, 2))
    way = {"ours": ours, "plain": plain}[side]
    step(model, way, [contrasts(few, n, 1)])
    model.zero_grad(set_to_none=False)
    batch = contrasts(shape, n, 1)
    return peak_on_cpu(lambda: (way(model, batch)).backward())


def compare(shape: Shape, n: int, rounds: int) -> dict[str, object]:
    """Time and peak memory of single prompts on the CPU, ours against plain."""
    bare, spared = build(shape, "cpu"), build(shape, "cpu", spared=True)
    prompts = contrasts(shape, n, 4)
    error = agreement(bare, spared, prompts[:1])
    each = [[one] for one in prompts]
    theirs, mine = alternate(
        [lambda: step(bare, plain, each), lambda: step(spared, ours, each)], rounds, "cpu"
    )
    peaks = {side: peak_alone(shape, n, side) for side in ("plain", "ours")}
    row = {
        "shape": shape.name,
        "n": n,
        "prompt_tokens": shape.prompt,
        "response_tokens": shape.response,
        "gradient_error": error,
        "times_fewer_tokens": tokens_read(prompts, False) / tokens_read(prompts, True),
        "plain_ms_a_prompt": theirs / len(prompts) * 1e3,
        "ours_ms_a_prompt": mine / len(prompts) * 1e3,
        "times_faster": theirs / mine,
        "plain_peak_mib": peaks["plain"] / 2**20,
        "ours_peak_mib": peaks["ours"] / 2**20,
        "times_leaner": peaks["plain"] / peaks["ours"],
    }
    print(
        f"{shape.name:11} N={n}  {row['plain_ms_a_prompt']:8.1f} {row['ours_ms_a_prompt']:8.1f} ms"
        f"  {row['times_faster']:5.2f}x   {row['plain_peak_mib']:7.1f} {row['ours_peak_mib']:6.1f}"
        f" MiB  {row['times_leaner']:5.2f}x   gradients differ by {error:.0e}",
        flush=True,
    )
    return row


def tokens_read(prompts: Sequence[Encoded], share: bool) -> int:
    """Tokens, padding among them, that go through the body for single prompts."""
    return sum(collate([one], 0, share).input_ids.numel() for one in prompts)


def where(shape: Shape, n: int) -> None:
    """Print which operations take the time of ours."""
    from torch.profiler import profile

    model, prompts = build(shape, "cpu", spared=True), contrasts(shape, n, 1)
    step(model, ours, [prompts])
    with profile() as seen:
        step(model, ours, [prompts])
    print(f"{shape.name} N={n}")
    print(seen.key_averages().table(sort_by="self_cpu_time_total", row_limit=12))


def in_batches(shape: Shape, n: int, rounds: int, size: int = 4) -> dict[str, object]:
    """Ours on a step of 16 prompts: one at a time, and in batches with and without buckets."""
    bare, spared = build(shape, "cpu"), build(shape, "cpu", spared=True)
    prompts = contrasts(replace(shape, prompt=(40, 400)), n, 16)
    ordered = sorted(prompts, key=lambda one: one.longest)

    def cut(of: Sequence[Encoded], into: int) -> list[Sequence[Encoded]]:
        return [of[i : i + into] for i in range(0, len(of), into)]

    names = ("one at a time", f"batches of {size}", f"batches of {size} by length")
    splits = (cut(prompts, 1), cut(prompts, size), cut(ordered, size))
    ways = [lambda split=split: step(spared, ours, split) for split in splits]
    plainly = alternate([lambda: step(bare, plain, splits[1]), *ways], rounds, "cpu")
    row: dict[str, object] = {"shape": shape.name, "n": n, "prompt_tokens": (40, 400)}
    for name, seconds in zip((f"plain, batches of {size}", *names), plainly, strict=True):
        row[name] = seconds / len(prompts) * 1e3
        print(
            f"{shape.name:11} N={n}  {name:24} {seconds / len(prompts) * 1e3:8.1f} ms a prompt",
            flush=True,
        )
    return row


def flops(shape: Shape, tokens: int, head_tokens: int, checkpointing: bool) -> float:
    """Operations that a step of matrix products needs: forward, and backward over activations."""
    width = shape.hidden // shape.heads * shape.kv_heads
    layer = 2 * shape.hidden * shape.hidden + 2 * shape.hidden * width
    layer += 3 * shape.hidden * shape.inner
    passes = 3 if checkpointing else 2
    body = 2 * shape.layers * layer * tokens * passes
    return body + 2 * 2 * shape.hidden * shape.vocabulary * head_tokens


def on_gpu(shape: Shape, rounds: int, sizes: Sequence[int]) -> Iterator[dict[str, object]]:
    """Rows for each N, with activations kept and with checkpointing."""
    for checkpointing in (False, True):
        model = build(shape, "cuda", checkpointing)
        for n in sizes:
            yield one_on_gpu(model, shape, n, rounds, checkpointing)
        del model
        memory.release()


def one_on_gpu(
    model: torch.nn.Module, shape: Shape, n: int, rounds: int, checkpointing: bool
) -> dict[str, object]:
    """Milliseconds a prompt, peak memory and model FLOP utilisation on the GPU."""
    prompts = contrasts(shape, n, 4)
    each, together = [[one] for one in prompts], [prompts]
    ways = {
        "plain": lambda: step(model, plain, each),
        "ours": lambda: step(model, ours, each),
        "ours, 4 a batch": lambda: step(model, ours, together),
    }
    row: dict[str, object] = {
        "shape": shape.name,
        "n": n,
        "device": torch.cuda.get_device_name(),
        "checkpointing": checkpointing,
    }
    fitting = {name: way for name, way in ways.items() if fits(way)}
    row |= dict.fromkeys(ways.keys() - fitting.keys(), "out of memory")
    if "plain" in fitting:
        row["gradient_error"] = agreement(model, model, prompts[:1])
    seconds = alternate(list(fitting.values()), rounds, "cuda")
    rate = matrix_rate()
    for (name, way), taken in zip(fitting.items(), seconds, strict=True):
        batch = collate(prompts, 0, "ours" in name)
        needed = flops(
            shape, int((batch.segments >= 0).sum()), len(batch.labels), checkpointing=False
        )
        row[name] = {
            "ms_a_prompt": taken / len(prompts) * 1e3,
            "tokens_a_second": int((batch.segments >= 0).sum()) / taken,
            "peak_gib": peak_on_gpu(way) / 2**30,
            "flop_utilisation": needed / taken / rate,
        }
    print(json.dumps(row), flush=True)
    return row


def fits(way: Callable[[], None]) -> bool:
    """Whether the GPU holds a step done this way."""
    try:
        way()
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return False
    return True


def matrix_rate() -> float:
    """Operations a second of a large bf16 product here: the ceiling utilisation is a share of."""
    a, b = torch.randn(2, 8192, 8192, device="cuda", dtype=torch.bfloat16)
    (seconds,) = alternate([lambda: torch.mm(a, b)], 10, "cuda")
    return 2 * 8192**3 / seconds


def save(name: str, rows: list[dict[str, object]]) -> None:
    RESULTS.mkdir(exist_ok=True)
    import transformers

    found = {
        "command": "python -m benchmarks.sami_step " + " ".join(sys.argv[1:]),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "threads": torch.get_num_threads(),
        "rows": rows,
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"saved {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--shape", choices=sorted(SHAPES), help="default: both CPU shapes")
    parser.add_argument("--n", type=int, choices=range(2, 9), help="default: 2 and 4")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--where", action="store_true", help="profile ours, one step")
    parser.add_argument("--peak", choices=["ours", "plain"], help=argparse.SUPPRESS)
    parser.add_argument("--shape-json", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.device == "cpu":
        torch.set_num_threads(1)
    if args.peak:
        print(measured_peak(Shape(**json.loads(args.shape_json)), args.n, args.peak))
        return None
    sizes = [args.n] if args.n else [2, 4]
    if args.device == "cuda":
        shape = SHAPES[args.shape or "8b"]
        rows = list(on_gpu(shape, args.rounds, sizes))
        return save(f"sami_step_{shape.name}_cuda", rows)
    shapes = [SHAPES[args.shape]] if args.shape else [HEAD, BODY]
    if args.where:
        for shape in shapes:
            for n in sizes:
                where(shape, n)
        return None
    print("                    plain     ours              plain   ours")
    rows = [compare(shape, n, args.rounds) for shape in shapes for n in sizes]
    rows += [in_batches(shape, 2, max(1, args.rounds // 2)) for shape in shapes]
    save("sami_step_cpu", rows)
    return None


if __name__ == "__main__":
    main()
