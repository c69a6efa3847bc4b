"""A run whose every text tries to break the page that shows it."""

from __future__ import annotations

from sami_eval.core.types import Order, Prompt, Response, Verdict, Winner
from sami_eval.experiment.comparison_rows import comparison_row
from sami_eval.experiment.document import Document
from sami_eval.experiment.tallies import compare
from sami_eval.report.comparison_page import Run
from tests.documents import contender, document

LONG = 100_000
TEXTS = (
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 2</script><!--",
    '<img src=x onerror="window.hacked = 3"><svg onload="window.hacked = 4">',
    "[a link](javascript:window.hacked=5) ![a picture](https://example.org/x.png)",
    "<a href='javascript:window.hacked=6'>a</a> <iframe srcdoc='<script>top.hacked=7</script>'>",
    "\u202eright to left\u202c \u2028 \u2029 \x00 \ud800 \U0001f600 {{ 7 * 7 }} {% raw %}",
    "*" * LONG,
    "`" * LONG,
    "$" * LONG,
    "\\(" * (LONG // 2),
    "| " * (LONG // 2) + "\n|-|\n" + "|" * 100,
    "a" * LONG,
    "**bold *and `code` **" * (LONG // 20),
    "\n" * LONG,
    "$\\frac{" * (LONG // 7),
    "1. item\n" * (LONG // 8),
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1>'>",
    "$\\text{<script>window.hacked = 9</script>}$ $\\href{javascript:window.hacked=10}{x}$",
    "![p](data:image/svg+xml,<svg/onload=window.hacked=11>) [q]: javascript:window.hacked=12",
    "<svg></p><style><a id='</style><p style=position:fixed onclick=window.hacked=13>'>**unclosed",
    ">" * 5000 + "deep",
)
NAMES = ('<b>"one"</b>', "two' onclick='x()")
CATEGORY = '"><script>window.hacked = 8</script>'


def evil_run() -> Run:
    """One question for each text, the text in every place that a model or judge writes."""
    prompts = [
        Prompt(f"q{i}<i>", CATEGORY, (text, "And then?"), principles=(text[:200],))
        for i, text in enumerate(TEXTS)
    ]
    responses = [
        Response(prompt.id, name, (text, text), finished=(True, False), n_tokens=(None, None))
        for name in NAMES
        for prompt, text in zip(prompts, TEXTS, strict=True)
    ]
    verdicts = [
        _verdict(prompt.id, turn, first, text, winner)
        for prompt, text in zip(prompts, TEXTS, strict=True)
        for turn in (0, 1)
        for first, winner in (("a", "a"), ("b", ("a", "b", None)[len(text) % 3]))
    ]
    return Run(evil_document(prompts, responses, verdicts), prompts, responses, verdicts)


def _verdict(prompt_id: str, turn: int, first: Order, text: str, winner: Winner | None) -> Verdict:
    reason = text[:300] if winner is None else None
    names = "<judge>", *NAMES
    return Verdict(prompt_id, turn, *names, first, 0, winner, reason=reason, text=text)


def evil_document(
    prompts: list[Prompt], responses: list[Response], verdicts: list[Verdict]
) -> Document:
    """The run's figures as computed, its names as nasty as its texts."""
    half = len(responses) // 2
    found = compare(prompts, responses[:half], responses[half:], verdicts, names=NAMES)
    whole = document(comparison_row(found))
    whole["contenders"] = [contender(name) for name in NAMES]
    whole["command"] = TEXTS[1]
    return whole
