"""Servers that say no in their own words, and replies that are no answer: by the command."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from tests.loopback_judge import Answer, Behaviour, LoopbackJudge, completion, error
from tests.records import write_rows

Script = Callable[[dict[str, Any]], Answer | None]
VERDICT = completion("The first is better. [[A]]")
PRICES = "[prices.m]\ninput = 2.0\noutput = 10.0\n"
N_CALLS = 12  # 3 questions x 2 turns x 2 orders


@pytest.fixture(autouse=True)
def folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789")
    write_rows(
        "q.jsonl",
        *(
            {"question_id": i, "category": "writing", "turns": [f"q{i}?", "and?"]}
            for i in (1, 2, 3)
        ),
    )
    for name in ("one", "two"):
        rows: list[dict[str, object]] = [
            {"prompt_id": str(i), "model": name, "turns": [f"{name} {i}", f"{name} again {i}"]}
            for i in range(1, 4)
        ]
        write_rows(f"{name}.jsonl", *rows)
    write_rows("p.jsonl", *({"question": f"{i} + 13?", "answer": "#### 18"} for i in (5, 6)))
    Path("sami-eval.toml").write_text(PRICES)
    return folder


def judged(server: LoopbackJudge, *more: str) -> int:
    asked = ["--judge", "quality", "--judge-model", "openai:m", "--base-url", server.url]
    return cli.run(["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", *asked, *more])


def answered(server: LoopbackJudge, *more: str) -> int:
    """A contender at the server, judged there too, where the judge's template is seen."""
    asked = ["--judge", "quality", "--judge-model", "openai:m", "--base-url", server.url]
    return cli.run(["compare", "openai:m", "two.jsonl", "--prompts", "q.jsonl", *asked, *more])


def sampled(server: LoopbackJudge, *more: str) -> int:
    asked = ["--k", "1,2", "--samples", "2", "--base-url", server.url]
    return cli.run(["passk", "openai:m", "--prompts", "p.jsonl", *asked, *more])


def rows_of(name: str) -> list[dict[str, Any]]:
    """The rows of a file of the only run that has it."""
    lines = next(Path("runs").glob(f"*/{name}.jsonl")).read_text().splitlines()
    return [json.loads(line) for line in lines]


def is_judging(body: dict[str, Any]) -> bool:
    return "<<<" in body["messages"][-1]["content"]


def says(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Behaviour:
    return Behaviour(script=lambda _: (status, headers or {}, body))


def saying(text: str | None, finish: str | None = "stop", **message: object) -> bytes:
    row = json.loads(completion(text or "", finish or "", None, **message))
    row["choices"][0]["message"]["content"] = text
    row["choices"][0]["finish_reason"] = finish
    return json.dumps(row).encode()


def refusing(name: str, status: int, body: object) -> Script:
    """Refuses what has a parameter; "system": a system message."""

    def script(asked: dict[str, Any]) -> Answer | None:
        system = name == "system" and asked["messages"][0]["role"] == "system"
        if name in asked or system:
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            return status, {}, text
        return 200, {}, VERDICT

    return script


REFUSALS = {
    "a list with an error": (
        "temperature",
        400,
        [{"error": {"message": 'Unknown name "temperature"'}}],
    ),
    "a place in a detail": (
        "temperature",
        422,
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "temperature"], "msg": "no"}]},
    ),
    "a detail inside a message": (
        "max_tokens",
        422,
        {"message": {"detail": [{"loc": ["body", "max_tokens"], "msg": "Extra inputs"}]}},
    ),
    "a plain text": ("temperature", 400, b"argument temperature: cannot be chosen here"),
    "an error that is a text": ("temperature", 422, {"error": "`temperature` unknown"}),
    "a page": ("temperature", 400, b"<html><body><p>Bad field: temperature</p></body></html>"),
    "forbidden": ("temperature", 403, {"error": {"message": "temperature is not for this model"}}),
    "a name in another spelling": ("max_tokens", 400, {"error": {"message": "maxTokens: unknown"}}),
    "a list of what it knows": (
        "temperature",
        400,
        {"detail": "unknown field temperature; known: model, messages, top_k, max_tokens"},
    ),
    "a quoted error": (
        "temperature",
        400,
        {"error": {"message": 'wrapped: {"error": {"message": "no temperature"}}'}},
    ),
    "a system message": ("system", 400, {"message": "System role not supported"}),
    "a name that is a key": ("temperature", 400, {"fieldErrors": {"temperature": ["no"]}}),
    "a conflict": ("temperature", 409, {"error": {"message": "temperature: conflict"}}),
    "a crash": ("temperature", 500, {"error": {"message": "unexpected keyword 'temperature'"}}),
    "a crash of a template": ("system", 500, {"error": {"message": "System role not supported"}}),
    "roles": ("system", 400, {"error": {"message": "Conversation roles must alternate"}}),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_a_server_refuses_by_name_is_left_out_and_said_once(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parameter, status, body = REFUSALS[name]
    with LoopbackJudge(Behaviour(script=refusing(parameter, status, body))) as server:
        assert judged(server, "--concurrency", "1") == 0
        assert server.n_calls == N_CALLS + 1
        assert judged(server) == 0  # what was asked otherwise is found again
        assert server.n_calls == N_CALLS + 1
    err = capsys.readouterr().err
    word = "a system message" if parameter == "system" else f"`{parameter}`"
    assert err.count(f"`m` does not take {word}") == 1
    last = server.calls[-1].body
    if parameter == "system":
        assert [message["role"] for message in last["messages"]] == ["user"]
        assert "judge" in last["messages"][0]["content"]
    assert ("max_completion_tokens" in last) == (parameter == "max_tokens")


def test_an_echo_of_the_request_names_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    echo = {"detail": [{"loc": ["body"], "msg": "no luck", "input": {"temperature": 0}}]}
    with LoopbackJudge(says(json.dumps(echo).encode(), 422)) as server:
        assert judged(server, "--concurrency", "1") == 1
    assert server.n_calls == 3
    assert "does not take" not in capsys.readouterr().err


def test_the_words_of_a_conversation_that_a_refusal_repeats_name_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    turns = ["What do seed, temperature and max_tokens of 256 do to a model?"]
    questions = [{"question_id": i, "category": "x", "turns": turns} for i in (1, 2, 3)]
    write_rows("q.jsonl", *questions)
    for name in ("one", "two"):
        rows = [{"prompt_id": str(i), "model": name, "turns": [f"{name} {i}"]} for i in (1, 2, 3)]
        write_rows(f"{name}.jsonl", *rows)

    def script(asked: dict[str, Any]) -> Answer:
        return 400, {}, error("Sorry, not this: " + asked["messages"][-1]["content"])

    with LoopbackJudge(Behaviour(script=script)) as server:
        assert judged(server, "--concurrency", "1") == 1
        assert all(call.body["max_tokens"] == 2048 for call in server.calls)
    assert all("temperature" in call.body for call in server.calls)
    printed = capsys.readouterr()
    assert "does not take" not in printed.err
    assert "takes at most" not in printed.err


def test_a_crash_that_says_system_is_no_refusal_of_a_role(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("random.uniform", lambda *_: 0.0)
    with LoopbackJudge(says(error("internal system error, stop"), 500)) as server:
        assert judged(server, "--concurrency", "1") == 1
    assert all(call.body["messages"][0]["role"] == "system" for call in server.calls)
    assert "internal system error" in capsys.readouterr().err


def test_a_temperature_that_must_be_positive_is_the_smallest_one() -> None:
    def script(asked: dict[str, Any]) -> Answer:
        if asked["temperature"] <= 0:
            return 422, {}, b'{"error": "`temperature` must be strictly positive"}'
        return 200, {}, VERDICT

    with LoopbackJudge(Behaviour(script=script)) as server:
        assert judged(server) == 0
    assert 0 < server.calls[-1].body["temperature"] <= 0.01


def test_top_p_beside_a_temperature_is_left_out_before_it() -> None:
    def script(asked: dict[str, Any]) -> Answer:
        if "top_p" in asked:
            return 400, {}, error("`temperature` and `top_p` cannot both be specified")
        return 200, {}, completion("The answer is 18.")

    with LoopbackJudge(Behaviour(script=script)) as server:
        assert sampled(server, "--top-p", "0.9") == 0
    assert {"temperature"} <= server.calls[-1].body.keys()


def test_what_says_nothing_is_not_sent() -> None:
    with LoopbackJudge(says(completion("The answer is 18."))) as server:
        assert sampled(server, "--top-p", "1") == 0
    drawn = [call.body for call in server.calls if call.body["temperature"] > 0]
    greedy = [call.body for call in server.calls if call.body["temperature"] == 0]
    assert drawn
    assert greedy
    assert not any("top_p" in body for body in drawn + greedy)
    assert not any("seed" in body for body in greedy)


@pytest.mark.parametrize(
    "words",
    [
        "max_tokens is too large: {}. This model supports at most 256 completion tokens.",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 256]",
        "maxOutputTokens must be in the range from 1 (inclusive) to 257 (exclusive)",
        "max_tokens must be less than 257",
        "Invalid 'max_tokens': integer above maximum value. Expected a value <= 256, but got {}.",
        "Value {} for max_tokens is out of range 1..256",
        "`max_tokens` must be less than or equal to `256`, the maximum value for `max_tokens` is "
        "less than the `context_window` for this model",
    ],
)
def test_a_smaller_limit_is_taken_from_the_servers_words(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(asked: dict[str, Any]) -> Answer:
        if asked["max_tokens"] > 256:
            return 400, {}, error(words.format(asked["max_tokens"]), param="max_tokens")
        return 200, {}, VERDICT

    with LoopbackJudge(Behaviour(script=script)) as server:
        assert judged(server, "--concurrency", "1") == 0
        assert judged(server) == 0
    assert server.n_calls == N_CALLS + 1
    assert capsys.readouterr().err.count("`m` takes at most 256 tokens of answer") == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><title>400 Bad Request</title></html>", "400 Bad Request"),
        (b'["nothing doing"]', "nothing doing"),
        (b'{"detail": "the moon is full"}', "the moon is full"),
        (b'{"error": {"message": "request 123 is odd"}}', "request 123 is odd"),
        (b"", "status 400"),
    ],
)
def test_a_refusal_of_three_requests_in_a_row_ends_the_run_in_its_words(
    body: bytes, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(says(body, 400)) as server:
        assert judged(server, "--concurrency", "1") == 1
    assert server.n_calls == 3
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


def test_a_redirect_is_named_and_not_followed(capsys: pytest.CaptureFixture[str]) -> None:
    to = {"Location": "http://me:hunter2@elsewhere/v1?key=abc"}
    for status in (301, 302, 307, 308):
        with LoopbackJudge(says(b"", status, to)) as server:
            assert judged(server, "--concurrency", "1") == 1
        assert server.n_calls == 1
        err = capsys.readouterr().err
        assert f"answers {status}" in err
        assert "elsewhere" in err
        assert "hunter2" not in err
        assert "abc" not in err


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, error("Content Exists Risk")),
        (400, error("Input data may contain inappropriate content.", "data_inspection_failed")),
        (400, error("x", "content_filter")),
        (403, error("Your input was flagged by moderation")),
        (200, saying("The first [[A]]", "SAFETY")),
        (200, saying("The first [[A]]", "content_filter: PROHIBITED_CONTENT")),
        (200, saying("The first [[A]]", "refusal")),
        (200, b'{"choices": [], "promptFeedback": {"blockReason": "SAFETY"}}'),
        (200, b'{"choices": [{"index": 0, "finish_reason": "content_filter"}]}'),
    ],
)
def test_every_vendors_filter_is_a_content_filter(
    status: int, body: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(says(body, status)) as server:
        assert judged(server, "-q") == 1
    assert server.n_calls == N_CALLS
    assert "12 of 12 judgments have no verdict" in capsys.readouterr().err
    rows = rows_of("verdicts")
    assert {row["reason"] for row in rows} == {"content filter"}


UNENDING = ["error", "abort", "insufficient_system_resource", "something new", "unknown"]
UNREADABLE = ["长度", 2, {"type": "length"}]  # not in our letters, or in no letters at all


@pytest.mark.parametrize("ending", [*UNENDING, *UNREADABLE])
def test_an_answer_that_was_broken_off_is_asked_again_and_never_kept(ending: Any) -> None:
    asked: dict[str, int] = {}

    def script(body: dict[str, Any]) -> Answer:
        n = asked[str(body)] = asked.get(str(body), 0) + 1
        return 200, {}, saying("The first [[B]] but wai", ending) if n == 1 else VERDICT

    with LoopbackJudge(Behaviour(script=script)) as server:
        assert judged(server) == 0
    assert server.n_calls == 2 * N_CALLS
    rows = rows_of("verdicts")
    assert all("[[A]]" in row["text"] for row in rows)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"code": 502, "message": "upstream died"}}',
        b'{"choices": [{"finish_reason": "stop", "error": {"message": "upstream died"}, '
        b'"message": {"content": "The first [[A]]"}}]}',
        b'{"errors": [{"message": "upstream died"}], "choices": [{"finish_reason": "stop", '
        b'"message": {"content": "The first [[A]]"}}]}',
        b'{"choices": [{"finish_reason": "stop", "message": {"content": "The first [[A]]", '
        b'"error": "upstream died"}}]}',
    ],
)
def test_an_error_inside_a_reply_is_no_reply(
    body: bytes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with LoopbackJudge(says(body)) as server:
        monkeypatch.setattr("random.uniform", lambda *_: 0.0)
        assert judged(server) == 1
    assert "upstream died" in capsys.readouterr().err


@pytest.mark.parametrize(
    "ending", ["stop", "STOP", "eos", "end_turn", "stop_sequence", "FinishReason.STOP", None]
)
def test_every_known_ending_is_an_ending(ending: str | None) -> None:
    with LoopbackJudge(says(saying("It is A. [[A]]", ending))) as server:
        assert judged(server) == 0
    assert server.n_calls == N_CALLS


@pytest.mark.parametrize("ending", ["length", "MAX_TOKENS", "max_length", "model_length"])
def test_every_word_for_a_cut_is_a_cut(ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    with LoopbackJudge(says(saying("I would say that", ending))) as server:
        assert judged(server, "-q") == 1
    rows = rows_of("verdicts")
    assert {row["reason"] for row in rows} == {"truncated"}


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "output_text", "text": "It is A. [[A]]"}],
        [{"type": "thinking", "thinking": "B? [[B]]"}, {"type": "text", "text": "It is A. [[A]]"}],
        [{"type": "text", "text": {"value": "It is A. [[A]]"}}],
        ["It is A. ", "[[A]]"],
        {"type": "text", "text": "It is A. [[A]]"},
        [{"text": "B? [[B]]", "thought": True}, {"text": "It is A. [[A]]"}],
        [
            {"type": "reasoning.text", "text": "B? [[B]]"},
            {"type": "text", "text": "It is A. [[A]]"},
        ],
        [{"type": "text", "text": "It is A. [[A]]"}, {"type": "tool_result", "content": "[[B]]"}],
    ],
)
def test_text_is_read_in_whichever_part_it_comes(content: Any) -> None:
    with LoopbackJudge(says(saying(content))) as server:
        assert judged(server) == 0
    rows = rows_of("verdicts")
    assert {row["text"] for row in rows} == {"It is A. [[A]]"}


def test_an_ending_under_its_other_name_is_read() -> None:
    row = json.loads(saying("I say [[A]] but", None))
    del row["choices"][0]["finish_reason"]
    row["choices"][0]["stop_reason"] = "max_tokens"
    with LoopbackJudge(says(json.dumps(row).encode())) as server:
        assert judged(server) == 1
    assert {row["reason"] for row in rows_of("verdicts")} == {"truncated"}


@pytest.mark.parametrize(
    "before", [b": PROCESSING\n\n: PROCESSING\n\n", b"\xef\xbb\xbf", b"\n \n", b"data: "]
)
def test_a_body_behind_comment_lines_or_a_mark_is_read(before: bytes) -> None:
    with LoopbackJudge(says(before + VERDICT)) as server:
        assert judged(server) == 0


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (b"[" * 200_000, {}, "not a completion"),
        (b'{"a":' * 100_000, {}, "not a completion"),
        (gzip.compress(b" " * 2**25), {"Content-Encoding": "gzip"}, "larger than 16 MB"),
        (b"x" * (2**24 + 10), {}, "larger than 16 MB"),
        (b"abc", {"Content-Encoding": "br"}, "encoded as 'br'"),
        (b"abc", {"Content-Encoding": "gzip"}, "cannot be decoded"),
    ],
)
def test_a_body_that_is_none_is_a_line_and_no_crash(
    body: bytes,
    headers: dict[str, str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("random.uniform", lambda *_: 0.0)
    with LoopbackJudge(says(body, 200, headers)) as server:
        assert judged(server, "--concurrency", "1") == 1
    err = capsys.readouterr().err
    assert words in err
    assert "bug" not in err


def test_a_reply_in_gzip_is_read() -> None:
    with LoopbackJudge(says(gzip.compress(VERDICT), 200, {"Content-Encoding": "gzip"})) as server:
        assert judged(server) == 0


@pytest.mark.parametrize("ahead_s", [-300, 300, 86_400])
def test_a_date_to_wait_for_is_read_by_the_servers_own_clock(ahead_s: int) -> None:
    from time import time

    waiting = [True]

    def script(_: dict[str, Any]) -> Answer:
        if waiting and waiting.pop():
            dates = [formatdate(time() + ahead_s + s, usegmt=True) for s in (0, 1)]
            return 429, {"Date": dates[0], "Retry-After": dates[1]}, error("slow down")
        return 200, {}, VERDICT

    with LoopbackJudge(Behaviour(script=script)) as server:
        assert judged(server) == 0


def test_a_contenders_dialect_is_part_of_its_answers_key(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def script(body: dict[str, Any]) -> Answer:
        if "seed" in body:
            return 422, {}, b'{"detail": [{"loc": ["body", "seed"], "msg": "no"}]}'
        return 200, {}, completion(f"The answer is {len(server.calls)}.")

    with LoopbackJudge(Behaviour(script=script)) as server:
        assert sampled(server, "--concurrency", "1") == 0
        n_calls = server.n_calls
        assert n_calls == 7  # one refusal, 2 problems x (2 samples + greedy)
        assert capsys.readouterr().err.count("does not take `seed`") == 1
        assert sampled(server) == 0
        assert sampled(server, "--dry-run") == 0
        assert "6 stored" in capsys.readouterr().out
        assert server.n_calls == n_calls


def test_a_limit_of_cost_that_broken_replies_ate_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda *_: 0.0)
    with LoopbackJudge(says(b"<html>a proxy speaks</html>")) as server:
        assert judged(server, "--max-cost", "0.07", "--concurrency", "1") == 1
    assert server.n_calls <= 3
    err = capsys.readouterr().err
    assert "--max-cost 0.07" in err
    assert "a proxy speaks" in err


# Usage and money


def with_usage(usage: object) -> bytes:
    row = json.loads(VERDICT)
    row["usage"] = usage
    return json.dumps(row).encode()


READABLE = {
    "text": {"prompt_tokens": "1000", "completion_tokens": "500"},
    "float": {"prompt_tokens": 1000.0, "completion_tokens": 500.0},
    "thoughts in the total alone": {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "total_tokens": 1500,
    },
    "a total for the answer": {"prompt_tokens": 1000, "total_tokens": 1500},
    "other names": {"input_tokens": 1000, "output_tokens": 500},
    "other names, and a cache": {
        "input_tokens": 10,
        "cache_read_input_tokens": 990,
        "output_tokens": 500,
    },
    "thoughts counted apart": {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "completion_tokens_details": {"reasoning_tokens": 400},
    },
}


@pytest.mark.parametrize("name", READABLE)
def test_usage_in_other_forms_is_counted(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with LoopbackJudge(says(with_usage(READABLE[name]))) as server:
        assert judged(server, "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert row["tokens"] == {"prompt": 1000 * N_CALLS, "completion": 500 * N_CALLS}
    assert row["cost_usd"] == pytest.approx(N_CALLS * 0.007)
    assert row["judges"][0]["cost_usd"] == pytest.approx(N_CALLS * 0.007)


NO_USAGE: dict[str, object] = {
    "none": None,
    "empty": {},
    "zeros": {"prompt_tokens": 0, "completion_tokens": 0},
    "negative": {"prompt_tokens": -1000, "completion_tokens": -1},
    "one negative": {"prompt_tokens": 1000, "completion_tokens": -1},
    "huge": {"prompt_tokens": 10**30, "completion_tokens": 1},
    "huge float": {"prompt_tokens": 1e30, "completion_tokens": 1},
    "nan": {"prompt_tokens": float("nan"), "completion_tokens": 10},
    "infinite": {"prompt_tokens": float("inf"), "completion_tokens": 10},
    "half": {"prompt_tokens": 10.5, "completion_tokens": 10},
    "words": {"prompt_tokens": "many", "completion_tokens": "few"},
    "truth": {"prompt_tokens": True, "completion_tokens": True},
    "list": [100, 10],
}


@pytest.mark.parametrize("name", NO_USAGE)
def test_what_is_no_usage_costs_the_whole_reserve_and_is_not_known(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(says(with_usage(NO_USAGE[name]))) as server:
        assert judged(server, "--json") == 0
        row = json.loads(capsys.readouterr().out)
        assert row["cost_usd"] is None
        assert row["judges"][0]["cost_usd"] is None
        assert row["cost_unseen_usd"] > N_CALLS * 0.0204  # 2,048 tokens of answer each
        assert row["calls"]["made"] == N_CALLS
        assert cli.run(["show"]) == 0
    assert "no judge was called" not in capsys.readouterr().out


@pytest.mark.parametrize("name", NO_USAGE)
def test_no_usage_passes_the_limit_of_cost(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with LoopbackJudge(says(with_usage(NO_USAGE[name]))) as server:
        assert judged(server, "--max-cost", "0.07", "--tpm", "100000000") == 1
    assert 0 < server.n_calls <= 3  # of at least 0.0204 each
    assert "--max-cost" in capsys.readouterr().err


def test_a_judge_that_never_answered_was_called_all_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    n = [0]

    def script(body: dict[str, Any]) -> Answer:
        n[0] += 1
        return 400, {}, error("odd " + "abcdefghijklmnop"[n[0] % 16] * 3)

    with LoopbackJudge(Behaviour(script=script)) as server:
        assert judged(server) == 1
    out, err = capsys.readouterr()
    assert "no judge was called" not in out
    assert "12 calls failed" in " ".join(out.split())
    assert "12 of 12 judgments have no verdict, more than 2%: API failure: 400: odd" in err


# Answers that are none


def contender(text: str | None, finish: str = "stop", **message: object) -> Script:
    """Answers with this; as a judge, with a verdict."""
    said = saying(text, finish, **message)
    return lambda body: (200, {}, VERDICT if is_judging(body) else said)


CALLED = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
EMPTY: dict[str, Script] = {
    "nothing": contender(""),
    "null": contender(None),
    "spaces": contender(" \n"),
    "a tool call": contender(None, "tool_calls", tool_calls=CALLED),
    "thoughts beside it": contender(None, reasoning_content="Verdict: [[A]]"),
    "thoughts in another field": contender("", reasoning="hm"),
    "thoughts inside": contender("<think>hm</think>"),
    "thoughts unended": contender("<think>hm", "length"),
    "thoughts in brackets": contender("[THINK]hm[/THINK]"),
    "an unended channel": contender("<|channel|>analysis<|message|>hm", "length"),
    "an unended start": contender("<|START_THINKING|>hm", "length"),
    "a filter": contender("half an ans", "content_filter"),
}


@pytest.mark.parametrize("name", EMPTY)
def test_answers_without_text_are_counted_shown_and_fail_the_run(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(script=EMPTY[name])) as server:
        assert answered(server) == 1
        printed = capsys.readouterr()
        assert "6 of 6 answers are empty" in printed.err
        assert "warning: m: 6 of 6 answers are empty" in printed.out
        assert answered(server, "--json") == 1
        row = json.loads(capsys.readouterr().out)
        assert row["contenders"][0]["answers"]["empty"] == 6
        assert answered(server, "--max-unparsed", "1") == 0
        capsys.readouterr()
        assert sampled(server) == 1
        printed = capsys.readouterr()
        assert "6 of 6 answers are empty" in printed.out
        assert "6 of 6 answers are empty, more than 2%" in printed.err
        assert sampled(server, "--json") == 1
        row = json.loads(capsys.readouterr().out)
        assert row["contenders"][0]["answers"]["empty"] == 6  # 2 problems x (2 samples + greedy)


THINKING: dict[str, Script] = {
    "tags": contender("<think>secret [[B]] 5</think>Final 18"),
    "a tag of the template": contender("secret [[B]] 5</think>Final 18"),
    "brackets": contender("[THINK]secret 5[/THINK]Final 18"),
    "an attribute": contender('<think time="3">secret 5</think>Final 18'),
    "another name": contender("<reasoning>secret 5</reasoning>Final 18"),
    "channels": contender(
        "<|channel|>analysis<|message|>secret 5<|end|><|start|>assistant"
        "<|channel|>final<|message|>Final 18"
    ),
    "a channel": contender("<|channel>thought\nsecret 5<channel|>Final 18"),
    "a start and an end": contender("<|START_THINKING|>secret 5<|END_THINKING|>Final 18"),
    "full width": contender("<｜think｜>secret 5<｜/think｜>Final 18"),
    "a begin and an end": contender("<|begin_of_thought|>secret 5<|end_of_thought|>Final 18"),
    "a field": contender("Final 18", reasoning_content="secret 5"),
    "another field": contender("Final 18", reasoning="secret 5"),
    "a part": contender(
        [{"type": "thinking", "thinking": "secret 5"}, {"type": "text", "text": "Final 18"}]  # type: ignore[arg-type]
    ),
}


@pytest.mark.parametrize("name", THINKING)
def test_thoughts_are_no_part_of_an_answer(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with LoopbackJudge(Behaviour(script=THINKING[name])) as server:
        assert answered(server) == 0
        printed = capsys.readouterr()
        assert sampled(server) == 0
    assert not any("secret" in str(call.body) for call in server.calls)  # turn 2, judge
    assert any("Final 18" in str(call.body["messages"][1:]) for call in server.calls)
    assert "`m`: 6 of 6 answers have thoughts beside them" in printed.err
    rows = rows_of("responses")
    mine = [row for row in rows if row["model"] == "m"]
    assert {tuple(row["turns"]) for row in mine} == {("Final 18", "Final 18")}
    assert all("secret" in thought for row in mine for thought in row["thoughts"])
    samples = rows_of("samples")
    assert {row["answer"] for row in samples} == {"18"}
    assert {row["text"] for row in samples} == {"Final 18"}


@pytest.mark.parametrize(
    "usage",
    [
        {
            "prompt_tokens": 10,
            "completion_tokens": 90,
            "completion_tokens_details": {"reasoning_tokens": 83},
        },
        {"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 100},
    ],
)
def test_tokens_of_hidden_thoughts_are_paid_and_no_length(
    usage: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    row = json.loads(completion("The answer is 18."))
    row["usage"] = usage
    with LoopbackJudge(says(json.dumps(row).encode())) as server:
        assert sampled(server, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["contenders"][0]["mean_tokens"]["value"] == 7
    assert document["cost_usd"] == pytest.approx(6 * (10 * 2 + 90 * 10) / 1e6)


def test_a_record_is_read_as_a_server_is(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, object]] = [
        {
            "question_id": i,
            "model_id": "r",
            "choices": [
                {"index": 0, "turns": ["<think>secret</think>Said", ""]},
                {"index": 1, "turns": ["another", "one"]},
            ],
        }
        for i in range(1, 4)
    ]
    write_rows("one.jsonl", *rows)
    with LoopbackJudge(says(VERDICT)) as server:
        assert judged(server) == 1
    printed = capsys.readouterr()
    assert not any("secret" in str(call.body) for call in server.calls)
    assert "`r`: 3 of 6 answers have thoughts" in printed.err
    assert "`r`: 3 further choices are not judged" in printed.err
    assert "`r`: 3 of 6 answers are empty" in printed.err
    assert "choices not judged" in printed.out


def test_two_silences_are_no_tie(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        write_rows(
            f"{name}.jsonl",
            *({"prompt_id": str(i), "model": name, "turns": ["", ""]} for i in range(1, 4)),
        )
    with LoopbackJudge(says(VERDICT)) as server:
        assert judged(server, "--json", "--max-unparsed", "1") == 0
    assert server.n_calls == 0
    row = json.loads(capsys.readouterr().out)["comparisons"][0]
    assert (row["win_rate"], row["unparsed"], row["n_verdicts"]) == (None, 12, 12)


def test_an_answer_too_long_for_the_judge_fails_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(
        "one.jsonl",
        *(
            {"prompt_id": str(i), "model": "one", "turns": ["w " * (900 if i == 1 else 1), "x"]}
            for i in range(1, 4)
        ),
    )

    def script(body: dict[str, Any]) -> Answer:
        if len(str(body)) > 3000:
            return 400, {}, error("too many tokens", "context_length_exceeded")
        return 200, {}, VERDICT

    with LoopbackJudge(Behaviour(script=script)) as server:
        assert judged(server, "--max-unparsed", "1") == 1
    printed = capsys.readouterr()
    assert "too long for the judge" in printed.out
    assert "too long for the judge" in printed.err
    # Of 6 turns 5 are ties by this judge, who always names what is shown first: 2.5 and 3.5 of 6.
    said = "whatever the verdicts on the 1 turn left out, one's win rate"
    assert said in " ".join(printed.out.split())
    assert "41.7–58.3%" in printed.out


# Models in this process

OPENING = "{% for m in messages %}{{ m.content }}\n{% endfor %}Assistant:"


@pytest.mark.parametrize(
    ("opened", "n_empty"), [("", 0), (" <think>\n", 6), (" <think></think>", 0)]
)
def test_a_thought_that_the_template_opened_and_the_limit_cut_is_no_answer(
    opened: str, n_empty: int, capsys: pytest.CaptureFixture[str]
) -> None:
    from sami_eval.embedded import BASE_DIR

    row = f"[models.t]\nbase = {json.dumps(str(BASE_DIR))}\nchat_template = "
    Path("sami-eval.toml").write_text(PRICES + row + json.dumps(OPENING + opened))
    asked = ["--judge", "quality", "--judge-model", "openai:m", "--json", "--engine", "hf"]
    with LoopbackJudge(says(VERDICT)) as server:
        asked += ["--base-url", server.url, "--prompts", "q.jsonl", "--max-tokens", "3"]
        assert cli.run(["compare", "t", "two.jsonl", *asked]) == int(n_empty > 0)
    row_of = json.loads(capsys.readouterr().out)["contenders"][0]
    assert row_of["answers"]["empty"] == n_empty
    assert row_of["answers"]["thoughts"] == n_empty


def test_special_tokens_around_a_thought_are_not_lost(tmp_path: Path) -> None:
    from sami_eval.core.thoughts import parted
    from sami_eval.generate.text import completion_from_ids
    from tests.tiny_llama import byte_tokenizer

    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["[THINK]", "[/THINK]"]})
    ids = tokenizer("[THINK]hm[/THINK]Final 18", add_special_tokens=False)["input_ids"]
    said = completion_from_ids(tokenizer, ids, (), ()).text
    assert parted(said) == ("Final 18", "hm")
