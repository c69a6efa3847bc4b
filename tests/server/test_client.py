"""The client against a real server on loopback that misbehaves on demand."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sami_eval.core.calls import Reply, Request, Sampling
from sami_eval.core.errors import KeyMissingError, SamiEvalError, UsageError
from sami_eval.core.progress import silent
from sami_eval.core.types import Model
from sami_eval.server.client import ClientSettings, check_key, complete_all, is_api_failure
from tests.loopback_judge import FAULTS, Answer, Behaviour, LoopbackJudge, completion, error

KEY = "sk-very-secret-0123456789"
JUDGE = Model("judge", "judge-1", engine="openai")
QUICK = ClientSettings(timeout_s=30, backoff_s=0.001, max_backoff_s=0.002)
HASTY = replace(QUICK, timeout_s=0.3)
BRIEF = tuple(fault for fault in FAULTS if fault != "hang")  # seen without waiting for a timeout


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def request(text: str = "hello", **sampling: Any) -> Request:
    return Request(JUDGE, (("user", text),), (), Sampling(**sampling))


def ask(
    server: LoopbackJudge, requests: list[Request], settings: ClientSettings = QUICK
) -> dict[int, Reply]:
    replies: dict[int, Reply] = {}
    settings = replace(settings, base_url=server.url)
    complete_all(requests, settings, replies.__setitem__, silent())
    return replies


def saying(status: int, body: bytes) -> Behaviour:
    return Behaviour(script=lambda _: (status, {}, body))


def queue(*answers: Answer) -> Callable[[dict[str, Any]], Answer]:
    waiting = list(answers)
    return lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0]


def comparisons(n: int) -> list[Request]:
    shown = "<<<answer A>>>\nstrength {}\n<<<end of answer A>>>\n<<<answer B>>>\nstrength 5\n<<<end"
    return [request(f"{i}\n{shown.format(i % 10)} of answer B>>>") for i in range(n)]


def test_a_reply_carries_text_model_usage_and_ending() -> None:
    with LoopbackJudge(saying(200, completion("fine", finish_reason="length"))) as server:
        reply = ask(server, [request()])[0]
    assert (reply.text, reply.model_reported, reply.finished) == ("fine", "loopback-1", False)
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (100, 10)


@pytest.mark.parametrize("fault", BRIEF)
def test_a_temporary_fault_is_asked_again(fault: str) -> None:
    behaviour = Behaviour(fault_rate=1.0, faults=(fault,), faults_in_a_row=2)
    with LoopbackJudge(behaviour) as server:
        replies = ask(server, comparisons(3))
    assert [call.fault for call in server.calls].count(fault) == 6  # twice each, then the reply
    assert server.n_calls == 9
    assert all("[[" in reply.text for reply in replies.values())


def test_a_server_that_hangs_is_asked_again() -> None:
    with LoopbackJudge(Behaviour(fault_rate=1.0, faults=("hang",), faults_in_a_row=1)) as server:
        reply = ask(server, comparisons(1), HASTY)[0]
    assert server.n_calls >= 2
    assert "[[" in reply.text


def test_a_server_that_only_hangs_is_an_api_failure() -> None:
    settings = replace(HASTY, max_retries=1)
    with LoopbackJudge(Behaviour(fault_rate=1.0, faults=("hang",))) as server:
        reply = ask(server, comparisons(1), settings)[0]
    assert reply.failure == "API failure: no answer within 0.3 s"


def test_replies_are_the_same_with_and_without_faults() -> None:
    storm = Behaviour(fault_rate=0.3, faults=BRIEF)
    with LoopbackJudge() as calm, LoopbackJudge(storm) as stormy:
        requests = comparisons(60)
        assert ask(stormy, requests) == ask(calm, requests)
    assert calm.n_calls == 60
    assert stormy.n_calls == 60 + sum(call.fault is not None for call in stormy.calls)


def test_retry_after_is_waited_for() -> None:
    behaviour = Behaviour(fault_rate=1.0, faults=("429",), faults_in_a_row=1, retry_after="0.03")
    with LoopbackJudge(behaviour) as server:
        start = time.monotonic()
        ask(server, [request()])
        assert time.monotonic() - start >= 0.03


@pytest.mark.parametrize("status", [408, 409, 424, 425, 429, 499, 500, 502, 503, 529])
def test_a_temporary_status_is_asked_again(status: int) -> None:
    answers = (status, {}, error("wait a little")), (200, {}, completion("here"))
    with LoopbackJudge(Behaviour(script=queue(*answers))) as server:
        assert ask(server, [request()])[0].text == "here"
    assert server.n_calls == 2


def test_after_the_last_retry_the_reply_is_an_api_failure() -> None:
    settings = replace(QUICK, max_retries=2, give_up_after=9)
    with LoopbackJudge(saying(503, error("overloaded"))) as server:
        reply = ask(server, [request()], settings)[0]
    assert server.n_calls == 3
    assert reply.failure == "API failure: 503: overloaded"
    assert is_api_failure(reply)


def test_a_server_that_never_answers_ends_the_run() -> None:
    settings = replace(QUICK, max_retries=1, concurrency=1)
    with (
        LoopbackJudge(saying(500, error("broken"))) as server,
        pytest.raises(SamiEvalError, match="gives no usable answers: 500: broken"),
    ):
        ask(server, [request(str(i)) for i in range(50)], settings)
    assert server.n_calls == 6  # three requests, twice each


def test_a_closed_port_ends_the_run() -> None:
    with LoopbackJudge() as server:
        url = server.url
    settings = replace(QUICK, base_url=url, max_retries=1)
    with pytest.raises(SamiEvalError, match="connection failed") as caught:
        complete_all([request(str(i)) for i in range(5)], settings, lambda *_: None, silent())
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_exits_4_without_showing_it(status: int) -> None:
    body = error(f"Incorrect API key provided: {KEY}")
    with (
        LoopbackJudge(saying(status, body)) as server,
        pytest.raises(KeyMissingError, match="Incorrect API key") as caught,
    ):
        ask(server, [request(str(i)) for i in range(40)])
    assert KEY not in str(caught.value)
    assert "***" in str(caught.value)
    assert server.n_calls <= QUICK.concurrency


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, error("The model `judge-1` does not exist", "model_not_found"), "does not exist"),
        (429, error("You exceeded your quota", "insufficient_quota"), "no quota left"),
        (402, error("Payment required"), "no quota left: Payment required"),
        (400, error("Your credit balance is too low to access the API."), "no quota left"),
        (403, error("Sorry, your account balance is insufficient"), "no quota left"),
        (429, error("余额不足或无可用资源包"), "no quota left"),
        (400, error("Model Not Exist"), "`judge-1`: Model Not Exist"),
        (400, error("judge-1 is not a valid model ID"), "is not a valid model ID"),
        (
            403,
            error("Country, region, or territory not supported", "unsupported_country"),
            "answers 403: Country, region, or territory not supported",
        ),
    ],
)
def test_what_can_never_succeed_ends_the_run(status: int, body: bytes, words: str) -> None:
    with (
        LoopbackJudge(saying(status, body)) as server,
        pytest.raises(SamiEvalError, match=words) as caught,
    ):
        ask(server, [request(str(i)) for i in range(40)])
    assert caught.value.exit_code == 1
    assert server.n_calls <= QUICK.concurrency


def test_a_wait_beyond_reason_ends_the_run() -> None:
    behaviour = Behaviour(fault_rate=1.0, faults=("429",), retry_after="86400")
    with (
        LoopbackJudge(behaviour) as server,
        pytest.raises(SamiEvalError, match="asks to wait 86400 s: slow down"),
    ):
        ask(server, [request()])


def test_replies_that_came_before_the_end_are_kept() -> None:
    last = (404, {}, error("gone"))
    behaviour = Behaviour(script=queue(*[(200, {}, completion("yes"))] * 5, last))
    replies: dict[int, Reply] = {}
    with LoopbackJudge(behaviour) as server:
        settings = replace(QUICK, base_url=server.url, concurrency=1)
        with pytest.raises(SamiEvalError, match="gone"):
            complete_all([request()] * 9, settings, replies.__setitem__, silent())
    assert sorted(replies) == [0, 1, 2, 3, 4]


def test_ctrl_c_leaves_what_was_handed_over() -> None:
    replies: dict[int, Reply] = {}

    def interrupted(position: int, reply: Reply) -> None:
        replies[position] = reply
        if len(replies) == 5:
            signal.raise_signal(signal.SIGINT)

    with LoopbackJudge() as server:
        settings = replace(QUICK, base_url=server.url, concurrency=2)
        with pytest.raises(KeyboardInterrupt):
            complete_all(comparisons(60), settings, interrupted, silent())
    assert 5 <= len(replies) < 60


def test_an_error_while_storing_ends_the_run() -> None:
    def full_disk(position: int, reply: Reply) -> None:
        raise SamiEvalError("disk full")

    with LoopbackJudge() as server:
        settings = replace(QUICK, base_url=server.url)
        with pytest.raises(SamiEvalError, match="disk full"):
            complete_all(comparisons(40), settings, full_disk, silent())


# That a conversation is too long, as other servers say it.
TOO_LONG = (
    "`inputs` must have less than 1024 tokens. Given: 1500",
    "Prompt length 5000 exceeds max_model_len 4096",
    "Input tokens exceed the configured limit of 272000 tokens.",
    "The prompt (5000 tokens) + max_tokens (2048) exceeds 6000.",
    "Prompt 超长",
)


@pytest.mark.parametrize("status", [429, 500])
def test_a_conversation_that_is_too_long_is_not_asked_for_again(status: int) -> None:
    words = "Request too large for m: the input exceeds the context window"
    with LoopbackJudge(saying(status, error(words))) as server:
        reply = ask(server, [request()])[0]
    assert (reply.failure, server.n_calls) == ("too long for the model", 1)


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (error("filtered by our content policy", "content_filter"), "content filter"),
        (error("too many tokens", "context_length_exceeded"), "too long for the model"),
        (
            error(
                "'max_tokens' or 'max_completion_tokens' is too large: 512. This model's maximum "
                "context length is 256 tokens",
                param="max_tokens",
            ),
            "too long for the model",
        ),
        *((error(words), "too long for the model") for words in TOO_LONG),
        (error("messages must not be odd"), "API failure: 400: messages must not be odd"),
    ],
)
def test_a_400_about_one_conversation_fails_that_one(body: bytes, failure: str) -> None:
    with LoopbackJudge(saying(400, body)) as server:
        reply = ask(server, [request()])[0]
    assert (reply.failure, server.n_calls) == (failure, 1)


def _refuses(parameter: str) -> Callable[[dict[str, Any]], Answer | None]:
    message = f"Unsupported value: '{parameter}' is not supported with this model."
    body = error(message, "unsupported_parameter", parameter)
    return lambda sent: (400, {}, body) if parameter in sent else None


@pytest.mark.parametrize(
    ("parameter", "instead"), [("temperature", None), ("max_tokens", "max_completion_tokens")]
)
def test_a_refused_parameter_is_left_out_and_said_once(
    parameter: str, instead: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    from sami_eval.core.progress import terminal

    with LoopbackJudge(Behaviour(script=_refuses(parameter))) as server:
        settings = replace(QUICK, base_url=server.url, max_retries=0)
        replies: dict[int, Reply] = {}
        complete_all(comparisons(40), settings, replies.__setitem__, terminal())
    assert len(replies) == 40
    assert all(reply.failure is None for reply in replies.values())
    assert all(instead in c.body for c in server.calls if parameter not in c.body and instead)
    assert capsys.readouterr().err.count(f"does not take `{parameter}`") == 1


def test_a_refusal_and_a_filtered_reply_carry_their_failure() -> None:
    refused = completion("", refusal="I would rather not.")
    filtered = completion("half a", finish_reason="content_filter")
    with LoopbackJudge(Behaviour(script=queue((200, {}, refused), (200, {}, filtered)))) as server:
        replies = ask(server, [request("1"), request("2")], replace(QUICK, concurrency=1))
    assert (replies[0].failure, replies[0].text) == ("refused", "I would rather not.")
    assert replies[1].failure == "content filter"


def test_concurrency_is_bounded() -> None:
    with LoopbackJudge(Behaviour(latency_s=0.01)) as server:
        ask(server, comparisons(30), replace(QUICK, concurrency=5))
    assert server.most_at_once == 5


def test_half_a_surrogate_pair_is_sent_as_a_question_mark() -> None:
    with LoopbackJudge() as server:
        ask(server, [request("a\ud83d")])
    assert server.calls[0].body["messages"][0]["content"] == "a?"


def test_samples_of_one_prompt_draw_different_seeds() -> None:
    with LoopbackJudge() as server:
        ask(server, [replace(request(temperature=1.0), sample=i) for i in range(4)])
    assert len({call.body["seed"] for call in server.calls}) == 4


def test_greedy_requests_send_neither_seed_nor_top_p() -> None:
    with LoopbackJudge() as server:
        ask(server, [request()])
    assert set(server.calls[0].body) == {"model", "messages", "temperature", "max_tokens"}


def test_the_key_reaches_the_server_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with LoopbackJudge(Behaviour(fault_rate=0.5)) as server:
        ask(server, comparisons(5))
    assert server.calls[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in caplog.text


def test_no_key_for_the_official_server_exits_4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    with pytest.raises(KeyMissingError) as caught:
        check_key(JUDGE, ClientSettings())
    assert caught.value.exit_code == 4
    assert "export OPENAI_API_KEY=" in caught.value.hint


def test_a_server_of_ones_own_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with LoopbackJudge() as server:
        assert len(ask(server, comparisons(2))) == 2


def test_a_proxy_is_not_asked_for_a_server_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with LoopbackJudge() as server:
        assert len(ask(server, comparisons(1))) == 1


def test_a_key_with_a_line_break_is_refused_before_it_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one\nsk-two")
    with pytest.raises(KeyMissingError) as caught:
        check_key(JUDGE, ClientSettings())
    assert "sk-one" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        *("localhost:8000", "ftp://host/v1", "http://", " ", "http://h:99999/v1", "http://h:x/v1"),
        *("http://[::1/v1", "http://h:0/v1", "http://a b/v1", "http://h/v1\n"),
    ],
)
def test_an_address_that_is_none_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        check_key(JUDGE, ClientSettings(base_url=url))
