"""Azure OpenAI: an endpoint of its own, a dated version in the path, another header for the key."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.core.calls import Reply, Request, Sampling
from sami_eval.core.config import Config
from sami_eval.core.errors import KeyMissingError, SamiEvalError, UsageError
from sami_eval.core.progress import silent
from sami_eval.generate.models import resolve
from sami_eval.judge import judge_model, read_judge
from sami_eval.server import endpoint
from sami_eval.server.client import ClientSettings, check_key, complete_all
from tests.loopback_judge import Behaviour, LoopbackJudge, completion, error

KEY = "0123456789abcdef-azure"
JUDGE = judge_model(replace(read_judge("quality"), model="azure:my-gpt"))
SETTINGS = ClientSettings(backoff_s=0.001)
REQUEST = Request(JUDGE, (("user", "hello"),), (), Sampling(max_tokens=5))


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-servers-key")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")


def ask(server: LoopbackJudge, monkeypatch: pytest.MonkeyPatch) -> Reply:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url.removesuffix("/v1"))
    replies: list[Reply] = []
    complete_all([REQUEST], SETTINGS, lambda _, reply: replies.append(reply), silent())
    return replies[0]


def test_the_deployment_stands_in_the_path_and_the_key_in_its_own_header(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with LoopbackJudge(Behaviour(script=lambda _: (200, {}, completion("[[A]]")))) as server:
        assert ask(server, monkeypatch).text == "[[A]]"
    call = server.calls[0]
    path = "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"
    assert call.path == path
    assert call.headers["api-key"] == KEY
    assert "another-servers-key" not in str(call.headers)


def test_no_base_url_changes_the_endpoint() -> None:
    assert endpoint.address_of(JUDGE, "http://else/v1") == "https://mine.openai.azure.com"


@pytest.mark.parametrize("name", ["AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION"])
def test_a_missing_endpoint_or_version_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(UsageError, match=f"needs {name}"):
        check_key(JUDGE, SETTINGS)


def test_a_missing_key_is_said_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_OPENAI_API_KEY")
    with pytest.raises(KeyMissingError) as caught:
        check_key(JUDGE, SETTINGS)
    assert caught.value.hint == "export AZURE_OPENAI_API_KEY=..."


def test_a_refused_key_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    body = error(f"Access denied for {KEY}", "401")
    with (
        LoopbackJudge(Behaviour(script=lambda _: (401, {}, body))) as server,
        pytest.raises(KeyMissingError) as caught,
    ):
        ask(server, monkeypatch)
    assert caught.value.hint == "check AZURE_OPENAI_API_KEY"
    assert KEY not in caught.value.message


def test_an_unknown_deployment_ends_the_run_with_azures_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = error("The API deployment for this resource does not exist", "DeploymentNotFound")
    with (
        LoopbackJudge(Behaviour(script=lambda _: (404, {}, body))) as server,
        pytest.raises(SamiEvalError, match=r"my-gpt.*does not exist"),
    ):
        ask(server, monkeypatch)


def test_azures_content_filter_is_one_reply_without_a_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = error("triggering Azure OpenAI's content management policy", "content_filter")
    with LoopbackJudge(Behaviour(script=lambda _: (400, {}, body))) as server:
        assert ask(server, monkeypatch).failure == "content filter"


def test_a_client_keeps_no_retries_of_its_own() -> None:
    client = endpoint.connect("http://127.0.0.1:9", "azure")
    assert client.max_retries == 0
    asyncio.run(client.close())


def test_a_deployment_is_a_contender_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("q.jsonl").write_text('{"question_id": 1, "category": "x", "turns": ["Say it."]}\n')
    Path("it.jsonl").write_text('{"prompt_id": "1", "model": "it", "turns": ["It."]}\n')
    asked = ["compare", "azure:my-gpt", "it.jsonl", "--prompts", "q.jsonl", "--judge", "quality"]
    with LoopbackJudge() as server:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url.removesuffix("/v1"))
        judge = ["--judge-model", "azure:other", "--base-url", "http://127.0.0.1:1/v1"]
        assert cli.run([*asked, *judge, "-q", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["contenders"][0]["engine"] == "azure"
    assert document["calls"]["made"] == 2
    assert {call.path.split("/")[3] for call in server.calls} == {"my-gpt", "other"}
    assert {call.headers["api-key"] for call in server.calls} == {KEY}


def test_a_contender_of_another_endpoint_is_another_model(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(Path())
    (one,) = resolve("azure:my-gpt", config=config, base_url="http://127.0.0.1:1/v1")
    (same,) = resolve("azure:my-gpt", config=config)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://another.openai.azure.com")
    (other,) = resolve("azure:my-gpt", config=config)
    assert one == same
    assert one.fingerprint != other.fingerprint
