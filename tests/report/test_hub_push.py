"""`sami-eval push`, against a server of this machine that answers as the hub does."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.report.hub_card import NAMES_BASE
from tests.cli.test_cli import folder, judged
from tests.loopback_judge import Behaviour, LoopbackJudge

__all__ = ["folder"]

CARD = "---\nbase_model: /home/me/base\nlibrary_name: peft\n---\n\n# mine\n\nkey sk-secretsecret\n"


class LoopbackHub(ThreadingHTTPServer):
    """Makes repositories, and keeps what is committed: a text by its repository and place."""

    daemon_threads = True
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.made: list[dict[str, Any]] = []
        self.held: dict[str, str] = {}
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    server: LoopbackHub

    def do_GET(self) -> None:
        self._say({"id": "some/base", "cardData": {"license": "llama3.1"}, "siblings": []})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.server.status != 200:
            self._say({"error": "refused"}, self.server.status)
        elif self.path == "/api/repos/create":
            said = json.loads(body)
            self.server.made.append(said)
            where = "datasets/" if said["type"] == "dataset" else ""
            self._say({"url": f"{self.server.url}/{where}{said['organization']}/{said['name']}"})
        elif self.path == "/api/validate-yaml":
            self._say({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            asked = json.loads(body)["files"]
            modes = {"uploadMode": "regular", "shouldIgnore": False}
            self._say({"files": [{"path": one["path"], **modes} for one in asked]})
        else:
            repo = self.path.partition("/commit/")[0].removeprefix("/api/")
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    text = base64.b64decode(line["value"]["content"]).decode()
                    self.server.held[f"{repo}/{line['value']['path']}"] = text
            where = f"{self.server.url}/{repo.removeprefix('models/')}/commit/{'0' * 40}"
            self._say({"commitUrl": where, "commitOid": "0" * 40})

    def _say(self, said: dict[str, Any], status: int = 200) -> None:
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    server = LoopbackHub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for where in ("constants.ENDPOINT", "hf_api.api.endpoint"):
        monkeypatch.setattr(f"huggingface_hub.{where}", server.url)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def adapter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its settings, weights and card, and beside them what must stay."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secretsecret")
    path = folder / "mine"
    (path / "checkpoint-3").mkdir(parents=True)
    (path / "adapter_config.json").write_text('{"base_model_name_or_path": "some/base"}')
    (path / "adapter_model.safetensors").write_text("weights")
    (path / "README.md").write_text(CARD)
    for name in (".env", "ledger.db", "training_args.bin", "checkpoint-3/optimizer.pt"):
        (path / name).write_text("private")
    return path


def test_an_adapter_goes_with_its_card_and_its_run_and_nothing_else(
    adapter: Path, hub: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(better_rate=1.0)) as server:
        assert judged(server) == 0
    (run,) = (adapter.parent / "runs").iterdir()
    capsys.readouterr()
    assert cli.run(["push", "mine", "me/mine", "--run", run.name]) == 0
    assert capsys.readouterr().out == f"{hub.url}/me/mine\n"
    assert hub.made == [
        {"name": "mine", "organization": "me", "type": "model", "visibility": "private"}
    ]
    beside = f"models/me/mine/runs/{run.name}"
    files = ("report.html", "result.json", "settings.toml", "table.csv", "table.md")
    own = ("README.md", "adapter_config.json", "adapter_model.safetensors")
    assert set(hub.held) == {
        *(f"models/me/mine/{name}" for name in own),
        *(f"{beside}/{name}" for name in files),
    }
    text = hub.held["models/me/mine/README.md"]
    assert "base_model: some/base\n" in text
    assert "license: llama3.1\n" in text
    assert "# mine" in text
    assert "| writing | 20 |" in text.partition("## Measured")[2]
    assert "secretsecret" not in "".join(hub.held.values())


def test_a_dry_run_says_what_goes_and_what_stays_and_sends_nothing(
    adapter: Path, hub: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["push", "mine", "me/mine", "--dry-run", "--public"]) == 0
    shown = capsys.readouterr().out
    assert "to the model `me/mine`, public where it is new:" in shown
    assert "7  adapter_model.safetensors" in shown
    assert "stays here  ledger.db: no part of a model or its card" in shown
    assert "stays here  checkpoint-3: a folder" in shown
    assert "stays here  .env: hidden" in shown
    assert not hub.made
    assert not hub.held


@pytest.mark.parametrize(
    ("place", "sent", "said"),
    [
        (
            "/me/hub/models--some--base/snapshots/abc",
            "some/base",
            "goes with the base `some/base` in the place of `/me/hub/models--some--base",
        ),
        (
            "/me/b\u00e4se",
            "/me/b\u00e4se",
            "warning: `adapter_config.json` names the base by a place",
        ),
    ],
)
def test_settings_name_the_base_as_others_find_it_or_it_is_said(
    place: str,
    sent: str,
    said: str,
    adapter: Path,
    hub: LoopbackHub,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (adapter / "adapter_config.json").write_text(json.dumps({"r": 8, NAMES_BASE: place}))
    assert cli.run(["push", "mine", "me/mine"]) == 0
    assert said in capsys.readouterr().err
    held = json.loads(hub.held["models/me/mine/adapter_config.json"])
    assert held == {"r": 8, NAMES_BASE: sent}


def test_a_run_goes_as_a_data_set(folder: Path, hub: LoopbackHub) -> None:
    with LoopbackJudge(Behaviour(better_rate=1.0)) as server:
        assert judged(server) == 0
    (run,) = (folder / "runs").iterdir()
    assert cli.run(["push", run.name, "me/run"]) == 0
    assert hub.made[0]["type"] == "dataset"
    assert "win rate" in hub.held["datasets/me/run/README.md"]
    assert "datasets/me/run/report.html" in hub.held


@pytest.mark.parametrize(
    ("arguments", "status", "code", "said"),
    [
        (["mine", "me/mine"], 403, 4, "error: the hub refuses to write `me/mine`: "),
        (["mine", "me/mi/ne"], 200, 2, "error: `me/mi/ne` is no name of a repository"),
        (["nothing", "me/mine"], 200, 2, "error: no run `nothing`"),
        (["empty", "me/mine"], 200, 2, "error: `empty` holds no weights"),
        (["broken", "me/mine"], 200, 2, "error: no card of the hub: "),
    ],
)
def test_what_cannot_go_is_one_line(
    arguments: list[str],
    status: int,
    code: int,
    said: str,
    adapter: Path,
    hub: LoopbackHub,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hub.status = status
    for name in ("empty", "broken"):
        (adapter.parent / name).mkdir()
        (adapter.parent / name / "config.json").write_text("{}")
    (adapter.parent / "broken" / "model.safetensors").write_text("weights")
    (adapter.parent / "broken" / "README.md").write_text("---\nbase_model: [\n---\n")
    assert cli.run(["push", *arguments]) == code
    assert said in capsys.readouterr().err


def test_without_a_token_nothing_is_sent(
    adapter: Path,
    hub: LoopbackHub,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(adapter / "no-token"))
    assert cli.run(["push", "mine", "me/mine"]) == 4
    assert "hint: hf auth login, or export HF_TOKEN=..." in capsys.readouterr().err
    assert not hub.made
