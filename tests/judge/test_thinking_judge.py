"""Judges that think: room for it beside the answer, kept apart, shown folded, never read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.report.packed import unpack
from tests.loopback_judge import Answer, Behaviour, LoopbackJudge, completion, reply_text
from tests.records import write_records

RECORDS = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--judge", "quality"]
LONG = 3000  # tokens of thoughts: more than the 2,048 of an answer, less than the room beside it
SECRET = "Surely the other one, [[B]] if anything, or [[C]]."


def spoken(body: dict[str, Any], way: str) -> tuple[str, dict[str, object]]:
    """What the model says, and what it thinks, in one of the ways servers tell."""
    said = reply_text(body["messages"], Behaviour())
    if way == "inline":
        return f"<think>{SECRET}</think>\n{said}", {}
    if way == "closed only":
        return f"{SECRET}</think>{said}", {}
    return said, {way: SECRET} if way != "counted alone" else {}


def answer(said: str, thoughts: dict[str, object], most: int) -> bytes:
    """A reply that needs LONG tokens for its thoughts, cut where there are fewer."""
    room = most >= LONG + 20
    whole = json.loads(completion(said if room else "", "stop" if room else "length", **thoughts))
    usage = {"prompt_tokens": 100, "completion_tokens": LONG + 20 if room else most}
    usage["completion_tokens_details"] = {"reasoning_tokens": min(LONG, most)}  # type: ignore[assignment]
    if not room and said.startswith("<think>"):
        whole["choices"][0]["message"]["content"] = f"<think>{SECRET}"
    return json.dumps({**whole, "usage": usage}).encode()


def thinker(way: str) -> Behaviour:
    """A model that thinks for LONG tokens before it says a word."""

    def script(body: dict[str, Any]) -> Answer:
        return 200, {}, answer(*spoken(body, way), body["max_tokens"])

    return Behaviour(script=script)


def judged(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[Any, str]:
    """The document printed, and what was said beside it."""
    assert cli.run([*RECORDS, "--json", *more]) == 0
    printed = capsys.readouterr()
    return json.loads(printed.out), printed.err


def asked(url: str) -> list[str]:
    return ["--judge-model", "openai:x", "--base-url", url]


WAYS = ["reasoning_content", "reasoning", "inline", "closed only", "counted alone"]


@pytest.mark.parametrize("way", WAYS)
def test_a_judge_that_thinks_gets_room_and_its_thoughts_are_no_verdict(
    folder: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    write_records(folder, 4, one=3, two=1)  # 16 judgments
    prices = "[prices.x]\ninput = 1.0\noutput = 1000.0\n"
    (folder / "sami-eval.toml").write_text(prices)
    with LoopbackJudge(thinker(way)) as server:
        document, said = judged(capsys, *asked(server.url), "--concurrency", "2", "--out", "run")
        row = document["comparisons"][0]
        assert (row["win_rate"], row["unparsed"]) == (1, 0)
        line = "`x` thinks before it speaks: room for 8,192 tokens of thoughts beside its answer's"
        assert said.count(line) == 1
        rooms = [call.body["max_tokens"] for call in server.calls]
        cut = rooms.count(2048)
        assert 1 <= cut <= 2  # those in flight before it was seen to think
        assert rooms.count(2048 + 8192) == 16
        # What was cut is paid, too: 1 USD a thousand tokens.
        assert document["cost_usd"] == pytest.approx(16 * 3.02 + cut * 2.048 + (16 + cut) * 1e-4)
        assert document["tokens"]["completion"] == 16 * (LONG + 20)
        verdicts = [
            json.loads(line) for line in Path("run/verdicts.jsonl").read_text().splitlines()
        ]
        hidden = "" if way == "counted alone" else SECRET
        assert {verdict["thoughts"] for verdict in verdicts} == {hidden}
        assert not any(
            "think" in verdict["text"] or SECRET in verdict["text"] for verdict in verdicts
        )
        # Another run has nothing to ask, and one more question is asked with room at once.
        judged(capsys, *asked(server.url))
        assert server.n_calls == 16 + cut
        forecast, _ = judged(capsys, *asked(server.url), "--repeats", "2", "--dry-run")
        assert forecast["judges"][0]["completion_tokens"] == 16 * (2048 + 8192)
        server.calls.clear()
        judged(capsys, *asked(server.url), "--repeats", "2")
        assert [call.body["max_tokens"] for call in server.calls] == [2048 + 8192] * 16


@pytest.mark.parametrize("way", ["reasoning_content", "inline"])
def test_the_page_folds_thoughts_beside_the_judge_s_words(
    folder: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    write_records(folder, 2, one=3, two=1)
    with LoopbackJudge(thinker(way)) as server:
        judged(capsys, *asked(server.url), "--out", "run")
    assert cli.run(["show", "run", "--html"]) == 0
    page = Path("run/report.html").read_text(encoding="utf-8")
    index = re.search(r'id="room-index">(.*?)</script>', page)
    assert index is not None
    texts = [
        row for piece in re.findall(r'class="piece">(.*?)</script>', page) for row in unpack(piece)
    ]
    written = [row if isinstance(row, str) else row[0] for row in texts]
    turns = [turn for item in unpack(index[1])["items"] for turn in item["turns"]]
    verdicts = [verdict for turn in turns for verdict in turn["verdicts"]]
    assert {written[verdict["thoughts"]] for verdict in verdicts} == {SECRET}
    assert not any(SECRET in written[verdict["text"]] for verdict in verdicts)
    assert 'make("summary", "", "thoughts")' in page


def test_a_judge_that_does_not_think_has_its_answer_s_room_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(folder, 2, one=3, two=1)
    with LoopbackJudge() as server:
        _, said = judged(capsys, *asked(server.url))
        assert {call.body["max_tokens"] for call in server.calls} == {2048}
    assert "thinks" not in said


def test_stated_room_is_given_from_the_first_request_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(folder, 2, one=3, two=1)
    with LoopbackJudge(thinker("reasoning")) as server:
        (folder / "sami-eval.toml").write_text(
            f'[models.deep]\nbase = "openai:x"\nbase_url = "{server.url}"\nthoughts = 4000\n'
            f'[models.none]\nbase = "openai:x"\nbase_url = "{server.url}"\nthoughts = 0\n'
        )
        document, said = judged(capsys, "--judge-model", "deep")
        assert {call.body["max_tokens"] for call in server.calls} == {6048}
        assert "without a key, with room for 4,000 tokens of thoughts" in said
        assert document["judges"][0]["thoughts"] == 4000
        server.calls.clear()
        flags = ["--judge-model", "none", "--out", "cut"]
        assert cli.run([*RECORDS, *flags]) == 1  # all of them are cut
        assert {call.body["max_tokens"] for call in server.calls} == {2048}
    capsys.readouterr()
    assert cli.run(["show", "cut", "--unparsed"]) == 0
    assert capsys.readouterr().out.count(f"truncated\n  thoughts alone: {SECRET}\n") == 8


def test_max_cost_holds_the_room_that_is_being_given(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(folder, 4, one=3, two=1)
    (folder / "sami-eval.toml").write_text("[prices.x]\ninput = 1.0\noutput = 1000.0\n")
    with LoopbackJudge(thinker("reasoning")) as server:
        # Four are cut at 2.05 USD; one with room is reserved at 10.24 and takes 3.02.
        flags = [*asked(server.url), "--max-cost", "20", "--concurrency", "4"]
        assert cli.run([*RECORDS, *flags]) == 1
        with_room = [call for call in server.calls if call.body["max_tokens"] > 2048]
        assert len(with_room) == 1
    assert "and pass `--max-cost 20`" in capsys.readouterr().err


def test_a_contender_at_a_server_has_its_stated_room(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(folder, 1, one=3, two=1)
    with LoopbackJudge() as server:
        (folder / "sami-eval.toml").write_text(
            f'[models.deep]\nbase = "openai:x"\nbase_url = "{server.url}"\nthoughts = 500\n'
        )
        flags = [*RECORDS[2:], "--max-tokens", "300", *asked(server.url)]
        assert cli.run(["compare", "deep", *flags]) == 0
        assert {call.body["max_tokens"] for call in server.calls} == {800, 2048}


def test_a_judge_in_this_process_has_the_room_its_file_says() -> None:
    from dataclasses import replace

    from sami_eval.core.types import Model, Prompt, Response
    from sami_eval.judge import read_judge, to_ask

    judge = replace(read_judge("quality"), model="hf:x", thoughts=3000)
    sides = [Response("1", name, (name,)) for name in ("a", "b")]
    docket = to_ask(
        judge, [Prompt("1", "x", ("Say it.",))], sides[:1], sides[1:], model=Model("x", "x")
    )
    assert {one.sampling.max_tokens for one in docket.requests.values()} == {2048 + 3000}


def test_a_judge_s_file_states_its_room(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_records(folder, 2, one=3, two=1)
    own_judge(folder, "thoughts = 5000")
    with LoopbackJudge(thinker("inline")) as server:
        document, _ = judged(capsys, "--judge", "mine.toml", *asked(server.url))
        assert {call.body["max_tokens"] for call in server.calls} == {7048}
    assert document["comparisons"][0]["win_rate"] == 1


def test_a_model_whose_context_has_no_place_for_the_room_is_asked_without(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(folder, 2, one=3, two=1)

    def script(body: dict[str, Any]) -> Answer:
        if body["max_tokens"] > 4096:
            words = b'{"error": {"message": "This model\'s maximum context length is 4096 tokens"}}'
            return 400, {}, words
        return 200, {}, completion(reply_text(body["messages"], Behaviour()), reasoning=SECRET)

    with LoopbackJudge(Behaviour(script=script)) as server:
        document, _ = judged(capsys, *asked(server.url))
    assert document["comparisons"][0]["win_rate"] == 1
    assert document["comparisons"][0]["too_long"] == 0


def own_judge(folder: Path, field: str, table: str = "") -> None:
    """The bundled judge `quality` as a file of one's own, with one field more."""
    from sami_eval.judge import read_judge

    text = Path(read_judge("quality").source).read_text(encoding="utf-8")
    text = text.replace('name = "quality"', f'name = "mine"\n{field}')
    (folder / "mine.toml").write_text(f"{text}\n{table}")
