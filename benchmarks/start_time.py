"""How long each command takes to begin, and which large libraries that loads.

PYTHONPATH=. python -m benchmarks.start_time prints seconds of the processor for `COMMAND --help`,
for what a shell asks to complete a value, and for small jobs that ask no model.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sami_eval import cli

HEAVY = ("numpy", "scipy", "openai", "torch", "transformers", "trl", "lm_eval", "datasets")
SCRIPT = (
    "import sys\nfrom sami_eval import cli\ntry:\n    cli.run(sys.argv[1:])\n"
    "except SystemExit:\n    pass\n"
    f"print(*[one for one in {HEAVY} if one in sys.modules], file=sys.stderr)\n"
)
QUESTION = '{"question_id": 1, "category": "writing", "turns": ["Write."]}\n'
JOBS = {
    "completion": [],
    "ls judges": ["ls", "judges"],
    "power": ["power", "--questions", "80"],
    "judging records": [
        *("compare", "a.jsonl", "b.jsonl", "--prompts", "q.jsonl", "--judge", "rules", "-q"),
    ],
}


def main() -> None:
    """Print a line a command."""
    helps = {f"{name} --help": [*name.split(), "--help"] for name in cli.commands()}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("q.jsonl").write_text(QUESTION)
        for model in "ab":
            text = f'{{"prompt_id": "1", "model": "{model}", "turns": ["{model}."]}}\n'
            Path(f"{model}.jsonl").write_text(text)
        for name, arguments in {**helps, **JOBS}.items():
            seconds, loaded = _start(arguments)
            print(f"{name:<28}{seconds:5.2f} s  {loaded}")


def spent(words: Sequence[str]) -> float:
    """Seconds of the processor that Python takes with these words."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _start(arguments: list[str]) -> tuple[float, str]:
    """Seconds of the processor, and the large libraries."""
    asked = {"COMP_WORDS": "sami-eval compare --judge ", "COMP_CWORD": "3"}
    shell = {"_SAMI_EVAL_COMPLETE": "complete_bash", **asked} if not arguments else {}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", SCRIPT, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **shell})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, (done.stderr.splitlines() or [""])[-1]


if __name__ == "__main__":
    main()
