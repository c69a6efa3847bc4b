"""Servers by name: the vendors', one's own, and replicas of one model; each with its own key."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core import servers
from sami_eval.core.calls import Request, Sampling
from sami_eval.core.config import Config, read_config
from sami_eval.core.errors import UsageError
from sami_eval.core.servers import VENDORS, Allowance
from sami_eval.core.types import Model
from sami_eval.generate.models import resolve
from sami_eval.server.endpoint import own_key
from sami_eval.server.limits import Limits
from tests.loopback_judge import Answer, Behaviour, LoopbackJudge, completion
from tests.records import write_records

RECORDS = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--judge", "quality"]
KEYS = {name: f"key-of-{name}-1234567" for name in ("first", "second", "third")}


@pytest.fixture
def folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", "user-key-1234567")
    for name, key in KEYS.items():
        monkeypatch.setenv(f"{name.upper()}_KEY", key)
    write_records(folder, 4, one=3, two=1)  # 8 turns, 16 judgments
    return folder


def judged(capsys: pytest.CaptureFixture[str], *more: str, code: int = 0) -> tuple[Any, str]:
    """The document printed, and what was said beside it."""
    assert cli.run([*RECORDS, "--json", *more]) == code
    printed = capsys.readouterr()
    return json.loads(printed.out) if code == 0 else None, printed.err


def test_an_ensemble_over_three_vendors_sends_each_key_to_its_own_server_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as opened:
        at = {name: opened.enter_context(LoopbackJudge()) for name in KEYS}
        (folder / "sami-eval.toml").write_text(
            "".join(
                f'[servers.{name}]\nbase_url = "{server.url}"\nkey = "{name.upper()}_KEY"\n'
                for name, server in at.items()
            )
        )
        models = [word for name in at for word in ("--judge-model", f"{name}:judge")]
        document, said = judged(capsys, *models)
        for name, server in at.items():
            assert server.n_calls == 16
            everything = str([(call.headers, call.body, call.path) for call in server.calls])
            assert [other for other, key in KEYS.items() if key in everything] == [name]
            assert "user-key" not in everything
            assert f"`judge` is asked at {server.url}, with the key in {name.upper()}_KEY" in said
    assert [row["calls"]["made"] for row in document["judges"]] == [16, 16, 16]
    assert document["comparisons"][0]["win_rate"] == 1
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert not any(key.encode() in written for key in KEYS.values())


@pytest.mark.parametrize("name", VENDORS)
def test_a_vendor_is_asked_at_its_own_address_with_its_own_key(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    (model,) = resolve(f"{name}:a/b:free", config=Config(Path()), base_url="http://127.0.0.1:8/v1")
    assert (model.base, model.base_url) == ("a/b:free", VENDORS[name].urls[0])
    assert model.key_variable == VENDORS[name].key
    assert own_key(f"{model.base_url}/") == VENDORS[name].key
    assert own_key(f"http{str(model.base_url).removeprefix('https')}") is None
    monkeypatch.delenv(str(VENDORS[name].key), raising=False)
    _, said = judged(capsys, "--judge-model", f"{name}:x", code=4)
    assert f"export {VENDORS[name].key}=..." in said


def test_vendors_are_contenders_and_judges(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "anthropic-1234567")
    monkeypatch.setenv("MY_GEMINI", "gemini-1234567")
    (folder / "sami-eval.toml").write_text('[servers.gemini]\nkey = "MY_GEMINI"\n')
    said = Behaviour(script=lambda _: (200, {}, completion("It is so.")))
    with LoopbackJudge(said) as one, LoopbackJudge() as two:
        for name, server in (("anthropic", one), ("gemini", two)):
            monkeypatch.setitem(VENDORS, name, replace(VENDORS[name], urls=(server.url,)))
        asked = ["compare", "anthropic:claude", "gemini:flash", *RECORDS[3:], "--json"]
        assert cli.run([*asked, "--judge-model", "gemini:pro"]) == 0
        assert {call.headers["authorization"] for call in one.calls} == {"Bearer anthropic-1234567"}
        assert {call.headers["authorization"] for call in two.calls} == {"Bearer gemini-1234567"}
        assert {call.body["model"] for call in two.calls} == {"flash", "pro"}
    names = [row["name"] for row in json.loads(capsys.readouterr().out)["contenders"]]
    assert names == ["claude", "flash"]


@pytest.mark.parametrize(
    ("spec", "meant"),
    [("opnai:gpt-4o", "openai:gpt-4o"), ("antropic:c", "anthropic:c"), ("mylb:x", "mylab:x")],
)
def test_a_misspelt_server_is_told_the_near_one(
    folder: Path, capsys: pytest.CaptureFixture[str], spec: str, meant: str
) -> None:
    (folder / "sami-eval.toml").write_text('[servers.mylab]\nbase_url = "http://127.0.0.1:9/v1"\n')
    _, said = judged(capsys, "--judge-model", spec, code=2)
    assert f"error: no server `{spec.partition(':')[0]}`" in said
    assert f"did you mean `{meant}`?" in said
    assert cli.run(["compare", spec, *RECORDS[2:]]) == 2
    said = capsys.readouterr().err
    assert f"unknown model `{spec}`" in said
    assert f"did you mean `{meant}`?" in said


def test_replicas_share_the_work_and_one_that_dies_is_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(folder, 30, one=3, two=1)
    dying = LoopbackJudge()

    def die(body: dict[str, Any]) -> Answer | None:
        if dying.n_calls > 5:
            dying.die()
        return None

    dying.behaviour = Behaviour(script=die)
    with LoopbackJudge() as one, LoopbackJudge() as two, dying:
        urls = [one.url, dying.url, two.url]
        (folder / "sami-eval.toml").write_text(
            f'[servers.lab]\nbase_url = {json.dumps(urls)}\nkey = "FIRST_KEY"\nconcurrency = 6\n'
        )
        document, said = judged(capsys, "--judge-model", "lab:x")
        # It answers five, and may finish what else was in flight as it died.
        assert one.n_calls + two.n_calls >= 120 - 5 - 6
        assert abs(one.n_calls - two.n_calls) < 30
        assert said.count(f"replica {dying.url} of `x` is left out: connection failed") == 1
        assert "2 of 3 are asked" in said
        assert document["comparisons"][0]["n_verdicts"] == 120
        # Which replicas there are is no part of what was asked.
        (folder / "sami-eval.toml").write_text(f'[servers.lab]\nbase_url = ["{two.url}"]\n')
        before = two.n_calls
        again, _ = judged(capsys, "--judge-model", "lab:x")
        assert two.n_calls == before
        assert again["comparisons"] == document["comparisons"]


def test_a_replica_that_serves_another_model_is_left_out_and_all_of_them_end_the_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = Behaviour(script=lambda _: (404, {}, b'{"error": {"message": "no such model"}}'))
    with LoopbackJudge() as good, LoopbackJudge(gone) as other, LoopbackJudge(gone) as third:
        text = f'[servers.lab]\nbase_url = ["{other.url}", "{good.url}"]\n'
        (folder / "sami-eval.toml").write_text(text)
        _, said = judged(capsys, "--judge-model", "lab:x")
        assert f"replica {other.url} of `x` is left out: `x`: no such model; 1 of 2" in said
        assert good.n_calls == 16
        assert 1 <= other.n_calls <= 8  # those in flight
        (folder / "sami-eval.toml").write_text(text.replace(good.url, third.url))
        _, said = judged(capsys, "--judge-model", "lab:y", code=1)
        assert "error: `x`: no such model" in said.replace("`y`", "`x`")


def test_openai_s_key_goes_to_no_replica_beside_its_own_address() -> None:
    own, other = "https://api.openai.com/v1", "http://127.0.0.1:9/v1"
    model = Model("x", "x", engine="openai", base_url=own)
    assert own_key(replace(model, replicas=(own,))) == "OPENAI_API_KEY"
    assert own_key(replace(model, replicas=(own, other))) is None


def test_a_model_of_a_named_server_has_no_address_of_its_own(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "sami-eval.toml").write_text(
        '[servers.lab]\nbase_url = "http://127.0.0.1:9/v1"\nkey = "FIRST_KEY"\n'
        '[models.mine]\nbase = "lab:x"\nbase_url = "http://127.0.0.1:8/v1"\n'
    )
    _, said = judged(capsys, "--judge-model", "mine", code=2)
    assert "model `mine` has a `base_url`, and its base `lab:x` another" in said


def test_a_server_s_own_concurrency_is_kept(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(latency_s=0.01)) as server:
        (folder / "sami-eval.toml").write_text(
            f'[servers.lab]\nbase_url = "{server.url}"\nconcurrency = 3\n'
        )
        judged(capsys, "--judge-model", "lab:x")
        assert server.most_at_once == 3


def test_a_server_s_requests_and_tokens_a_minute_are_its_own() -> None:
    model = Model("x", "x", engine="openai", allowance=Allowance("lab", rpm=60))
    slow = Request(model, (("user", "?"),), (), Sampling())
    other = replace(slow, model=replace(model, allowance=Allowance("else", tpm=1e9)))
    limits = Limits()
    assert limits.wait_s(slow) == 0
    assert 0.9 < limits.wait_s(slow) <= 1
    assert limits.wait_s(other) == 0


@pytest.mark.parametrize(
    ("text", "named", "line"),
    [
        ("[servers.x]\nbase_ulr = 'http://h/v1'", "`servers.x.base_ulr`", 2),
        ("[servers.x]\nkey = 'K'", "server `x` has no `base_url`", 1),
        ("[servers.x]\nbase_url = 3", "`servers.x.base_url` is `3`", 2),
        ("[servers.x]\nbase_url = []", "`servers.x.base_url` is `[]`", 2),
        ("[servers.x]\nbase_url = ['http://h/v1', 'h']", "`base_url` `h` is no address", 2),
        ("[servers.x]\nbase_url = ['http://a:b@h/v1']", "holds a user name", 2),
        ("[servers.x]\nbase_url = 'http://h/v1'\nrpm = 0", "`servers.x.rpm` is `0`", 3),
        ("[servers.x]\nbase_url = 'http://h/v1'\nconcurrency = 1.5", "`servers.x.concurrency`", 3),
        ("[servers.anthropic]\nbase_url = 'http://h/v1'", "has an address of its own", 2),
        ("[servers.openai]\nkey = 'K'", "`servers.openai.key` is not read", 2),
        ("[servers.hf]\nbase_url = 'http://h/v1'", "`hf` is no name for a server", 1),
        ("[servers]\nx = 3", "`servers.x` is `3`, not a table", 2),
    ],
)
def test_a_bad_server_is_named_with_its_line(
    tmp_path: Path, text: str, named: str, line: int
) -> None:
    path = tmp_path / "sami-eval.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_config(path)
    assert named in caught.value.message
    assert caught.value.where == f"{path}:{line}"
    assert caught.value.hint
    assert set(servers.BUILT_IN) == {"openai", "azure", "anthropic", "gemini", "openrouter"}
