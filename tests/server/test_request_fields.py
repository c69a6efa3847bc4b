"""`[request]`: sent as it is, part of what an answer is kept under, never in the place of ours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core.calls import Reply, Request, Sampling
from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.core.progress import silent, terminal
from sami_eval.core.types import Model
from sami_eval.judge import read_judge
from sami_eval.server.client import ClientSettings, complete_all, is_api_failure
from tests.loopback_judge import Answer, Behaviour, LoopbackJudge, error
from tests.records import write_records

RECORDS = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl"]
EXTRA = '[request]\nservice_tier = "default"\nreasoning_effort = "low"\n'
EXTRA += "chat_template_kwargs = { enable_thinking = false }\n"
SENT = {
    "service_tier": "default",
    "reasoning_effort": "low",
    "chat_template_kwargs": {"enable_thinking": False},
}


@pytest.fixture
def folder(folder: Path) -> Path:
    write_records(folder, 2, one=3, two=1)  # 8 judgments
    return folder


def own_judge(folder: Path, tail: str) -> None:
    """The bundled judge `quality` as a file of one's own, with more at its end."""
    text = Path(read_judge("quality").source).read_text(encoding="utf-8")
    text = text.replace('name = "quality"', 'name = "mine"')
    (folder / "mine.toml").write_text(f"{text}\n{tail}", encoding="utf-8")


def judged(capsys: pytest.CaptureFixture[str], *more: str, code: int = 0) -> tuple[Any, str]:
    """The document printed, and what was said beside it."""
    assert cli.run([*RECORDS, "--json", *more]) == code
    printed = capsys.readouterr()
    return json.loads(printed.out) if code == 0 else None, printed.err


def extra(body: dict[str, Any]) -> dict[str, Any]:
    ours = ("model", "messages", "temperature", "max_tokens")
    return {name: value for name, value in body.items() if name not in ours}


def test_a_judge_s_request_fields_are_sent_said_and_part_of_the_key(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        asked = ["--judge", "mine.toml", "--judge-model", "openai:x", "--base-url", server.url]
        own_judge(folder, EXTRA)
        document, said = judged(capsys, *asked)
        assert [extra(call.body) for call in server.calls] == [SENT] * 8
        assert f"each request with {json.dumps(SENT, sort_keys=True)}" in said
        assert document["judges"][0]["request"] == SENT
        own_judge(folder, EXTRA.replace("\nservice", "\n# no other answer\nservice"))
        judged(capsys, *asked)
        assert server.n_calls == 8
        own_judge(folder, EXTRA.replace("low", "high"))
        judged(capsys, *asked)
        assert server.n_calls == 16
        own_judge(folder, "")
        judged(capsys, *asked)
        assert server.n_calls == 24
        assert extra(server.calls[-1].body) == {}


def test_a_model_s_request_fields_are_its_own_as_contender_and_judge(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        (folder / "sami-eval.toml").write_text(
            "".join(
                f'[models.{name}]\nbase = "openai:x"\nbase_url = "{server.url}"\n'
                f'request.reasoning_effort = "{name}"\n'
                for name in ("low", "high")
            )
        )
        judges = ["--judge", "quality", "--judge-model", "low", "--judge-model", "high"]
        document, _ = judged(capsys, *judges)
        efforts = [call.body["reasoning_effort"] for call in server.calls]
        assert (efforts.count("low"), efforts.count("high")) == (8, 8)
        assert [row["calls"]["made"] for row in document["judges"]] == [8, 8]
        server.calls.clear()
        asked = ["compare", "low", "one.jsonl", *RECORDS[3:], *judges[:4], "--json"]
        assert cli.run(asked) == 0
        contenders = json.loads(capsys.readouterr().out)["contenders"]
        assert [row.get("request") for row in contenders] == [{"reasoning_effort": "low"}, None]
        assert {call.body["reasoning_effort"] for call in server.calls} == {"low"}


@pytest.mark.parametrize("field", ["model", "messages", "max_tokens", "temperature", "n", "stream"])
def test_a_field_of_ours_is_refused_with_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str], field: str
) -> None:
    own_judge(folder, f'[request]\nservice_tier = "flex"\n{field} = 1\n')
    n_lines = len((folder / "mine.toml").read_text().splitlines())
    _, said = judged(capsys, "--judge", "mine.toml", code=2)
    assert f"`request.{field}`: sami-eval sets `{field}` itself" in said
    assert f"mine.toml:{n_lines}" in said
    text = f'[models.m]\nbase = "openai:x"\n[models.m.request]\n{field} = 1\n'
    (folder / "sami-eval.toml").write_text(text)
    _, said = judged(capsys, "--judge", "quality", code=2)
    assert f"`models.m.request.{field}`: sami-eval sets `{field}` itself" in said
    assert "sami-eval.toml:4" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[models.m]\nbase = 'openai:x'\nrequest = 3", "`models.m.request` is `3`, not a table"),
        ("[models.m]\nbase = 'openai:x'\nrequest.x = 2026-11-29", "which JSON does not hold"),
        ("[models.m]\nbase = 'openai:x'\nrequest.x = inf", "which JSON does not hold"),
        (
            "[models.m]\nbase = 'openai:x'\nrequest.extra.X-Api-Key = 'q-SECRET'",
            "`models.m.request.extra`: `X-Api-Key` seems to hold a key",
        ),
        (
            "[models.m]\nbase = 'openai:x'\nrequest.sent = ['Bearer SECRET']",
            "`models.m.request.sent`: `sent` seems to hold a key",
        ),
        ("[models.m]\nbase = 'openai:x'\nthoughts = -1", "`models.m.thoughts` is `-1`"),
        ("[models.m]\nbase = 'openai:x'\nthoughts = '8k'", "`models.m.thoughts` is `'8k'`"),
        ("[models.m]\nbase = 'openai:x'\nrequests.x = 1", "unknown key `models.m.requests`"),
        ("[models.m]\nbase = 'gpt2'\nrequest.x = 1", "model `m` has `request`, and no server"),
    ],
)
def test_what_cannot_be_sent_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (folder / "sami-eval.toml").write_text(text)
    assert cli.run(["compare", "m", *RECORDS[2:], "--judge", "quality"]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert "SECRET" not in printed
    assert "sami-eval.toml" in printed


def test_two_words_on_one_field_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_judge(folder, EXTRA)
    (folder / "sami-eval.toml").write_text(
        '[models.m]\nbase = "openai:x"\nrequest.reasoning_effort = "high"\n'
    )
    _, said = judged(capsys, "--judge", "mine.toml", "--judge-model", "m", code=2)
    assert "`reasoning_effort` is `'high'` under [models], `'low'` in the judge's file" in said


def test_a_judge_in_this_process_has_no_request(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_judge(folder, EXTRA)
    _, said = judged(capsys, "--judge", "mine.toml", "--judge-model", "hf:somewhere", code=2)
    assert "judge `mine` has a [request], and no server is asked" in said


# ---- The flex tier -----------------------------------------------------------------------------

PLAIN = Model("x", "x", engine="openai")
FLEX = replace(PLAIN, request='{"service_tier": "flex"}')
QUICK = ClientSettings(backoff_s=0.0001, max_backoff_s=0.001, max_retries=2, give_up_after=3)


def storm(n_refused: int) -> Behaviour:
    """A tier without room: each request is refused so many times before it is answered."""
    seen: dict[str, int] = {}

    def script(body: dict[str, Any]) -> Answer | None:
        name = json.dumps(body)
        seen[name] = seen.get(name, 0) + 1
        return (429, {}, error("Resource unavailable")) if seen[name] <= n_refused else None

    return Behaviour(script=script)


def ask(server: LoopbackJudge, model: Model, settings: ClientSettings = QUICK) -> list[Reply]:
    requests = [Request(model, (("user", f"{i}?"),), (), Sampling()) for i in range(8)]
    replies: dict[int, Reply] = {}
    settings = replace(settings, base_url=server.url)
    complete_all(requests, settings, replies.__setitem__, terminal())
    return list(replies.values())


def test_a_storm_on_the_flex_tier_does_not_end_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    with LoopbackJudge(storm(20)) as server:
        replies = ask(server, FLEX)
        assert [reply.failure for reply in replies] == [None] * 8
        assert server.n_calls == 8 * 21
    said = capsys.readouterr().err
    assert said.count("the flex tier of `x` is busy, asked again for up to 60 minutes: 429") == 1
    with (
        LoopbackJudge(storm(20)) as server,
        pytest.raises(SamiEvalError, match="gives no usable answers: 429"),
    ):
        ask(server, PLAIN)


def test_one_broken_call_after_a_storm_is_not_the_last() -> None:
    calls: dict[str, int] = {}

    def script(body: dict[str, Any]) -> Answer | None:
        name = json.dumps(body)
        calls[name] = calls.get(name, 0) + 1
        if calls[name] <= 10:
            return 429, {}, error("Resource unavailable")
        return (500, {}, error("stumbled")) if calls[name] <= 12 else None

    with LoopbackJudge(Behaviour(script=script)) as server:
        assert [reply.failure for reply in ask(server, FLEX)] == [None] * 8


def test_a_flex_tier_that_stays_busy_leaves_its_requests_to_the_next_run() -> None:
    with LoopbackJudge(storm(10**9)) as server:
        replies = ask(server, FLEX, replace(QUICK, flex_patience_s=0.05))
    assert all(map(is_api_failure, replies))
    assert len(replies) == 8


def test_a_flex_request_may_take_longer_and_be_told_to_wait_longer() -> None:
    slow = replace(QUICK, timeout_s=0.05, max_retries=0)
    with LoopbackJudge(Behaviour(latency_s=0.2)) as server:
        assert not any(map(is_api_failure, ask(server, FLEX, slow)))
        with pytest.raises(SamiEvalError, match=r"no answer within 0\.05 s"):
            ask(server, PLAIN, slow)
    later = Behaviour(script=lambda _: (429, {"Retry-After": "0.2"}, error("later")))
    short = replace(QUICK, longest_wait_s=0.1, flex_patience_s=0.3)
    with LoopbackJudge(later) as server:
        assert all(map(is_api_failure, ask(server, FLEX, short)))
        with pytest.raises(SamiEvalError, match="asks to wait"):
            ask(server, PLAIN, short)


def test_a_dead_server_ends_a_flex_run_as_any_other() -> None:
    model = replace(FLEX, base_url="http://127.0.0.1:9/v1")
    request = Request(model, (("user", "?"),), (), Sampling())
    with pytest.raises(SamiEvalError, match="gives no usable answers: connection failed"):
        complete_all([request] * 4, QUICK, lambda *_: None, silent())


def test_the_tier_is_part_of_what_an_answer_is_kept_under(folder: Path) -> None:
    from sami_eval.core.config import Config
    from sami_eval.server.named import asked_so, served

    plain = served("openai:x", Config(folder))
    assert plain is not None
    flex = asked_so(plain, FLEX.request, None)
    assert flex.fingerprint != plain.fingerprint
    assert asked_so(plain, "", None) == plain
    with pytest.raises(UsageError, match="is `'flex'` under"):
        asked_so(flex, '{"service_tier": "auto"}', None)
