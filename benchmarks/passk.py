"""Several adapters in one `sami-eval passk` against one stock lm_eval run an adapter.

    python -m benchmarks.passk                                   # vLLM on CPU, the embedded base
    python -m benchmarks.passk --base meta-llama/Llama-3.1-8B    # a real model, on a GPU
    python -m benchmarks.passk --shape 4096x32x32                # random: hidden x layers x heads

Both sides answer the same word problems with the same adapters, sampling and number of samples on
vLLM, each as the command a user types, in alternating order; medians of the rounds. Of each command
and all its processes, seconds of the clock and of the processor:

| part | ours | stock lm_eval | raw vLLM |
|-|-|-|-|
| start | `LLM(...)` | the same | the same |
| generation | `VllmEngine.generate`, answers stored | `VLLM._model_generate` | `LLM.generate` |
| rest | all else: imports, task index, tokenising, marking, statistics, shutdown | | |

"All but generation" is start and rest. `raw vLLM` is one bare `LLM.generate` on the very requests
of our side, all adapters at once, in an engine with our engine's settings.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from benchmarks.watch import Watch

ROOT = Path(__file__).resolve().parents[1]
TIMES = "SAMI_EVAL_BENCHMARK_TIMES"
REQUESTS = "SAMI_EVAL_BENCHMARK_REQUESTS"
SETTINGS = "SAMI_EVAL_BENCHMARK_SETTINGS"
RANK = 16
Times = dict[str, float]
Windows = dict[str, list[tuple[float, float]]]  # when each part ran, by the clock


# In the child processes: the commands themselves, with a clock in two places.


def timed(windows: Windows, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """The function, when it ran noted under a name."""

    def run(*args: Any, **kwargs: Any) -> Any:
        start = time.time()
        try:
            return work(*args, **kwargs)
        finally:
            windows.setdefault(name, []).append((start, time.time()))

    return run


def child(kind: str, words: Sequence[str]) -> None:
    """Run one command in this process and leave its times in a file."""
    windows: Windows = {}
    try:
        {"ours": ours_child, "stock": stock_child, "raw": raw_child}[kind](words, windows)
    finally:
        Path(os.environ[TIMES]).write_text(json.dumps(windows))


def ours_child(words: Sequence[str], windows: Windows) -> None:
    """`sami-eval ...`."""
    from sami_eval import cli
    from sami_eval.generate import vllm

    start = timed(windows, "start", vllm._start)
    generate = timed(windows, "generation", vllm.VllmEngine.generate)

    def started(settings: dict[str, Any]) -> Any:
        Path(os.environ[SETTINGS]).write_text(json.dumps(settings))
        return start(settings)

    def kept(engine: Any, requests: Sequence[Any], on_done: Any) -> None:
        rows = [
            (first.model.adapter, first.token_ids, params(engine._sampling(first, len(group))))
            for group in vllm.sample_groups(requests)
            for first in [requests[group[0]]]
        ]
        with Path(os.environ[REQUESTS]).open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        generate(engine, requests, on_done)

    vllm._start = started
    vllm.VllmEngine.generate = kept  # type: ignore[method-assign]
    code = cli.run(list(words))
    if code:
        raise SystemExit(code)


def params(sampling: Any) -> dict[str, Any]:
    """What a bare vLLM is asked for."""
    names = ("n", "temperature", "top_p", "max_tokens", "stop", "stop_token_ids")
    return {name: getattr(sampling, name) for name in names}


def stock_child(words: Sequence[str], windows: Windows) -> None:
    """`lm_eval ...`."""
    from lm_eval.__main__ import cli_evaluate
    from lm_eval.models import vllm_causallms as stock

    stock.LLM = timed(windows, "start", stock.LLM)
    stock.VLLM._model_generate = timed(windows, "generation", stock.VLLM._model_generate)
    sys.argv = ["lm_eval", *words]
    cli_evaluate()


def raw_child(words: Sequence[str], windows: Windows) -> None:
    """One bare LLM.generate on the recorded requests, in this process where ours was, too."""
    from sami_eval.generate.vllm import prepare_environment
    from sami_eval.generate.vllm_here import in_this_process

    prepare_environment()
    settings = json.loads(Path(os.environ[SETTINGS]).read_text())
    here = "kv_cache_memory_bytes" in settings
    with in_this_process() if here else nullcontext():
        _raw(settings, windows)


def _raw(settings: dict[str, Any], windows: Windows) -> None:
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    rows = [json.loads(line) for line in Path(os.environ[REQUESTS]).read_text().splitlines()]
    folders = [folder for folder in dict.fromkeys(row[0] for row in rows) if folder]
    llm = timed(windows, "start", LLM)(**settings)
    lora = {name: LoRARequest(f"a{i}", i, name) for i, name in enumerate(folders, 1)}
    timed(windows, "generation", llm.generate)(
        [{"prompt_token_ids": row[1]} for row in rows],
        [SamplingParams(**row[2]) for row in rows],
        lora_request=[lora.get(row[0]) for row in rows],
        use_tqdm=False,
    )


# In this process: what is asked, and the clock around each command.


def command(kind: str, words: Sequence[str], folder: Path) -> Times:
    """One command's seconds: in all, of its parts, and of the processor (`cpu ...`)."""
    out = folder / "times.json"
    environment = {
        **os.environ,
        TIMES: str(out),
        REQUESTS: str(folder / "requests.jsonl"),
        SETTINGS: str(folder / "settings.json"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    if kind == "stock":  # else it takes half of the machine's memory
        environment.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
    start = time.time()
    with (folder / "log.txt").open("a") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.passk", "--child", kind, *words],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        watch = Watch(child.pid)
        code = child.wait()
        end = time.time()
        watch.end()
    if code:
        sys.exit(
            f"{kind} failed; see {folder / 'log.txt'}\n{(folder / 'log.txt').read_text()[-3000:]}"
        )
    found = {"total": end - start, "cpu total": watch.spent(start, end)}
    windows: Windows = json.loads(out.read_text())
    for part in ("start", "generation"):
        found[part] = sum(b - a for a, b in windows[part])
        found[f"cpu {part}"] = sum(watch.spent(a, b) for a, b in windows[part])
    for unit in ("", "cpu "):
        found[f"{unit}rest"] = (
            found[f"{unit}total"] - found[f"{unit}start"] - found[f"{unit}generation"]
        )
    # A benchmark that is stopped leaves what it has measured.
    rounded = {name: round(value, 1) for name, value in found.items()}
    print(f"{kind}: {json.dumps(rounded)}", file=sys.stderr, flush=True)
    return found


def added(each: Sequence[Times]) -> Times:
    """The times of several commands run one after the other."""
    return {name: sum(times[name] for times in each) for name in each[0]}


def save_adapter(base: str, folder: Path, seed: int) -> Path:
    """A LoRA of small random weights for any base, whose own weights are not read."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base))
        lora = LoraConfig(
            r=RANK, lora_alpha=RANK, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        peft = get_peft_model(network, lora)
    generator = torch.Generator().manual_seed(seed)
    weights = {
        name.replace(".default", ""): torch.randn(value.shape, generator=generator) * 0.02
        for name, value in peft.named_parameters()
        if "lora_" in name
    }
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    save_file(weights, folder / "adapter_model.safetensors")
    peft.peft_config["default"].base_model_name_or_path = base
    peft.peft_config["default"].save_pretrained(str(folder))
    return folder


def save_random(shape: str, folder: Path) -> Path:
    """A Llama of random weights in a shape HIDDENxLAYERSxHEADS, with the embedded tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from sami_eval.embedded import BASE_DIR

    hidden, layers, heads = map(int, shape.split("x"))
    tokenizer = AutoTokenizer.from_pretrained(BASE_DIR)
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=hidden * 7 // 2,
        vocab_size=len(tokenizer),
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def write_problems(path: Path, n: int) -> Path:
    """The embedded world's word problems as a GSM8K file."""
    from sami_eval.embedded import word_problems

    rows = [
        {"question": prompt.turns[0], "answer": f"#### {(prompt.reference or ('',))[0]}"}
        for prompt in word_problems("evaluation")[:n]
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def stock_words(args: argparse.Namespace, base: str, adapter: Path | None, out: Path) -> list[str]:
    """The words of one stock lm_eval run."""
    model = f"pretrained={base},max_model_len={args.max_model_len}"
    if adapter is not None:
        model += f",lora_local_path={adapter},max_lora_rank={RANK}"
    return [
        *("--model", "vllm", "--model_args", model, "--tasks", "gsm8k_passk"),
        *("--metadata", f"n={args.samples}", f"k={args.k}", "problems=problems.jsonl"),
        *("--gen_kwargs", f"max_gen_toks={args.max_tokens},temperature={args.temperature}"),
        *("--output_path", str(out), "--apply_chat_template"),
    ]


def our_words(
    args: argparse.Namespace, base: str, adapters: Sequence[Path], turn: int
) -> list[str]:
    """The words of the one run of ours; a new seed a round, so that nothing is stored."""
    if args.ours == "lm-eval":
        names = ",".join(["base", *map(str, adapters)])
        engine = f"engine=vllm,max_model_len={args.max_model_len}"
        return [
            *("lm-eval", "--model", "sami-eval", "--tasks", "gsm8k_passk"),
            *("--model_args", f"models=[{names}],base={base},{engine}"),
            *("--metadata", f"n={args.samples}", f"k={args.k}", "problems=problems.jsonl"),
            *("--gen_kwargs", f"max_gen_toks={args.max_tokens},temperature={args.temperature}"),
            *("--gen_kwargs", f"seed={turn}", "--apply_chat_template"),
        ]
    return [
        *("passk", "base", *map(str, adapters), "--base", base, "--engine", "vllm"),
        *("--prompts", "problems.jsonl", "--samples", str(args.samples), "--k", args.k.strip("[]")),
        "--no-greedy",
        *("--max-tokens", str(args.max_tokens), "--temperature", str(args.temperature)),
        *("--engine-arg", f"max_model_len={args.max_model_len}", "--seed", str(turn)),
    ]


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", help="hub id or folder; by default the embedded base")
    parser.add_argument("--shape", help="random weights instead: HIDDENxLAYERSxHEADS")
    parser.add_argument("--ours", choices=("passk", "lm-eval"), default="passk")
    parser.add_argument("--contenders", type=int, default=4)
    parser.add_argument("--problems", type=int, default=40)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--k", default="[1,10,32]")
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--max-model-len", type=int, default=1024)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-stock", action="store_true", help="ours beside raw vLLM alone")
    parser.add_argument("--json", type=Path, help="also write the times of every round here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rounds, device = measure(args, Path(name))
    if args.json:
        args.json.write_text(json.dumps({"device": device, "rounds": rounds}, indent=1))
    report(args, rounds, device)


def measure(args: argparse.Namespace, folder: Path) -> tuple[list[dict[str, Times]], str]:
    """The times of every round by side."""
    from sami_eval.embedded import BASE_DIR
    from sami_eval.harness import install

    install.install()
    base = str(save_random(args.shape, folder / "random") if args.shape else args.base or BASE_DIR)
    adapters = [save_adapter(base, folder / f"adapter{i}", i) for i in range(1, args.contenders)]
    write_problems(folder / "problems.jsonl", args.problems)

    def stock(turn: int) -> Times:
        words = [stock_words(args, base, one, folder / "out") for one in (None, *adapters)]
        return added([command("stock", one, folder) for one in words])

    def ours(turn: int) -> Times:
        (folder / "requests.jsonl").unlink(missing_ok=True)
        return command("ours", our_words(args, base, adapters, turn), folder)

    sides: dict[str, Callable[[int], Times]] = {"ours": ours}
    if not args.no_stock:
        sides["stock"] = stock
    rounds = []
    for turn in range(args.rounds):
        order = list(sides) if turn % 2 == 0 else list(reversed(sides))
        times = {side: sides[side](turn) for side in order}
        times["raw vLLM"] = command("raw", [], folder)
        rounds.append(times)
    return rounds, device_name()


def device_name() -> str:
    """What it ran on."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {os.cpu_count()} cores"


def report(args: argparse.Namespace, rounds: Sequence[dict[str, Times]], device: str) -> None:
    """Print the medians and the ratios."""
    what = args.shape or args.base or "embedded base"
    print(
        f"{what}: {args.contenders} contenders x {args.problems} problems x {args.samples} samples "
        f"of at most {args.max_tokens} tokens, {device}; medians of {len(rounds)} rounds, seconds"
    )
    parts = ("start", "rest", "generation", "total")
    columns = [f"{unit}{part}" for unit in ("", "cpu ") for part in parts]
    print(f"{'':24}" + "".join(f"{column:>16}" for column in columns))
    names = {"ours": f"one sami-eval {args.ours}", "stock": f"{args.contenders} x lm_eval"}
    for side in rounds[0]:
        medians = [statistics.median(r[side][column] for r in rounds) for column in columns]
        print(f"{names.get(side, side):24}" + "".join(f"{value:16.1f}" for value in medians))

    def ratio(what: str, of: Callable[[dict[str, Times], str], float]) -> None:
        values = [statistics.median(of(one, unit) for one in rounds) for unit in ("", "cpu ")]
        print(f"{what:28}{values[0]:8.2f} x time {values[1]:8.2f} x CPU")

    def but_generation(times: Times, unit: str) -> float:
        return times[f"{unit}total"] - times[f"{unit}generation"]

    if not args.no_stock:
        ratio("total", lambda r, unit: r["stock"][f"{unit}total"] / r["ours"][f"{unit}total"])
        ratio(
            "all but generation",
            lambda r, unit: but_generation(r["stock"], unit) / but_generation(r["ours"], unit),
        )
    ratio(
        "generation against raw",
        lambda r, unit: r["ours"][f"{unit}generation"] / r["raw vLLM"][f"{unit}generation"],
    )


if __name__ == "__main__":
    main()
