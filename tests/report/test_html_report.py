"""The HTML report: one file, nothing escapes from it, its figures are the document's."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.core.types import Prompt, Response
from sami_eval.report.comparison import categories
from sami_eval.report.comparison_facts import fact_rows
from sami_eval.report.comparison_glance import glance
from sami_eval.report.comparison_page import Run
from sami_eval.report.comparison_page import comparison_page as page
from sami_eval.report.html import PAGE, script_json
from sami_eval.report.room import room
from tests.documents import cells, comparison, document
from tests.evil import NAMES, TEXTS, evil_run
from tests.judgments import both_orders, prompts, responses, verdict


class Seen(HTMLParser):
    """Elements and attributes of a page, and its visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text.append(data)

    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def small_run() -> Run:
    asked = prompts("writing", "math")
    judged = [*both_orders("a", "a", "q1"), *both_orders("a", "b", "q2")]
    answers = [*responses("sami", 2), *responses("dpo", 2, words=9)]
    return Run(document(comparison("sami", "dpo")), asked, answers, judged)


def test_what_may_scroll_is_reached_by_keys_and_no_header_is_empty() -> None:
    html = page(small_run())
    seen = Seen(html)
    scrolling = [attrs for tag, attrs in seen.tags if attrs.get("class") == "scroll"]
    assert scrolling
    assert all(attrs.get("tabindex") == "0" and attrs.get("aria-label") for attrs in scrolling)
    headers = re.findall(r"<th[^>]*>(.*?)</th>", html, re.S)
    assert headers
    assert all(text.strip() for text in headers)


def test_the_length_strip_counts_outcomes_as_the_table_does() -> None:
    # q2: a and tie, a tie where both orders have to agree, three quarters where they are averaged.
    asked = prompts("writing", "math")
    judged = [*both_orders("a", "a", "q1"), *both_orders("a", "tie", "q2")]
    answers = [*responses("sami", 2, n_tokens=5), *responses("dpo", 2, n_tokens=9)]
    for rule, wins in (("conservative", 1), ("average", 2)):
        shown = {**document(comparison("sami", "dpo")), "rule": rule}
        seen = Seen(page(Run(shown, asked, answers, judged)))  # type: ignore[arg-type]
        dots = [str(attrs.get("class")).split() for tag, attrs in seen.tags if tag == "circle"]
        assert sum(kinds[:2] == ["dot", "faint"] and kinds[-1] == "a" for kinds in dots) == wins


def test_no_text_of_a_model_becomes_markup() -> None:
    seen = Seen(page(evil_run()))
    scripts = [attrs for tag, attrs in seen.tags if tag == "script"]
    assert [attrs.get("type") for attrs in scripts] == ["application/json", None]
    assert not [tag for tag, _ in seen.tags if tag in ("img", "iframe", "b", "i")]
    # Every attribute is the template's own: no handler, no address out of the page.
    handlers = [name for _, attrs in seen.tags for name in attrs if name.startswith("on")]
    assert handlers == []
    links = [attrs["href"] for tag, attrs in seen.tags if tag == "a"]
    assert links
    assert all(str(link).startswith("#read/") for link in links)


def test_the_script_never_parses_html() -> None:
    script = (PAGE / "report.js").read_text(encoding="utf-8")
    for way in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function("):
        assert way not in script


def test_the_policy_allows_only_what_stands_in_the_page() -> None:
    html = page(small_run())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    assert not re.search(r'(src|href)="(?!#)', html)
    assert " style=" not in html  # an inline style would be blocked


def test_texts_survive_the_way_into_the_page() -> None:
    html = page(evil_run())
    block = re.search(r'id="room-data">(.*?)</script>', html, re.DOTALL)
    assert block is not None
    data = json.loads(block[1])
    assert [prompt["turns"][0] for prompt in data["prompts"]] == list(TEXTS)
    assert data["answers"][NAMES[0]]["3"]["turns"] == [TEXTS[3], TEXTS[3]]


def test_no_mark_turns_the_writing_of_the_page_round() -> None:
    html = page(evil_run())
    assert not re.search("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", html)
    assert "\\u202eright to left\\u202c" in html
    script = (PAGE / "report.js").read_text(encoding="utf-8")
    assert "JSON.parse(source.textContent, (key, value)" in script  # the only way in


def test_json_cannot_close_its_script() -> None:
    assert script_json("</script>&\u2028") == '"\\u003c/script\\u003e\\u0026\\u2028"'


def test_every_figure_of_the_table_is_in_the_page() -> None:
    run = small_run()
    words = Seen(page(run)).words()
    for cell in cells(categories(run.document["comparisons"][0])):
        assert cell in words
    for label, text in fact_rows(run.document):
        assert label in words
        assert " ".join(text.split()) in words
    found = glance(run.document)
    assert all(text in words for text in (found.verdict, found.figure, *found.because))


def test_a_round_robin_has_a_ranking_and_every_pair() -> None:
    rows = [comparison("sami", "dpo"), comparison("sami", "sft", 0.01), comparison("dpo", "sft")]
    words = Seen(page(Run(document(*rows), [], [], []))).words()
    for pair in ("sami : dpo", "sami : sft", "dpo : sft"):
        assert pair in words
    # (68 + 42/2) / 160 = 55.6%, and the other way round 44.4%
    assert "sft 44.4% *" in words


def test_the_room_marks_what_a_reader_filters_by() -> None:
    asked = [Prompt("q1", "writing", ("?",)), Prompt("q2", "math", ("?",))]
    answers = [
        Response("q1", "sami", ("x" * 10,)),
        Response("q1", "dpo", ("x" * 15,)),
        Response("q2", "sami", ("x" * 10,)),
        Response("q2", "dpo", ("x" * 14,)),
    ]
    judged = [*both_orders("a", "b", "q1"), verdict("a", "a", "q2"), verdict(None, "b", "q2")]
    data = room(document(comparison("sami", "dpo")), asked, answers, judged)
    one, two = (item["turns"][0] for item in data["items"])
    assert (one["inconsistent"], one["unparsed"], one["longer"], one["outcome"]) == (
        True, False, True, 0.5
    )  # fmt: skip
    assert (two["inconsistent"], two["unparsed"], two["longer"], two["outcome"]) == (
        False, True, False, None
    )  # fmt: skip


def test_a_verdict_that_is_missing_has_a_line_of_its_own() -> None:
    run = small_run()
    judged = [*run.verdicts, verdict(None, "b", "q2", turn=1)]
    words = Seen(page(Run(run.document, run.prompts, run.responses, judged))).words()
    assert "1 of" in words
    assert "dpo : sami" in words


def test_show_writes_the_report_into_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sami_eval.experiment import runs
    from sami_eval.experiment.compare import files_of

    monkeypatch.chdir(tmp_path)
    run = small_run()
    folder = tmp_path / "runs" / "one"
    runs.claim(folder)
    files = files_of(run.prompts, run.responses, run.verdicts)
    runs.save(folder, runs.DOCUMENT, run.document, files)
    assert cli.run(["show", "one", "--html"]) == 0
    out = capsys.readouterr()
    assert out.err.strip().endswith("runs/one/report.html")
    assert "<!doctype html>" in (folder / "report.html").read_text(encoding="utf-8")
