"""What is typed most of each command: the end of its `--help`."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "init": ("init", "init --force"),
    "judge new": ("judge new strict",),
    "constitution new": ("constitution new mine",),
    "task new": ("task new mine_pairwise", "task new mine_passk"),
    "compare": (
        "compare sami dpo --task mtbench",
        "compare out/a out/b --judge-model openai:gpt-4o --dry-run",
        "compare a.jsonl b.jsonl --prompts q.jsonl --judge quality",
    ),
    "passk": (
        "passk base sft sami --k 1,10,32",
        "passk out/a out/b --prompts problems.jsonl --dry-run",
        "passk openai:NAME --base-url http://127.0.0.1:8000/v1 --limit 100",
    ),
    "train": (
        "train --methods sami,dpo",
        "train --constitution mine --prompts p.jsonl --base ID --dry-run",
        "train --methods base+sami,base+dpo --from compare",
    ),
    "align": (
        "align sami",
        "align dpo --base ID --contrasts contrasts.jsonl --out out/dpo",
        "align sami --iterations 3 --constitutions mine --prompts p.jsonl",
    ),
    "contrast": (
        "contrast --constitutions verifiable --prompts verifiable",
        "contrast --constitutions mine --prompts p.jsonl --out c.jsonl",
        "contrast --write-principles 6 --principle-writer openai:gpt-4o",
    ),
    "show": ("show", "show RUN --html", "show RUN --csv scores.csv"),
    "push": ("push out/sami OWNER/NAME --dry-run", "push out/sami OWNER/NAME --run RUN"),
    "again": ("again", "again RUN --dry-run"),
    "ls": ("ls runs", "ls judges", "ls models --json"),
    "cancel": ("cancel BATCH",),
    "power": (
        "power --win-rate 0.57",
        "power --questions 80",
        "power --win-rate 0.57 --questions 80 --ties 0.2",
    ),
    "agreement": (
        "agreement --votes lmsys/mt_bench_human_judgments RUN",
        "agreement --votes votes.jsonl verdicts.jsonl",
    ),
    "schema": ("schema judge", "schema sami-eval", "schema compare"),
    "doctor": ("doctor", "doctor --json"),
    "tasks": ("tasks install", "tasks path", "tasks remove"),
    "reproduce mtbench": (
        "reproduce mtbench",
        "reproduce mtbench --scale laptop",
        "reproduce mtbench --scale paper --dry-run",
    ),
    "reproduce gsm8k": (
        "reproduce gsm8k",
        "reproduce gsm8k --scale laptop",
        "reproduce gsm8k --scale paper --dry-run",
    ),
    "reproduce audit": ("reproduce audit FOLDER",),
}
