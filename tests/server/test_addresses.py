"""Who is asked, with whose key: the user's key follows the user's address."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import sami_eval
from sami_eval import cli
from sami_eval.core.errors import UsageError
from tests.loopback_judge import LoopbackJudge
from tests.records import write_records

KEY = "user-key-1234567"
RECORDS = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--judge", "quality"]
RECORDS += ["--limit", "2"]  # 2 turns of each, in 2 orders
IN_PYTHON: dict[str, Any] = {"prompts": Path("q.jsonl"), "judge": "quality", "limit": 2}


@pytest.fixture
def folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    write_records(folder)
    return folder


def keys_seen(server: LoopbackJudge) -> set[str]:
    return {call.headers.get("authorization", "") for call in server.calls}


def judged(*more: str) -> int:
    return cli.run([*RECORDS, "--json", *more])


def test_the_user_s_key_goes_to_the_address_the_user_typed(folder: Path) -> None:
    with LoopbackJudge() as server:
        assert judged("--judge-model", "openai:x", "--base-url", server.url) == 0
        assert keys_seen(server) == {f"Bearer {KEY}"}


def test_the_user_s_key_goes_to_the_address_the_user_exported(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LoopbackJudge() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert judged("--judge-model", "openai:x") == 0
        assert keys_seen(server) == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("text", "judge"),
    [
        ('base-url = "URL"\n', "openai:x"),
        ('[models.mine]\nbase = "openai:x"\nbase_url = "URL"\n', "mine"),
        ('[servers.mine]\nbase_url = "URL"\n', "mine:x"),
        ('[servers.s]\nbase_url = "URL"\n[models.mine]\nbase = "s:x"\n', "mine"),
    ],
    ids=["default", "model", "server", "model at a server"],
)
def test_the_user_s_key_does_not_go_where_a_file_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, judge: str
) -> None:
    monkeypatch.setenv("OUR_KEY", "our-key-7654321")
    with LoopbackJudge() as server:
        text = text.replace("URL", server.url)
        (folder / "sami-eval.toml").write_text(text)
        assert judged("--judge-model", judge) == 0
        assert keys_seen(server) == {"Bearer none"}
        server.calls.clear()
        (folder / "sami-eval.toml").write_text(
            text.replace(f'"{server.url}"\n', f'"{server.url}"\nkey = "OUR_KEY"\n')
        )
        assert judged("--judge-model", judge, "--repeats", "2") == 0
        assert keys_seen(server) == {"Bearer our-key-7654321"}


def test_contenders_at_a_named_server_are_asked_with_its_key_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_KEY", "our-key-7654321")
    with LoopbackJudge() as mine, LoopbackJudge() as other:
        (folder / "sami-eval.toml").write_text(
            f'[servers.ours]\nbase_url = "{mine.url}"\nkey = "OUR_KEY"\n'
            f'[servers.free]\nbase_url = "{other.url}"\n'
        )
        asked = ["compare", "ours:x", "free:x", *RECORDS[3:]]
        assert cli.run([*asked, "--judge-model", "free:judge", "--json"]) == 0
        assert keys_seen(mine) == {"Bearer our-key-7654321"}
        assert keys_seen(other) == {"Bearer none"}
        assert {call.body["model"] for call in mine.calls} == {"x"}


def test_a_variable_that_is_named_and_not_set_is_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "sami-eval.toml").write_text(
        '[servers.ours]\nbase_url = "http://127.0.0.1:9/v1"\nkey = "OUR_KEY_9"\n'
    )
    assert judged("--judge-model", "ours:x") == 4
    assert "export OUR_KEY_9=..." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://me:hunter22@127.0.0.1:9/v1", "user name or a password"),
        ("http://me:hunter22/x@127.0.0.1:9/v1", "user name or a password"),
        ("http://127.0.0.1:9/v1?token=hunter22", "holds a query"),
        ("http://127.0.0.1:9/v1#hunter22", "holds a query"),
    ],
)
@pytest.mark.parametrize("way", ["typed", "exported", "file", "model", "python"])
def test_an_address_that_holds_a_secret_is_refused_and_not_shown(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    url: str,
    fault: str,
    way: str,
) -> None:
    if way == "exported":
        monkeypatch.setenv("OPENAI_BASE_URL", url)
    if way == "file":
        (folder / "sami-eval.toml").write_text(f'judge = "quality"\nbase-url = "{url}"\n')
    if way == "model":
        (folder / "sami-eval.toml").write_text(
            f'[models.m]\nbase = "openai:x"\nbase_url = "{url}"\n'
        )
    if way == "python":
        asked = {
            "prompts": Path("q.jsonl"),
            "limit": 2,
            "judge": "quality",
            "judge_model": "openai:x",
        }
        with pytest.raises(UsageError, match=fault) as caught:
            sami_eval.compare("one.jsonl", "two.jsonl", base_url=url, **asked)
        assert "hunter22" not in str(caught.value)
        return
    judge = "m" if way == "model" else "openai:x"
    assert judged("--judge-model", judge, *(["--base-url", url] if way == "typed" else [])) == 2
    said = capsys.readouterr().err
    assert fault in said
    assert "hunter22" not in said
    assert ("sami-eval.toml:" in said) == (way in ("file", "model"))
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".toml"]
    assert not any(b"hunter22" in path.read_bytes() for path in files)


@pytest.mark.parametrize("way", ["exported", "typed", "typed as one"])
def test_a_secret_is_kept_in_no_file_where_nobody_is_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    url = "http://me:hunter22/x@127.0.0.1:9/v1?token=hunter22"
    records = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--judge", "rules"]
    if way == "exported":
        monkeypatch.setenv("OPENAI_BASE_URL", url)
    else:
        records += ["--base-url", url] if way == "typed" else [f"--base-url={url}"]
    monkeypatch.setattr(sys, "argv", ["sami-eval", *records])
    assert cli.run([*records, "--json"]) in (0, 1)
    assert '"base_url": "http://***@127.0.0.1:9/v1?***"' in capsys.readouterr().out
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    assert not any(b"hunter22" in path.read_bytes() for path in files)


def test_a_key_that_stands_in_the_file_itself_is_refused_and_not_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "sami-eval.toml").write_text(
        '[servers.ours]\nbase_url = "http://h/v1"\nkey = "sk-abcdefgh123"\n'
    )
    assert judged("--judge-model", "ours:x") == 2
    said = capsys.readouterr().err
    assert "is not the name of an environment variable" in said
    assert "sami-eval.toml:3" in said
    assert "abcdefgh" not in said


def test_the_address_is_said_once_at_first_use(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        assert judged("--judge-model", "openai:x", "--base-url", server.url) == 0
        said = capsys.readouterr().err
        assert said.count(f"`x` is asked at {server.url}, with the key in OPENAI_API_KEY") == 1
        assert KEY not in said
        assert judged("--judge-model", "openai:x", "--base-url", server.url) == 0
        assert "is asked at" not in capsys.readouterr().err  # all of it is stored


def test_two_judges_of_one_name_at_two_servers_are_two_judges(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as one, LoopbackJudge() as two:
        (folder / "sami-eval.toml").write_text(
            f'[servers.one]\nbase_url = "{one.url}"\n[servers.two]\nbase_url = "{two.url}"\n'
        )
        assert judged("--judge-model", "one:x", "--judge-model", "two:x") == 0
        assert one.n_calls == two.n_calls == 8
        document = json.loads(capsys.readouterr().out)
        assert [row["calls"]["made"] for row in document["judges"]] == [8, 8]
        assert judged("--judge-model", "one:x") == 0
        assert one.n_calls == two.n_calls == 8


def test_two_names_of_one_judge_are_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "sami-eval.toml").write_text(
        '[servers.one]\nbase_url = "http://127.0.0.1:9/v1"\n'
        '[servers.two]\nbase_url = "http://127.0.0.1:9/v1/"\n'
    )
    assert judged("--judge-model", "one:x", "--judge-model", "two:x") == 2
    assert "is asked already, as `one:x`" in capsys.readouterr().err


def test_python_and_the_command_agree_on_the_exported_address(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        (folder / "sami-eval.toml").write_text('base-url = "http://127.0.0.1:9/v1"\n')
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        both = ["compare", "openai:x", "openai:y", *RECORDS[3:]]
        assert cli.run([*both, "--json", "--judge-model", "openai:j"]) == 0
        printed, n_calls = json.loads(capsys.readouterr().out), server.n_calls
        asked = {
            "prompts": Path("q.jsonl"),
            "limit": 2,
            "judge": "quality",
            "judge_model": "openai:j",
        }
        document = sami_eval.compare("openai:x", "openai:y", **asked)
        assert server.n_calls == n_calls
        assert document["run"] == printed["run"]
        assert document["contenders"] == printed["contenders"]


def nested(folder: Path, outer_text: str = 'judge = "nobody"\n') -> Path:
    (folder / "sami-eval.toml").write_text(outer_text)
    inner = folder / "home" / "inner"
    inner.mkdir(parents=True)
    return inner


@pytest.mark.parametrize("border", ["repository", "home"])
def test_a_file_above_the_repository_or_the_home_is_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], border: str
) -> None:
    inner = nested(folder)
    monkeypatch.chdir(inner)
    assert cli.run(["ls", "models"]) == 0
    assert "is not read" not in capsys.readouterr().err
    if border == "home":
        monkeypatch.setenv("HOME", str(inner.parent))
    else:
        (inner.parent / ".git").mkdir()
    assert cli.run(["ls", "models"]) == 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"`{folder / 'sami-eval.toml'}` is not read: it lies above the" in said
    monkeypatch.setenv("SAMI_EVAL_CONFIG", str(folder / "sami-eval.toml"))
    assert cli.run(["ls", "models"]) == 0
    assert "is not read" not in capsys.readouterr().err


@pytest.mark.parametrize("models", [[""], ["openai:x", ""]])
def test_an_empty_judge_model_is_not_the_judge_s_own(
    folder: Path, capsys: pytest.CaptureFixture[str], models: list[str]
) -> None:
    assert judged(*(word for model in models for word in ("--judge-model", model))) == 2
    assert "`--judge-model` is empty" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_a_settings_file_that_cannot_be_read_is_not_passed_over(
    folder: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    path = folder / "sami-eval.toml"
    path.symlink_to(folder / "nowhere.toml") if kind == "link" else path.mkdir()
    assert cli.run(["ls", "models"]) == 2
    assert f"error: `{path}` is no file that can be read" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs to be root")
def test_a_file_of_another_owner_is_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "sami-eval.toml").write_text("mangled")
    os.chown(folder / "sami-eval.toml", 12345, -1)
    assert cli.run(["ls", "models"]) == 0
    assert "is not read: it is another owner's" in capsys.readouterr().err
    monkeypatch.setenv("SUDO_UID", "12345")
    assert cli.run(["ls", "models"]) == 2


def test_replies_of_openai_s_own_address_are_found_under_the_name_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    from sami_eval.core.calls import Request, Sampling
    from sami_eval.core.config import Config
    from sami_eval.core.types import Model
    from sami_eval.generate.models import resolve
    from sami_eval.judge.requests import reply_key

    def key_of(model: Model) -> str:
        return reply_key(Request(model, (("user", "?"),), (), Sampling()))

    before = key_of(Model("x", "x", engine="openai"))  # as ledgers had it before addresses counted
    own = [None, "https://api.openai.com/v1", "https://API.openai.com:443/v1/"]
    for url in own:
        (model,) = resolve("openai:x", config=Config(Path()), base_url=url)
        assert key_of(model) == before
    (model,) = resolve("openai:x", config=Config(Path()), base_url="http://127.0.0.1:9/v1")
    assert key_of(model) != before
