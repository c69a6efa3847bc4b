"""The HTML report: one file, nothing escapes from it, its figures are the document's."""

from __future__ import annotations

import json
import re
import sys
import webbrowser
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core.terminal import visible
from sami_eval.core.types import Prompt, Response
from sami_eval.report import comparison_page, packed
from sami_eval.report.comparison import categories
from sami_eval.report.comparison_facts import fact_rows
from sami_eval.report.comparison_glance import glance
from sami_eval.report.comparison_page import Run
from sami_eval.report.comparison_page import comparison_page as page
from sami_eval.report.html import PAGE, SCRIPTS
from sami_eval.report.packed import unpack
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


@pytest.fixture(scope="module")
def evil() -> str:
    return page(evil_run())


def stored(html: str) -> tuple[dict[str, Any], list[Any]]:
    """The reading room's index, and its texts by number."""
    index = re.search(r'id="room-index">(.*?)</script>', html)
    assert index is not None
    pieces = re.findall(r'class="piece">(.*?)</script>', html)
    return unpack(index[1]), [row for piece in pieces for row in unpack(piece)]


def test_no_text_of_a_model_becomes_markup(evil: str) -> None:
    seen = Seen(evil)
    scripts = [attrs.get("type") for tag, attrs in seen.tags if tag == "script"]
    assert scripts[0] is None  # the page's own; the others are letters of base64
    assert set(scripts[1:]) == {"text/plain"}
    assert not [tag for tag, _ in seen.tags if tag in ("img", "iframe", "b", "i")]
    # Every attribute is the template's own: no handler, no address out of the page.
    handlers = [name for _, attrs in seen.tags for name in attrs if name.startswith("on")]
    assert handlers == []
    links = [attrs["href"] for tag, attrs in seen.tags if tag == "a"]
    assert len(links) > 1
    assert all(str(link).startswith("#read") for link in links)


def test_the_script_puts_no_html_on_the_page() -> None:
    script = "".join((PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    for way in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function("):
        assert way not in script
    # What it reads is read where nothing runs, and built anew of what is allowed.
    assert script.count("DOMParser") == 1
    assert "copy(new DOMParser().parseFromString" in script


def test_the_policy_allows_only_what_stands_in_the_page() -> None:
    html = page(small_run())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    assert not re.search(r'(src|href)="(?!#)', html)
    assert " style=" not in html  # an inline style would be blocked


def test_texts_survive_the_way_into_the_page(evil: str) -> None:
    index, texts = stored(evil)
    written = [row if isinstance(row, str) else row[0] for row in texts]
    shown = [visible(text) for text in TEXTS]
    assert [written[prompt["turns"][0]] for prompt in index["prompts"]] == shown
    assert index["answers"][NAMES[0]]["3"]["turns"] == index["prompts"][3]["turns"][:1] * 2


def test_a_text_is_stored_once_and_as_html_where_that_is_more_than_paragraphs() -> None:
    run = small_run()
    answers = [replace(one, turns=("**yes**", "plain")) for one in run.responses]
    _, texts = stored(page(replace(run, responses=answers)))
    assert texts.count(["**yes**", "<p><strong>yes</strong></p>"]) == 1
    assert texts.count("plain") == 1


def test_a_page_of_too_many_questions_has_the_first_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = small_run()
    monkeypatch.setattr(comparison_page, "MOST_READ", 1)
    html = page(run)
    assert "the first 1 of 2 questions" in Seen(html).words()
    index, _ = stored(html)
    assert [one["id"] for one in index["prompts"]] == [run.prompts[0].id]
    assert {one["prompt"] for one in index["items"]} == {0}


def test_a_page_that_is_full_says_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    run = small_run()
    said = [
        replace(one, text=f"{number}: clear" if one.prompt_id == "q1" else f"{number}: both")
        for number, one in enumerate(run.verdicts)
    ]
    monkeypatch.setattr(packed, "PIECE", 1)  # a piece a text
    pieces = re.findall(r'class="piece">(.*?)</script>', page(replace(run, verdicts=said)))
    room_for = sum(map(len, pieces[:-1]))
    monkeypatch.setattr(comparison_page, "packed", partial(packed.packed, most=room_for))
    html = page(replace(run, verdicts=said))
    index, texts = stored(html)
    assert len(texts) == index["kept"] == len(pieces) - 1
    assert f"1 of {len(pieces)} texts are left out" in Seen(html).words()
    # q2's orders disagree: its words are worth more than those of q1, second orders less.
    last = index["items"][0]["turns"][0]["verdicts"][1]
    assert last["text"] == index["kept"]


def test_no_mark_turns_the_writing_of_the_page_round(evil: str) -> None:
    turning = "[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
    assert not re.search(turning, evil)
    index, texts = stored(evil)
    assert not re.search(turning, json.dumps([index, texts], ensure_ascii=False))
    assert "\\\\u202eright to left\\\\u202c" in json.dumps(texts, ensure_ascii=False)


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
    given = Prompt("q2", "math", ("?",), history=("Hi.", "Hello."), checklist=("Polite?",))
    asked = [Prompt("q1", "writing", ("?",)), given]
    answers = [
        Response("q1", "sami", ("x" * 10,)),
        Response("q1", "dpo", ("x" * 15,)),
        Response("q2", "sami", ("x" * 10,)),
        Response("q2", "dpo", ("x" * 14,)),
    ]
    judged = [*both_orders("a", "b", "q1"), verdict("a", "a", "q2"), verdict(None, "b", "q2")]
    data, _ = room(document(comparison("sami", "dpo")), asked, answers, judged)
    assert [len(one["history"]) for one in data["prompts"]] == [0, 2]
    assert data["prompts"][1]["checklist"] == ["Polite?"]
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
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: shown.append(address) or True)
    monkeypatch.setenv("DISPLAY", ":0")
    assert cli.run(["show", "one", "--open"]) == 0
    assert shown == [(folder / "report.html").as_uri()]
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert cli.run(["show", "one", "--open"]) == 0
    assert len(shown) == 1
    assert "open the file by hand" in capsys.readouterr().err
