"""`sami-eval init` writes every key that the config file may hold, and nothing that is in force."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.core.config import (
    DEFAULT_FIELDS,
    FILE_NAME,
    MODEL_FIELDS,
    PRICE_FIELDS,
    find_config,
    read_config,
)
from sami_eval.core.config_keys import COMMANDS
from sami_eval.core.settings_file import from_config


def uncommented(text: str) -> str:
    """Every setting in force: the # in front of it taken away."""
    return re.sub(r"^#(?=[\w\[])", "", text, flags=re.M)


def test_every_key_of_the_file_can_be_put_in_force(folder: Path) -> None:
    assert cli.run(["init"]) == 0
    path = folder / FILE_NAME
    untouched = find_config(folder)
    assert (untouched.path, untouched.defaults, untouched.models) == (path, {}, {})
    path.write_text(uncommented(path.read_text()))
    config = read_config(path)
    assert set(config.defaults) == set(DEFAULT_FIELDS)
    assert set(config.models["mine"]) == {*MODEL_FIELDS, "request", "thoughts"}
    assert config.servers["ours"].urls
    assert config.servers["anthropic"].allowance.rpm
    assert config.file is not None
    assert set(config.file.data["prices"]["gpt-4o"]) == set(PRICE_FIELDS)
    for name, command in cli.commands().items():
        found, _ = from_config(config, name, command.settings)
        known = {one.name for one in command.settings} - {"config", "base_url"}
        assert set(found) == (known if name in COMMANDS else set())
    assert all(len(line) <= 100 for line in path.read_text().splitlines())


def test_a_file_that_is_here_is_replaced_by_force_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(FILE_NAME).write_text('base = "mine"\n')
    assert cli.run(["init"]) == 2
    assert f"`{FILE_NAME}` is here already" in capsys.readouterr().err
    assert Path(FILE_NAME).read_text() == 'base = "mine"\n'
    assert cli.run(["init", "--force"]) == 0
    assert find_config(folder).defaults == {}


def test_what_is_seen_is_a_comment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    Path("out/sami").mkdir(parents=True)
    Path("out/sami/adapter_config.json").write_text("{}")
    assert cli.run(["init"]) == 0
    text = Path(FILE_NAME).read_text()
    assert re.search(r"^# Seen here: the key .*OPENAI_API_KEY.*; adapters in out/sami;", text, re.M)
    assert "sk-0123" not in text
