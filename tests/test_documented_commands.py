"""Every command of README and docs: which questions, which judge, on which base.

A row a command, as its dry run says it, or the nearest thing where it has none: a command that is
documented needs a row here.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from tests import MTBENCH_CATEGORIES, ROOT
from tests.align.test_align_flags import write
from tests.align_models import CONTRASTS, save_base
from tests.hub_cache import fetched
from tests.records import write_rows
from tests.test_readme import shown
from tests.tiny_classifier import save_classifier
from tests.tiny_llama import save_adapter

HUB = "HuggingFaceH4/mt_bench_prompts"
GSM8K = "openai/gsm8k, test"
WORLD, TOY = "the embedded world", "the embedded base"
SMALL = "HuggingFaceTB/SmolLM2-135M-Instruct"
LLAMA, BIG = "meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-70B"
AT_OPENAI = "https://api.openai.com/v1"
PROGRAM = "marked by a program"
GPT_4O = f"gpt-4o at {AT_OPENAI}"
NOBODY = None  # asks no model anything
PAPERS = "principles (openai:gpt-4o), quality (openai:gpt-4o)"

# Command: questions, judge, base.
ROWS: dict[str, tuple[str, str | None, str] | None] = {
    "power --win-rate 0.57 --questions 80": NOBODY,
    "tasks install": NOBODY,
    "tasks remove": NOBODY,
    "reproduce audit DIR": NOBODY,
    "agreement lmsys/mt_bench_human_judgments:gpt4_pair --votes lmsys/mt_bench_human_judgments": (
        NOBODY
    ),
    "agreement --votes votes.jsonl RUN": NOBODY,
    "agreement --votes votes.jsonl RUN --beside OTHER_RUN": NOBODY,
    "show RUN --votes votes.jsonl": NOBODY,
    "show --html": NOBODY,
    "show --latex": NOBODY,
    # compare
    "compare out/sami out/dpo": (HUB, f"quality: {GPT_4O}", LLAMA),
    "compare DPO_responses.json SFT_responses.json --constitutions verifiable": (
        *("DPO_responses.json", "checks", "recorded"),
    ),
    "compare out/sami out/dpo --judge quality --judge-model openai:gpt-4o --dry-run": (
        *(HUB, f"quality: {GPT_4O}", LLAMA),
    ),
    "compare out/sami out/dpo --judge quality --judge-model openai:gpt-4o --max-cost 20": (
        *(HUB, f"quality: {GPT_4O}", LLAMA),
    ),
    "compare sami sft --base ID --task mtbench --judge quality --judge-model openai:gpt-4o": (
        *(HUB, f"quality: {GPT_4O}", "ID"),
    ),
    "compare out/sami out/dpo --task alpaca_eval --judge-model openai:gpt-4o": (
        *("tatsu-lab/alpaca_eval", f"choice: {GPT_4O}", f"{LLAMA}, recorded"),
    ),
    "compare out/sami out/dpo --task alpaca_eval --judge-model openai:gpt-4o --against none": (
        *("tatsu-lab/alpaca_eval", f"choice: {GPT_4O}", LLAMA),
    ),
    "compare sami dpo --judge quality --judge-model openai:gpt-4o": (
        *(WORLD, f"quality: {GPT_4O}", TOY),
    ),
    "compare sami dpo --judge quality --judge-model openai:my-judge --base-url "
    "http://127.0.0.1:8000/v1": (WORLD, "quality: my-judge at http://127.0.0.1:8000/v1", TOY),
    "compare A B --judge quality --judge-model openai:gpt-4o --judge-model vllm:Qwen/Qwen3-32B": (
        HUB,
        f"quality (openai:gpt-4o): {GPT_4O}, quality (vllm:Qwen/Qwen3-32B): Qwen/Qwen3-32B",
        "A, B",
    ),
    "compare A B --task mtbench --prompts question.jsonl --references gpt-4.jsonl --judge-prompts "
    "judge_prompts.jsonl --judge-model openai:gpt-4": (
        *("question.jsonl", f"pair-v2: gpt-4 at {AT_OPENAI}", "A, B"),
    ),
    "compare sami dpo --judge choice --judge-model openai:gpt-4o --rule average": (
        *(WORLD, f"choice: {GPT_4O}", TOY),
    ),
    "compare A B --judge-model reward:FOLDER": (HUB, "reward: FOLDER", "A, B"),
    "compare A B --judge quality --judge-model openai:gpt-4o --judge-model reward:FOLDER": (
        *(HUB, f"quality (openai:gpt-4o): {GPT_4O}, quality (reward:FOLDER): FOLDER", "A, B"),
    ),
    "compare A B --judge graded --judge-model openai:gpt-4o --rule average": (
        *(HUB, f"graded: {GPT_4O}", "A, B"),
    ),
    "compare openai:sami openai:meta-llama/Llama-3.1-70B-Instruct --base-url "
    "http://127.0.0.1:8000/v1 --concurrency 256 --task mtbench --judge quality --judge-model "
    "openai:judge": (
        HUB,
        "quality: judge at http://127.0.0.1:8000/v1",
        "at http://127.0.0.1:8000/v1",
    ),
    "compare base sft sami --task mtbench --limit 40 --out FOLDER/runs/embedded": (
        *(WORLD, "rules", TOY),
    ),
    "compare A B --task mtbench --constitutions verifiable": (HUB, "checks", "A, B"),
    "compare sami sft --base ID --task mtbench --constitutions verifiable": (HUB, "checks", "ID"),
    # passk
    "passk base sft base+sami sami --k 1,10,32": ("embedded, evaluation", PROGRAM, TOY),
    "passk out/sft out/sami --base meta-llama/Llama-3.1-8B --k 1,10,32": (GSM8K, PROGRAM, LLAMA),
    "passk sft sami --prompts problems.jsonl --num-fewshot 4 --fewshot examples.jsonl": (
        *("problems.jsonl", PROGRAM, TOY),
    ),
    "passk sft sami --prompts problems.jsonl --marker math": ("problems.jsonl", PROGRAM, TOY),
    "passk sft sami --samples 16 --k 1,4,16 --best-of reward:FOLDER": (
        *("embedded, evaluation", PROGRAM, TOY),
    ),
    "passk openai:my-model --base-url http://localhost:8000/v1 --samples 16 --k 1,4,16": (
        *(GSM8K, PROGRAM, "at http://localhost:8000/v1"),
    ),
    "passk sft sami --base meta-llama/Llama-3.1-8B --engine serve --engine-arg "
    "data_parallel_size=8": (GSM8K, PROGRAM, LLAMA),
    "passk sft sami --base meta-llama/Llama-3.1-70B --engine vllm --engine-arg "
    "tensor_parallel_size=8 --engine-arg gpu_memory_utilization=0.9": (GSM8K, PROGRAM, BIG),
    # Tasks of one's own
    "compare A B --task riddles": ("riddles.jsonl", f"graded: {GPT_4O}", "A, B"),
    "lm_eval --include_path tasks --tasks riddles_pairwise --model hf --model_args pretrained=ID "
    "--metadata baseline=old.jsonl judge_model=openai:gpt-4o": (
        *("riddles.jsonl", f"graded: {GPT_4O}", "ID"),
    ),
    "passk A B --task sums --k 1,10": ("someone/sums@main, test", PROGRAM, "A, B"),
    "lm_eval --include_path tasks --tasks sums_passk --model vllm --model_args pretrained=ID "
    "--metadata n=32": ("someone/sums@main", PROGRAM, "ID"),
    # contrast and align
    "contrast --model meta-llama/Llama-3.1-8B --constitutions constitution.toml --prompts "
    "prompts.jsonl --out contrasts.jsonl": ("prompts.jsonl", "constitution.toml", LLAMA),
    "contrast --model ID --constitutions constitution.toml --prompts prompts.jsonl --out "
    "contrasts.jsonl": ("prompts.jsonl", "constitution.toml", "ID"),
    "contrast --model ID --constitutions verifiable --prompts verifiable --out contrasts.jsonl": (
        *("verifiable", "verifiable", "ID"),
    ),
    "contrast --from-pairs pairs.jsonl --out contrasts.jsonl": None,  # no model is asked
    "align sami --base meta-llama/Llama-3.1-8B --contrasts contrasts.jsonl --dry-run": (
        *("contrasts.jsonl", None, LLAMA),
    ),
    "align sami --base meta-llama/Llama-3.1-8B --contrasts contrasts.jsonl --batch-size 2 "
    "--accumulation 1": ("contrasts.jsonl", None, LLAMA),
    "contrast --base ID --constitutions verifiable-few --prompts verifiable --limit 112 "
    "--max-tokens 128 --unfinished --min-heeded 1 --out contrasts.jsonl": (
        *("verifiable", "verifiable-few", "ID"),
    ),
    "align sft+sami --base ID --preset laptop --contrasts contrasts.jsonl": (
        *("contrasts.jsonl", None, "ID"),
    ),
    "align sft+dpo --base ID --preset laptop --batch-size 2 --contrasts contrasts.jsonl": (
        *("contrasts.jsonl", None, "ID"),
    ),
    "compare sft+sami sft+mipo sft+dpo sft+dpo.ipo sft+kto base sft --against sft --base ID "
    "--prompts first-turns.jsonl --constitutions verifiable-few --generate-with-principles "
    "--max-tokens 128 --judge checks": ("first-turns.jsonl", "checks", "ID"),
    "align sft --base ID --contrasts contrasts.jsonl": ("contrasts.jsonl", None, "ID"),
    "align sami --base ID --contrasts contrasts.jsonl": ("contrasts.jsonl", None, "ID"),
    "align sami --contrasts contrasts.jsonl": ("contrasts.jsonl", None, TOY),
    "train --constitution constitution.toml --prompts prompts.jsonl --methods sami,dpo --base ID": (
        *(HUB, "principles", "ID"),
    ),
    # reproduce
    "reproduce mtbench": (WORLD, "rules", TOY),
    "reproduce gsm8k": (WORLD, PROGRAM, TOY),
    "reproduce mtbench --scale laptop": (HUB, "checks", SMALL),
    "reproduce gsm8k --scale laptop": ("openai/gsm8k", PROGRAM, SMALL),
    "reproduce mtbench --scale paper --dry-run": (HUB, PAPERS, LLAMA),
    "reproduce mtbench --scale one-gpu": (HUB, PAPERS, LLAMA),
    "reproduce mtbench --scale one-gpu --only $step": NOBODY,
    "reproduce mtbench --scale one-gpu --only sft": (HUB, PAPERS, LLAMA),
    # lm-eval, ours and the stock one's backends
    "lm-eval --model sami-eval --model_args model=out/sami,base=ID --apply_chat_template --tasks "
    "mtbench_pairwise --metadata baseline=old.jsonl judge=quality judge_model=openai:gpt-4o": (
        *(HUB, f"quality: {GPT_4O}", "ID"),
    ),
    "lm_eval --model hf --model_args pretrained=ID --tasks gsm8k_passk --metadata n=32 "
    "'k=[1,10,32]'": ("openai/gsm8k", PROGRAM, "ID"),
    "lm_eval --model vllm --model_args pretrained=ID --apply_chat_template --tasks mtbench_turn1 "
    "--metadata answers=first.jsonl": (HUB, None, "ID"),
    "lm_eval --model vllm --model_args pretrained=ID --apply_chat_template --tasks "
    "mtbench_pairwise --metadata first=first.jsonl baseline=old.jsonl judge=quality "
    "judge_model=openai:gpt-4o": (HUB, f"quality: {GPT_4O}", "ID"),
    # In passing.
    "passk base sft sami --k 1,10,32": ("embedded, evaluation", PROGRAM, TOY),
    "passk sft base --limit 100 --k 1,4,16 --samples 16": ("embedded, evaluation", PROGRAM, TOY),
    "compare sami@1,2,3 dpo@1,2,3": (WORLD, "rules", TOY),
    "compare sft+dpo.ipo sft+dpo": (WORLD, "rules", TOY),
    "compare sft+dpo sft+dpo.ipo sft+kto sft+mipo sft+simpo sft+orpo sft+sami base sft "
    "--against sft": (WORLD, "rules", TOY),
}


def documented() -> list[str]:
    """The commands of all blocks, and those whole ones in the text that ask a model."""
    ours = [(True, args) for _, args in shown("sami-eval", inline=False)]
    theirs = [(False, args) for _, args in shown("lm_eval", inline=False)]
    whole = [
        (True, args)
        for _, args in shown("sami-eval", inline=True)
        if args[0] in ("compare", "passk") and len(args) > 2 and "..." not in args
    ]
    texts = [
        shlex.join(args if is_ours else ["lm_eval", *args])
        for is_ours, args in [*ours, *theirs, *whole]
    ]
    return list(dict.fromkeys(text for text in texts if "base+short" not in text))


def test_every_documented_command_has_a_row_and_every_row_a_command() -> None:
    assert sorted(documented()) == sorted(shlex.join(shlex.split(text)) for text in ROWS)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the documents name, and a hub's cache with the models beside it."""
    folder = tmp_path_factory.mktemp("documented")
    base = Path(save_base(folder / "plain").base)
    for repo in (LLAMA, BIG, "ID", "Qwen/Qwen3-32B"):
        cached = folder / "hub" / f"models--{repo.replace('/', '--')}"
        (cached / "refs").mkdir(parents=True)
        (cached / "refs" / "main").write_text("c0ffee")
        (cached / "snapshots").mkdir()
        (cached / "snapshots" / "c0ffee").symlink_to(base)
    row = {"instruction": "Why?", "output": "So.", "generator": "old", "dataset": "small"}
    fetched(folder / "hub", "tatsu-lab/alpaca_eval", "alpaca_eval_gpt4_baseline.json", row)
    for name in ("A", "B"):
        save_base(folder / name)
    save_classifier(folder / "FOLDER")
    for name in ("sami", "dpo", "sft"):
        adapter = save_adapter(folder / "out" / name, base, seed=1)
        config = json.loads((adapter / "adapter_config.json").read_text())
        stated = {**config, "base_model_name_or_path": LLAMA}
        (adapter / "adapter_config.json").write_text(json.dumps(stated))
    return folder


def lines(path: str, *rows: dict[str, Any]) -> None:
    Path(path).parent.mkdir(exist_ok=True)
    write_rows(path, *rows)


@pytest.fixture(autouse=True)
def world(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of the documents, and a hub that has the questions."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(place / "hub"))
    monkeypatch.setattr("datasets.load_dataset", hub)
    write(CONTRASTS)
    question = {"question_id": 81, "category": "writing", "turns": ["a?", "b?"]}
    lines("question.jsonl", question)
    lines("prompts.jsonl", question)
    lines("first-turns.jsonl", {**question, "turns": ["a?"]})
    lines("gpt-4.jsonl", {"question_id": 81, "choices": [{"turns": ["a", "b"]}]})
    for name in ("problems", "examples"):
        several = [{"question": f"{name} {i}?", "answer": f"#### {i}"} for i in range(9)]
        lines(f"{name}.jsonl", *several)
    every = [{"prompt_id": str(i), "turns": ["a", "b"]} for i in range(81, 161)]
    for path, name in (
        *(("model_answer/a.jsonl", "a"), ("model_answer/b.jsonl", "b")),
        *(("old.jsonl", "old"), ("first.jsonl", "ID")),
    ):
        lines(path, *({**row, "model": name} for row in every))
    template = "{question} {answer_a} {answer_b}"
    turns = "{question_1} {question_2} {answer_a_1} {answer_a_2} {answer_b_1} {answer_b_2}"
    pair = {"type": "pairwise", "system_prompt": "", "output_format": "[[A]]"}
    references = {"pair-math-v1": "{ref_answer_1}", "pair-v2": ""}
    judges = [
        {**pair, "name": name, "prompt_template": f"{template} {more}"}
        for name, more in references.items()
    ] + [
        {
            **pair,
            "name": f"{name}-multi-turn",
            "prompt_template": f"{turns} {more} {more and '{ref_answer_2}'}",
        }
        for name, more in references.items()
    ]
    lines("judge_prompts.jsonl", *judges)
    principle = {"id": "w.1", "weak": "a", "strong": "b"}
    fields = [f"{k} = {json.dumps(v)}" for k, v in {**principle, "antithesis": "c"}.items()]
    Path("constitution.toml").write_text("[[principle]]\n" + "\n".join(fields) + "\n")

    page = (ROOT / "docs" / "tasks.md").read_text()
    lines("tasks/riddles.jsonl", *map(json.loads, re.findall(r"^\{.*", page, re.M)))
    for text in re.findall(r"^```yaml\n(.*?)^```", page, re.S | re.M):
        Path(f"tasks/{text.split()[1]}.yaml").write_text(text)
    for name in ("DPO", "SFT"):
        said = {"constitution": "1. Be kind.", "question": "a?", "category": "writing"}
        paper = {key: {"0": value} for key, value in {**said, "response": name}.items()}
        Path(f"{name}_responses.json").write_text(json.dumps(paper))


def hub(
    path: str, name: str | None = None, *, split: str, revision: str | None = None
) -> list[dict[str, Any]]:
    """What `datasets` would fetch."""
    if (path, revision) == ("someone/sums", "main"):
        return [{"problem": f"{i}?", "solution": i, "template": i % 3} for i in range(9)]
    if (path, name) == ("openai/gsm8k", "main"):
        return [{"question": f"{split} {i}?", "answer": f"#### {i}"} for i in range(9)]
    order = [category for category in MTBENCH_CATEGORIES for _ in range(10)]
    return [{"category": one, "prompt": ["a?", "b?"], "reference": []} for one in order]


def stands(row: dict[str, Any]) -> str:
    if row["address"]:
        return f"at {row['address']}"
    return str(row["base"] or "recorded").partition("@")[0]


def judged_by(row: dict[str, Any]) -> str:
    if row["model"] is None:
        return str(row["name"])
    return f"{row['name']}: {row['model']}" + (f" {stands(row)}" if row["address"] else "")


def ours(text: str, capsys: pytest.CaptureFixture[str]) -> tuple[str, str | None, str]:
    """Questions, judge and base as a dry run says them."""
    command, *given = shlex.split(text)
    given = [one for one in given if one != "--dry-run"]
    more = [] if command == "align" else ["--json"]
    # Adapters of one's own base would have been trained before.
    more += ["--train"] if command in ("compare", "passk") else []
    assert cli.run([command, *given, "--dry-run", *more]) == 0
    out = capsys.readouterr().out
    if command == "align":
        (base,) = (line for line in out.splitlines() if line.startswith("base "))
        file = given[given.index("--contrasts") + 1]
        return file, None, base.partition(" ")[2].strip().partition("@")[0]
    row = json.loads(out)
    if command == "contrast":
        return row["source"], row["constitutions"], stands(row)
    if command in ("reproduce", "train"):
        return row["questions"], ", ".join(row["judges"]) or PROGRAM, row["base"]
    bases = ", ".join(dict.fromkeys(map(stands, row["contenders"])))
    if command == "passk":
        split = f", {row['split']}" if row["split"] else ""
        return row["problems"] + split, PROGRAM, bases
    return row["questions"], ", ".join(map(judged_by, row["judges"])), bases


def lm_evals(text: str) -> tuple[str, str | None, str]:
    """Questions, judge and base of a task and a model as lm-eval makes them."""
    from lm_eval._cli.harness import HarnessCLI
    from lm_eval.config.evaluate_config import EvaluatorConfig
    from lm_eval.tasks import TaskManager

    from sami_eval.core.config import Config
    from sami_eval.generate.models import resolve
    from sami_eval.harness.gsm8k import Gsm8kPassk
    from sami_eval.harness.model import SamiEvalLM
    from sami_eval.harness.mtbench import MtBenchPairwise, MtBenchTurn1
    from sami_eval.server.endpoint import address_of

    given = shlex.split(text)[1:]
    asked = EvaluatorConfig.from_cli(HarnessCLI()._parser.parse_args(["run", *given]))
    if asked.model == "sami-eval":
        lm = SamiEvalLM(**asked.model_args)
        spec, base = asked.model_args["model"], asked.model_args["base"]
        (meant,) = resolve(spec, base, config=Config(Path.cwd()))
        assert lm.tokenizer_name == meant.fingerprint
        base = meant.base
    else:
        base = asked.model_args["pretrained"]
    kinds = {
        "mtbench_pairwise": MtBenchPairwise,
        "mtbench_turn1": MtBenchTurn1,
        "gsm8k_passk": Gsm8kPassk,
    }
    (name,) = asked.tasks if isinstance(asked.tasks, list) else [asked.tasks]
    metadata = {**asked.model_args, **asked.metadata}
    if name in kinds:
        task: Any = kinds[name](config={"task": name, "metadata": metadata})
    else:
        found = TaskManager(include_path="tasks", include_defaults=False, metadata=metadata)
        task = found.load([name])["tasks"][name]
    if name.endswith("_passk"):
        return str(task.config.dataset_path), PROGRAM, base
    against = task.against
    if against is None:
        return str(task.config.dataset_path), None, base
    at = f"{against.at.base} at {address_of(against.at, against.client.base_url)}"
    return str(task.config.dataset_path), f"{against.judge.name}: {at}", base


@pytest.mark.filterwarnings("ignore")  # lm-eval's own
@pytest.mark.parametrize("text", [text for text, row in ROWS.items() if row is not None])
def test_a_documented_command_asks_what_its_row_says(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = lm_evals(text) if text.startswith("lm") else ours(text, capsys)
    assert found == ROWS[text]
