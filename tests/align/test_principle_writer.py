"""`sami-eval contrast --write-principles`: a model drafts a constitution for a person to edit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.align.principle_writer import ReplyError, parse, render, to_toml
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Principle
from sami_eval.data.constitutions import read_constitution
from tests.loopback_judge import Behaviour, LoopbackJudge, completion

PRICES = '[prices."loopback"]\ninput = 10.0\noutput = 20.0\n'
KEPT = Path("constitution.toml.reply.txt")


def row(number: int, **more: str) -> dict[str, str]:
    return {
        "weak": f'Property {number} is "welcome".',
        "strong": f"Always show property {number} \\ ünïcode.",
        "antithesis": f"Show the opposite of property {number}.",
        **more,
    }


ROWS = [row(1), row(2)]
BY_CATEGORY = [row(1, category="math"), row(2, category="writing"), row(3, category="math")]


class Says:
    """A server's script: one reply whatever is asked."""

    def __init__(self, said: object, finish_reason: str = "stop") -> None:
        self.text = said if isinstance(said, str) else json.dumps(said)
        self.finish_reason = finish_reason

    def __call__(self, body: dict[str, object]) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, completion(self.text, self.finish_reason)


@pytest.fixture
def folder(folder: Path) -> Path:
    Path("sami-eval.toml").write_text(PRICES)
    return folder


ASKED = ["contrast", "--write-principles", "2", "--principle-writer", "openai:loopback", "-q"]
ASKED += ["--task-description", "Summaries of forum posts."]


def draft(server: LoopbackJudge, *more: str) -> int:
    return cli.run([*ASKED, "--base-url", server.url, *more])


def test_a_draft_is_a_constitution_that_is_paid_for_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(script=Says(ROWS))) as server:
        assert draft(server) == 0
        (call,) = server.calls
        asked = call.body["messages"][-1]["content"]
        assert "<task>\nSummaries of forum posts.\n</task>" in asked
        assert "Draft 2 principles" in asked
        said = capsys.readouterr().out
        assert "cost        $0.0012" in said  # (100 x 10 + 10 x 20) / 1e6
        assert "sami-eval contrast --constitutions constitution.toml" in said
        assert draft(server, "--out", "other.toml", "--json") == 0
        assert server.n_calls == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["from_ledger"], found["cost_usd"], found["file"]) == (True, 0.0, "other.toml")
    assert Path("other.toml").read_text() == Path("constitution.toml").read_text()
    assert read_constitution(Path("constitution.toml")) == tuple(
        Principle(f"principle.{i}", ("*",), one["weak"], one["strong"], one["antithesis"])
        for i, one in enumerate(ROWS, 1)
    )
    assert not KEPT.exists()


def test_the_draft_writes_contrasts_at_once(folder: Path) -> None:
    Path("p.jsonl").write_text('{"question_id": 1, "category": "any", "turns": ["Sum up."]}\n')
    with LoopbackJudge(Behaviour(script=Says(ROWS))) as server:
        assert draft(server) == 0
        given = ["--constitutions", "constitution.toml", "--prompts", "p.jsonl", "--out", "c.jsonl"]
        writer = ["--model", "openai:loopback", "--base-url", server.url]
        assert cli.run(["contrast", *given, *writer, "--dry-run", "-q"]) == 0


def test_principles_of_categories_are_numbered_within_them(folder: Path) -> None:
    Path("task.txt").write_text("Questions\nof two kinds.\n")
    more = ["--write-principles", "3", "--principle-categories", "writing, math"]
    with LoopbackJudge(Behaviour(script=Says(BY_CATEGORY))) as server:
        assert draft(server, *more, "--task-description", "task.txt") == 0
        asked = server.calls[0].body["messages"][-1]["content"]
    assert "Questions\nof two kinds." in asked
    assert '"writing", "math"' in asked
    principles = read_constitution(Path("constitution.toml"))
    assert [(one.id, one.categories) for one in principles] == [
        ("math.1", ("math",)),
        ("writing.1", ("writing",)),
        ("math.2", ("math",)),
    ]
    assert "# of two kinds.\n" in Path("constitution.toml").read_text()


def test_an_existing_file_is_kept_and_nothing_is_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("constitution.toml").write_text("mine")
    with LoopbackJudge(Behaviour(script=Says(ROWS))) as server:
        assert draft(server) == 2
        assert server.calls == []
    assert "`constitution.toml` exists" in capsys.readouterr().err
    assert Path("constitution.toml").read_text() == "mine"


def test_an_unreadable_reply_is_saved_and_asked_for_anew_with_another_seed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = '<think>\nHm.\n</think>\n[{"weak": "a",\n "strong" "b"}]'
    with LoopbackJudge(Behaviour(script=Says(spoilt))) as server:
        assert draft(server) == 1
        said = capsys.readouterr().err
        assert "error: the reply is not JSON" in said
        assert f"--> {KEPT}:2" in said
        assert "--seed 1 asks anew" in said
        assert KEPT.read_text() == spoilt.partition("</think>\n")[2]  # thoughts are no part of it
        assert not Path("constitution.toml").exists()
        assert draft(server) == 1
        assert server.n_calls == 1
        assert draft(server, "--seed", "1") == 1
        assert server.n_calls == 2
    assert "Traceback" not in said


def test_a_reply_cut_at_the_token_limit_says_how_to_give_it_room(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(script=Says('[{"weak": "a', "length"))) as server:
        assert draft(server) == 1
    said = capsys.readouterr().err
    assert "the reply was cut at 1,200 tokens" in said
    assert "--max-tokens 2400 asks anew" in said
    assert KEPT.exists()


def test_an_empty_reply_is_no_constitution(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(script=Says(" "))) as server:
        assert draft(server) == 1
    assert "the reply is empty" in capsys.readouterr().err
    assert list(folder.glob("constitution*")) == []


def test_a_dry_run_says_what_it_can_cost_at_most(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(script=Says(ROWS))) as server:
        assert draft(server, "--dry-run", "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["calls"], found["stored"], found["most_tokens"]) == (1, 0, 1200)
        assert found["cost_usd"] > 1200 * 20 / 1e6  # what is written, and the prompt
        assert draft(server, "--dry-run") == 0
        assert "calls       1 to make; 0 stored" in capsys.readouterr().out
        assert server.calls == []
        assert draft(server, "--max-cost", "0.00001") == 1
        assert "--max-cost" in capsys.readouterr().err
        assert server.calls == []
        assert not (folder / "constitution.toml").exists()
        assert draft(server, "--out", "x.toml", "-q") == 0
        capsys.readouterr()
        assert draft(server, "--dry-run", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["calls"], found["stored"], found["cost_usd"]) == (0, 1, 0.0)


def test_a_missing_key_or_price_is_said_before_anything_is_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*ASKED, "--dry-run"]) == 0  # a key is for those who ask
    capsys.readouterr()
    assert cli.run([*ASKED]) == 4
    assert "OPENAI_API_KEY" in capsys.readouterr().err
    Path("sami-eval.toml").write_text("")
    with LoopbackJudge(Behaviour(script=Says(ROWS))) as server:
        assert draft(server, "--max-cost", "1", "--dry-run") == 2
        assert "`--max-cost` needs the price of `loopback`" in capsys.readouterr().err
        assert draft(server) == 0
        assert "cost        not known: its price is not in" in capsys.readouterr().out


def test_a_local_model_is_asked_through_the_engine(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [*ASKED, "--principle-writer", "base", "--engine", "hf", "--max-tokens", "40"]
    assert cli.run(asked) == 1  # the embedded base knows no JSON
    assert "error: the reply " in capsys.readouterr().err
    assert len(KEPT.read_text().split()) > 3


@pytest.mark.parametrize(
    "reply",
    [
        json.dumps(ROWS),
        f"\n {json.dumps(ROWS, indent=2)}\n",
        f"```json\n{json.dumps(ROWS)}\n```",
        f"Here they are:\n```\n{json.dumps(ROWS)}\n```\nGood luck!",
        f"<think>two? [1, 2]</think>{json.dumps(ROWS)}",
    ],
)
def test_json_alone_or_in_one_block_is_read(reply: str) -> None:
    assert [one.id for one in parse(reply, 2, (), KEPT, "")] == ["principle.1", "principle.2"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("I cannot.", "not JSON"),
        (f"Sure: {json.dumps(ROWS)}", "not JSON"),
        (f"```\n{json.dumps(ROWS)}\n```\n```\n[]\n```", "not JSON"),
        ('[{"weak": "a", "weak": "b"}]', "`weak` occurs twice in one object"),
        ({"principles": ROWS}, "is no list"),
        ([], "0 principles came, 2 were asked for"),
        ([*ROWS, row(3)], "3 principles came, 2 were asked for"),
        ([row(1), "Be brief."], "principle 2: `'Be brief.'` is no object"),
        ([row(1), {"weak": "a", "strong": "b"}], "principle 2: `antithesis` is missing"),
        ([row(1), row(2, why="so")], "principle 2: unknown field `why`"),
        ([row(1), row(2, category="math")], "principle 2: unknown field `category`"),
        ([row(1), row(2, weak=" ")], "principle 2: `weak` is `' '`"),
        ([row(1), row(2, weak="a\nb")], "not one line of text"),
        ([row(1), row(2, weak="a\u202eb")], "not one line of text"),
        ([row(1), {**row(2), "weak": 3}], "principle 2: `weak` is `3`"),
        ([row(1), row(2, weak="x", strong="x ")], "two of its phrasings are the same"),
        ([row(1), row(1, weak="Other.")], "two principles say"),
    ],
)
def test_a_reply_that_is_no_list_of_principles_is_refused(rows: object, said: str) -> None:
    text = rows if isinstance(rows, str) else json.dumps(rows)
    with pytest.raises(ReplyError) as caught:
        parse(text, 2, (), KEPT, "ask again")
    assert said in caught.value.message
    assert caught.value.where is not None
    assert caught.value.where.startswith(str(KEPT))


def test_spaces_and_joiners_of_any_script_are_text(tmp_path: Path) -> None:
    said = "Soyez bref\u202f!\u00a0\u3000\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    rows = [row(1), row(2, weak=said)]
    written = parse(json.dumps(rows), 2, (), KEPT, "")
    assert written[1].weak == said
    file = tmp_path / "constitution.toml"
    file.write_text(to_toml(written, "writer", "task"), encoding="utf-8")
    assert read_constitution(file)[1].weak == said


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(1), row(2)], "principle 1: `category` is missing"),
        ([row(1, category="math"), row(2, category="art")], "none of math, writing"),
        ([row(1, category="math"), row(2, category="math")], "no principle is for category `wri"),
    ],
)
def test_categories_are_those_asked_for(rows: object, said: str) -> None:
    with pytest.raises(ReplyError) as caught:
        parse(json.dumps(rows), 2, ("math", "writing"), KEPT, "")
    assert said in caught.value.message


def test_a_description_cannot_break_out_of_the_comment(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    principles = parse(json.dumps(ROWS), 2, (), KEPT, "")
    for ending in ("\n", "\r", "\x0b", "\x1b[2J", "\u2028"):
        path.write_text(to_toml(principles, "m", f"Posts.{ending}[[principle]]"), encoding="utf-8")
        assert read_constitution(path) == principles


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--principle-writer", "openai:m"], "`--principle-writer` without `--write-principles`"),
        (["--task-description", "Posts."], "`--task-description` without `--write-principles`"),
        (["--principle-categories", "a"], "`--principle-categories` without"),
        (["--write-principles", "2"], "`--write-principles` without `--principle-writer`"),
        (
            ["--write-principles", "2", "--principle-writer", "openai:m"],
            "`--write-principles` without `--task-description`",
        ),
        ([*ASKED[1:], "--task-description", " "], "`--task-description` is empty"),
        ([*ASKED[1:], "--task-description", "none.txt"], "no file `none.txt`"),
        ([*ASKED[1:], "--constitutions", "c.toml"], "`--constitutions` with `--write-principles`"),
        ([*ASKED[1:], "--prompts", "p.jsonl"], "`--prompts` with `--write-principles`"),
        ([*ASKED[1:], "--principle-categories", "a,,b"], "a name is empty"),
        ([*ASKED[1:], "--principle-categories", "a,a"], "`a` twice"),
        ([*ASKED[1:], "--principle-categories", "a,b,c"], "for 3 categories"),
        (["--write-principles", "51"], "`--write-principles 51`"),
    ],
)
def test_flags_that_do_not_go_together_are_one_clear_line(
    folder: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    assert cli.run(["contrast", "--base-url", "http://127.0.0.1:1/v1", *flags]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "hint: " in captured.err
    assert "Traceback" not in captured.err


def test_a_record_writes_no_principles(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.jsonl").write_text('{"prompt_id": "1", "model": "m", "turns": ["x"]}\n')
    assert cli.run([*ASKED, "--principle-writer", "a.jsonl"]) == 2
    assert "is a record" in capsys.readouterr().err


def test_categories_appear_only_where_there_are_some() -> None:
    assert "categor" not in render("Posts.", 2)[1][1]
    with pytest.raises(UsageError, match="needs at least one"):
        render("Posts.", 1, ("a", "b"))


def test_a_json_file_is_no_place_for_a_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    asked = ["contrast", "--write-principles", "2", "--principle-writer", "openai:x"]
    asked += ["--task-description", "summaries", "--out", "principles.json", "--dry-run"]
    assert cli.run(asked) == 2
    assert "`principles.json`: principles are written as TOML" in capsys.readouterr().err
