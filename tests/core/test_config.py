"""The config file is read strictly: a typo is an error, never a silent default."""

from __future__ import annotations

from pathlib import Path

import pytest

from sami_eval.core.config import Price, find_config, read_config
from sami_eval.core.errors import UsageError


def test_no_file_is_an_empty_config_rooted_here(tmp_path: Path) -> None:
    config = find_config(tmp_path)
    assert config.path is None
    assert config.root == tmp_path
    assert config.ledger_path == tmp_path / ".sami-eval" / "ledger.db"


def test_the_nearest_file_above_wins(tmp_path: Path) -> None:
    (tmp_path / "sami-eval.toml").write_text('base = "far"')
    near = tmp_path / "a"
    (near / "b").mkdir(parents=True)
    (near / "sami-eval.toml").write_text('base = "near"')
    config = find_config(near / "b")
    assert config.defaults["base"] == "near"
    assert config.root == near


def test_every_section_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sami-eval.toml"
    path.write_text(
        'judge-model = "openai:gpt-4o"\n[models.mine]\nbase = "b"\nadapter = "x"\n'
        '[prices."gpt-4o"]\ninput = 2.5\noutput = 10\n'
    )
    config = read_config(path)
    assert config.defaults == {"judge-model": "openai:gpt-4o"}
    assert config.models == {"mine": {"base": "b", "adapter": "x"}}
    assert config.prices == {"gpt-4o": Price(2.5, 10.0)}


@pytest.mark.parametrize(
    ("text", "named", "line"),
    [
        ("base = ", "not TOML", 1),
        ("\nbas = 'x'", "`bas`", 2),
        ("base = 3", "`base` is `3`", 1),
        ("base = ''", "`base`", 1),
        ("models = 3", "`models`", 1),
        ("[models]\nmine = 'x'", "`models.mine`", 2),
        ("[models.mine]\nadaptor = 'x'", "`models.mine.adaptor`", 2),
        ("base = 'b'\n[models.mine]\nbase = 3", "`models.mine.base` is `3`", 3),
        ("[prices.m]\ninput = 1", "`prices.m.output`", 1),
        ("[prices.m]\ninput = 1\noutput = -1", "`prices.m.output` is `-1`", 3),
        ('[prices.a]\ninput = 1\noutput = 1\n[prices."m.x"]\ninput = true', "`True`", 5),
        ("[prices.m]\ninput = nan\noutput = 1", "`prices.m.input` is `nan`", 2),
        ("[prices.m]\ninput = 1e300\noutput = 1", "`prices.m.input` is `1e+300`", 2),
        ("[prices.m]\ninput = 1\ninput = 1", "not TOML: Cannot overwrite a value", 3),
    ],
)
def test_a_bad_entry_is_named_with_its_file_and_line(
    tmp_path: Path, text: str, named: str, line: int
) -> None:
    path = tmp_path / "sami-eval.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_config(path)
    assert named in caught.value.message
    assert caught.value.where == f"{path}:{line}"
    assert caught.value.hint


def test_a_typo_gets_the_close_name(tmp_path: Path) -> None:
    path = tmp_path / "sami-eval.toml"
    path.write_text("[models.mine]\nadaptor = 'x'")
    with pytest.raises(UsageError) as caught:
        read_config(path)
    assert caught.value.hint == "did you mean `adapter`?"
