"""How heavy a page is, how long it takes to write, and how soon a browser shows it.

    python benchmarks/report_time.py [--browser]

Round robins of 4, 12 and 20 contenders on MT-Bench's 80 questions of two turns, in both orders:
about 2,000, 20,000 and 60,000 verdicts. Answers of 2,000 characters and judgments of 800, Markdown
of sentences drawn from Python's own documentation, so that they compress as prose does and not as
one text many times over. Seconds are of one core. first paint and list: what the browser itself
measures from opening the file to the first thing seen, and to the list of questions.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import tempfile
import time
from pathlib import Path
from pydoc_data.topics import topics

from sami_eval.core.types import Prompt, Response, Verdict
from sami_eval.experiment.comparison_rows import comparison_row, rank_rows
from sami_eval.experiment.document import Document
from sami_eval.experiment.tallies import compare, correct_pairs, round_robin
from sami_eval.report.comparison_page import Run, comparison_page
from tests.documents import contender, document

N_QUESTIONS = 80
CONTENDERS = (4, 12, 20)
_WORDS = " ".join(" ".join(topics.values()).split())
SENTENCES = [s for s in re.split(r"(?<=[.!?]) ", _WORDS) if 30 < len(s) < 300]


def text(rng: random.Random, size: int) -> str:
    """So many characters of sentences, one in four an item of a list."""
    said: list[str] = []
    while size > 0:
        sentence = rng.choice(SENTENCES)
        size -= len(sentence) + 1
        said.append(f"\n- **{sentence}**\n" if rng.random() < 0.25 else sentence)
    return " ".join(said)


def large_run(n: int) -> Run:
    rng = random.Random(0)
    names = [f"model-{i}" for i in range(n)]
    prompts = [
        Prompt(f"q{i}", ("writing", "math")[i % 2], (text(rng, 200), text(rng, 200)))
        for i in range(N_QUESTIONS)
    ]
    answers = {
        name: [Response(one.id, name, (text(rng, 2000), text(rng, 2000))) for one in prompts]
        for name in names
    }
    verdicts = {
        (a, b): [
            Verdict(
                prompt.id, turn, "quality", a, b, first, 0, rng.choice(("a", "a", "b", "tie")),
                text=text(rng, 800),
            )
            for prompt in prompts
            for turn in (0, 1)
            for first in ("a", "b")
        ]
        for a, b in itertools.combinations(names, 2)
    }  # fmt: skip
    compared = [compare(prompts, answers[a], answers[b], v) for (a, b), v in verdicts.items()]
    found: Document = document(*map(comparison_row, correct_pairs(compared)))
    found["contenders"] = [contender(name) for name in names]
    found["ranking"] = rank_rows(round_robin(compared))
    return Run(
        found,
        prompts,
        [response for several in answers.values() for response in several],
        [verdict for several in verdicts.values() for verdict in several],
    )


PAINT = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
LIST = "return document.querySelectorAll('#items button').length"


def opened(html: str) -> str:
    """Milliseconds to the first paint and to the list, in Chromium."""
    from tests.browser import chromium

    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        path = Path(folder) / "report.html"
        path.write_text(html, encoding="utf-8")
        start = time.perf_counter()
        browser.get(f"file://{path}")
        while not browser.execute_script(LIST):
            time.sleep(0.02)
        listed = time.perf_counter() - start
        return f", first paint {browser.execute_script(PAINT):.0f} ms, list {1000 * listed:.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browser", action="store_true", help="open each page in Chromium too")
    asked = parser.parse_args()
    for n in CONTENDERS:
        run = large_run(n)
        start = time.process_time()
        html = comparison_page(run)
        seconds, left = (
            time.process_time() - start,
            re.search(r"The page is full.*? left out", html),
        )
        size = f"{len(html.encode()) / 1e6:.1f} MB"
        shown = opened(html) if asked.browser else ""
        print(f"{len(run.verdicts):,} verdicts: {size}, {seconds:.1f} s{shown}", flush=True)
        if left:
            print(f"  {left[0]}")


if __name__ == "__main__":
    main()
