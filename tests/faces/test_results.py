"""What a face returns: the document, and all the ways in which it shows itself."""

from __future__ import annotations

import copy
import json
import webbrowser
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import sami_eval
from sami_eval.core.errors import UsageError
from sami_eval.experiment.document import Document
from sami_eval.faces.result import Result
from sami_eval.report.formats.fragment import fragment
from sami_eval.report.table import Facts, Lines, Report
from tests.records import vote, write_records, write_rows
from tests.report.test_forms import HOSTILE, RESULTS, TABLE, agreed
from tests.report.test_passk_console import FOUR

WORST = '<script>alert(1)</script>" onload="x"\x1b[31m\u202e\ud800'


class Tags(HTMLParser):
    """The tags of a fragment, each closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def compared(folder: Path) -> Result[Document]:
    """Twenty questions; a program prefers the shorter answer, so `a` wins each."""
    write_records(folder, 20, a=1, long=10)
    (folder / "judges").mkdir()
    judge = 'name = "short"\nkind = "program"\nprogram = "short:compare"\n'
    (folder / "judges" / "short.toml").write_text(judge)
    code = "def compare(prompt, turn, a, b):\n"
    code += "    return 'a' if len(a.turns[turn]) < len(b.turns[turn]) else 'b'\n"
    (folder / "judges" / "short.py").write_text(code)
    return sami_eval.compare(
        Path("a.jsonl"), "long.jsonl", prompts="q.jsonl", judge="short", progress=None
    )


def test_a_result_is_the_document_of_the_run(compared: Result[Document]) -> None:
    saved = json.loads((compared.place / "comparison.json").read_text())
    assert compared == saved
    assert compared.document["comparisons"][0]["win_rate"] == 1.0
    assert json.loads(json.dumps(compared)) == saved
    assert copy.deepcopy(compared).place == compared.place


def test_a_result_prints_its_tables_and_what_they_mean(compared: Result[Document]) -> None:
    lines = str(compared).splitlines()
    assert lines[0] == compared.verdict
    assert any(line.startswith("q.jsonl · 20 questions, 40 turns · judge short") for line in lines)
    assert max(map(len, lines)) <= 80
    assert "saved" not in str(compared)
    assert f"saved{' ' * 17}{compared['run']}" in compared.text()


def test_a_short_text_leaves_out_no_warning() -> None:
    warned: Any = {**FOUR, "warnings": ["the adapter is older than its base"]}
    assert "the adapter is older than its base" in repr(Result(warned))


def test_a_data_frame_has_the_whole_and_the_categories(compared: Result[Document]) -> None:
    frame = compared.to_pandas()
    assert list(frame["category"]) == ["all", "b", "a"]
    whole = frame.iloc[0]
    assert (whole["a"], whole["b"], whole["n_questions"], whole["wins"]) == ("a", "long", 20, 40)
    low, high = compared["comparisons"][0]["interval"]
    assert (whole["win_rate"], whole["low"], whole["high"]) == (1.0, low, high)


def test_a_data_frame_of_questions_has_a_row_each(compared: Result[Document]) -> None:
    frame = compared.to_pandas("questions")
    assert list(frame["question_id"]) == [str(i) for i in range(1, 21)]
    assert set(frame["score"]) == {1.0}


@pytest.mark.parametrize("found", [one for one, _ in RESULTS.values()], ids=RESULTS)
def test_every_kind_of_result_has_a_frame_a_text_and_a_fragment(found: Any) -> None:
    result = Result(found)
    assert len(result.to_pandas()) > 0
    shown = Tags(result._repr_html_())
    assert shown.open == []
    assert "script" not in shown.seen
    assert (result.verdict is None) == (result["schema"] == "sami-eval/reproduction/1")
    assert max(map(len, repr(result).splitlines())) <= 80


def test_a_frame_of_passk_has_every_measure_at_every_k() -> None:
    frame = Result(FOUR).to_pandas()
    assert list(frame["k"]) == FOUR["ks"] * len(FOUR["contenders"])
    first = FOUR["contenders"][0]["maj_at_k"][str(FOUR["ks"][0])]
    got = frame.iloc[0][["maj_at_k", "maj_at_k_low", "maj_at_k_high"]]
    assert list(got) == [first["value"], *first["interval"]]
    assert {"pass_at_k", "pass_hat_k", "g_pass_at_k"} <= {*frame}


def test_rows_that_there_are_none_of_are_named() -> None:
    with pytest.raises(UsageError, match="no rows `verdicts`") as caught:
        Result(FOUR).to_pandas("verdicts")
    assert caught.value.hint == "it has contenders, differences, every_k"
    with pytest.raises(UsageError) as caught:
        Result(FOUR).to_pandas("diferences")
    assert caught.value.hint == "did you mean `differences`?"


def test_a_fragment_holds_no_name_that_is_more_than_a_name() -> None:
    report: Report = [[Lines((WORST,), "bold red"), Facts(((WORST, WORST),)), TABLE]]
    shown = fragment(report)
    tags = Tags(shown)
    assert tags.open == []
    assert tags.seen <= {"div", "p", "details", "summary", "table", "thead", "tbody", "tr", "th",
                         "td"}  # fmt: skip
    assert tags.attributes == {"style"}
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    shown.encode()
    assert "&lt;b&gt;" in Result(agreed(HOSTILE))._repr_html_()


def test_a_saved_result_is_shown_again(compared: Result[Document], folder: Path) -> None:
    assert sami_eval.show(compared.save("kept/found.json")) == compared
    assert sami_eval.show() == compared
    assert sami_eval.show(compared.place).place == compared.place


def test_a_page_is_written_and_opened(
    compared: Result[Document], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert compared.open() == compared.place / "report.html"
    assert opened == [(compared.place / "report.html").resolve().as_uri()]
    assert compared.html("mine/page.html").read_text().startswith("<!doctype html>")
    with pytest.raises(UsageError, match="in no folder") as caught:
        Result(agreed()).html()
    assert 'result.html("page.html")' in caught.value.hint


def test_a_page_of_a_file_of_verdicts_is_refused(compared: Result[Document], folder: Path) -> None:
    lines = (compared.place / "verdicts.jsonl").read_text()
    Path("verdicts.jsonl").write_text(lines)
    shown = sami_eval.show("verdicts.jsonl")
    assert shown["comparisons"][0]["win_rate"] == 1.0
    for asked in (shown.html, lambda: shown.to_pandas("questions")):
        with pytest.raises(UsageError):
            asked()


def test_agreement_and_votes_are_read_from_python(compared: Result[Document], folder: Path) -> None:
    sides = {"model_a": "a", "model_b": "long"}
    people = [vote(i, "model_a" if i < 16 else "model_b", **sides) for i in range(1, 21)]
    votes = write_rows("votes.jsonl", *people)
    found = sami_eval.agreement(compared.place, votes=votes)
    assert found["judge_with_people"]["with_ties"]["agreement"] == 0.75
    assert found.to_pandas().iloc[0]["value"] == 0.75
    corrected = sami_eval.show(compared.place, votes=votes)
    assert corrected["comparisons"][0]["corrected"]["people_win_rate"] == 0.75
    with pytest.raises(UsageError, match="nothing was judged"):
        sami_eval.show(found.save("agreement.json"), votes=votes)


def test_what_the_command_fails_for_is_a_warning(folder: Path) -> None:
    write_records(folder, 4)
    (folder / "judges").mkdir()
    judge = 'name = "mute"\nkind = "program"\nprogram = "mute:compare"\n'
    (folder / "judges" / "mute.toml").write_text(judge)
    (folder / "judges" / "mute.py").write_text(
        "def compare(prompt, turn, a, b):\n    return None, 'no idea'\n"
    )
    write_rows("two.jsonl", *({"prompt_id": str(i), "model": "two", "turns": ["x", "y"]}
                              for i in range(1, 5)))  # fmt: skip
    with pytest.warns(UserWarning, match="have no verdict, more than 2%: sami-eval show"):
        found = sami_eval.compare("one.jsonl", "two.jsonl", prompts="q.jsonl", judge="mute")
    assert found["comparisons"][0]["win_rate"] is None


def test_a_result_has_its_verdict_in_a_sentence(compared: Result[Document]) -> None:
    assert compared.verdict is not None
    assert compared.verdict.startswith("a is better than long")
    assert compared.glance is not None
    assert compared.glance.state == "better"


def test_contrasts_of_pairs_are_returned_and_lie_where_they_were_asked_to(folder: Path) -> None:
    pairs = [{"prompt": f"{n}?", "chosen": f"yes {n}", "rejected": "no"} for n in range(3)]
    found = sami_eval.contrast(from_pairs=write_rows("pairs.jsonl", *pairs), out="c.jsonl")
    assert found.path == Path("c.jsonl")
    assert found.summary.n == len(found.contrasts) == 3
    assert repr(found).splitlines()[0] == "3 of 3 contrasts accepted"
    assert repr(found).splitlines()[-1] == "saved c.jsonl"
    with pytest.raises(UsageError, match="with `--from-pairs`"):
        sami_eval.contrast(from_pairs="pairs.jsonl", n=3, out="d.jsonl")
