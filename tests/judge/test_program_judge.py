"""Judges that are programs, through the command: our checks, and a Python file of the user's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.judge import read_judge
from tests.records import write_rows

CONSTITUTION = """\
[[principle]]
id = "s.1"
categories = ["stem"]
weak = "Simple sentences need few commas."
strong = "Use no commas."
antithesis = "Use several commas."
check = "commas = 0"

[[principle]]
id = "s.2"
categories = ["stem"]
weak = "An answer may end in a question."
strong = "End with a question."
antithesis = "End with a statement."
check = "question-last"
"""
UNCHECKED = """
[[principle]]
id = "s.3"
categories = ["stem"]
weak = "Be kind."
strong = "Be very kind."
antithesis = "Be unkind."
"""
# What each turn meets of "commas = 0" and "question-last": one 2, 1, 0, 1; two 1, 1, 1, 0.
ONE = [["Is it light?", "It is light."], ["Ice, then.", "Ice, then?"]]
TWO = [["It is light.", "Light, is it?"], ["Ice is light.", "Light, so"]]
JUDGE = 'name = "brevity"\nkind = "program"\nprogram = "brevity:compare"\n'
BRIEF = """\
def compare(prompt, turn, a, b):
    n_a, n_b = len(a.turns[turn]), len(b.turns[turn])
    return ("a" if n_a < n_b else "b" if n_b < n_a else "tie"), f"{n_a} : {n_b}"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two questions of two turns, two records, and a constitution."""
    monkeypatch.chdir(tmp_path)
    ids = ("q1", "q2")
    write_rows("q.jsonl", *({"id": i, "category": "stem", "turns": ["Ice?", "So?"]} for i in ids))
    for name, turns in (("one", ONE), ("two", TWO)):
        rows = zip(ids, turns, strict=True)
        write_rows(f"{name}.jsonl", *({"prompt_id": i, "model": name, "turns": t} for i, t in rows))
    Path("c.toml").write_text(CONSTITUTION, encoding="utf-8")
    return tmp_path


def compare(*more: str) -> int:
    return cli.run(["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "-q", *more])


def printed(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    assert compare("--json", *more) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def verdicts(document: dict[str, Any]) -> list[dict[str, Any]]:
    lines = (Path(document["run"]) / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def refused(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert compare(*more) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def write_judge(code: str, judge: str = JUDGE) -> None:
    Path("judges").mkdir(exist_ok=True)
    Path("judges/brevity.toml").write_text(judge, encoding="utf-8")
    Path("judges/brevity.py").write_text(code, encoding="utf-8")


def test_the_answer_that_meets_more_checks_wins_and_as_many_is_a_tie(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # By turn: 2:1 a win, 1:1 a tie, 0:1 a loss, 1:0 a win.
    document = printed(capsys, "--constitutions", "c.toml", "--judge", "checks")
    row = document["comparisons"][0]
    assert (row["wins"], row["ties"], row["losses"], row["n_verdicts"]) == (2, 1, 1, 8)
    assert row["consistency"] == 1.0
    assert (document["measures"], document["judge_model"]) == ("principle adherence", None)
    met = {row["name"]: (row["checks_met"]["share"], row["checks_met"]["n"])
           for row in document["contenders"]}  # fmt: skip
    assert met == {"one": (4 / 8, 8), "two": (3 / 8, 8)}
    first, swapped = verdicts(document)[:2]
    assert (first["first"], swapped["first"]) == ("a", "b")
    met, missed = "one: 2 of 2 · met: commas = 0; question-last", "· missed: question-last"
    assert first["text"] == f"{met}\ntwo: 1 of 2 · met: commas = 0 {missed}"
    assert swapped["text"].splitlines() == first["text"].splitlines()[::-1]


def test_where_every_principle_has_a_check_checks_judges_and_it_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl",
                    "--constitutions", "c.toml"]) == 0  # fmt: skip
    out, err = capsys.readouterr()
    assert "judge checks" in out
    out = " ".join(out.split())
    assert "principle adherence, not quality" in out
    assert "checks met one 50.0% [" in out
    assert "] of 8, two 37.5% [" in out
    assert "judge `checks`: a program checks every principle" in " ".join(err.split())


def test_a_bundled_constitution_goes_by_its_name(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = printed(capsys, "--constitutions", "verifiable")
    assert document["judge"] == "checks"
    lines = (Path(document["run"]) / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(json.loads(lines[0])["checks"]) == len(json.loads(lines[0])["principles"]) == 4
    again = printed(capsys, "--prompts", f"{document['run']}/prompts.jsonl")
    assert again["comparisons"][0]["wins"] == document["comparisons"][0]["wins"]


def test_a_misspelt_constitution_is_told_with_those_there_are(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(capsys, "--constitutions", "verifable")
    assert "no file `verifable`" in error
    assert "verifiable-math" in error


def test_a_principle_without_a_check_is_not_counted_and_that_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("c.toml").write_text(CONSTITUTION + UNCHECKED, encoding="utf-8")
    assert cli.run(["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl",
                    "--constitutions", "c.toml", "--judge", "checks", "--json"]) == 0  # fmt: skip
    out, err = capsys.readouterr()
    row = json.loads(out)["comparisons"][0]
    assert (row["wins"], row["ties"], row["losses"]) == (2, 1, 1)
    assert "not counted: 1 principle has no check, e.g. `Be kind.`" in " ".join(err.split())


def test_a_prompt_with_nothing_to_check_is_named_before_anything_is_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("c.toml").write_text(UNCHECKED, encoding="utf-8")
    asked = ["--constitutions", "c.toml", "--judge", "checks", "--dry-run"]
    error = refused(capsys, *asked)
    assert "no principle of prompt `q1` (stem) has a `check`" in error
    assert "--constitutions verifiable" in error


@pytest.mark.parametrize(
    ("check", "said", "hint"),
    [("comas = 0", "no check `comas`", "did you mean `commas`?"),
     ("commas < 1", "how many commas?", "commas <= 3")],
)  # fmt: skip
def test_a_bad_check_is_refused_with_file_and_line(
    folder: Path, capsys: pytest.CaptureFixture[str], check: str, said: str, hint: str
) -> None:
    text = CONSTITUTION.replace('"question-last"', f'"{check}"')
    Path("c.toml").write_text(text, encoding="utf-8")
    error = refused(capsys, "--constitutions", "c.toml")
    assert f"principle `s.2`: {'check ' if '<' in check else ''}" in error
    assert said in error
    assert hint in error
    assert "c.toml:15" in error


def test_checks_of_a_question_file_match_its_principles(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"id": "q1", "category": "stem", "turns": ["Ice?"], "principles": ["Short."]}
    write_rows("q.jsonl", {**row, "checks": ["words <= 3", "title"]})
    assert "`checks` has 2 texts for 1 principles" in refused(capsys)
    write_rows("q.jsonl", {**row, "checks": ["wrods <= 3"]})
    error = refused(capsys)
    assert "no check `wrods`" in error
    assert "q.jsonl:1" in error


def test_a_users_program_judges_and_its_file_is_said_to_be_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_judge(BRIEF)
    assert compare("--judge", "brevity", "--json") == 0  # even under --quiet
    out, err = capsys.readouterr()
    assert "judge `brevity`: the code of" in err
    assert "brevity.py is run" in err
    document = json.loads(out)
    # By turn: 12:12 a tie, 12:13 a win, 10:13 a win, 10:9 a loss.
    row = document["comparisons"][0]
    assert (row["wins"], row["ties"], row["losses"]) == (2, 1, 1)
    assert document["measures"] is None
    assert [one["text"] for one in verdicts(document)[2:4]] == ["12 : 13", "13 : 12"]


def test_a_program_that_prefers_what_stands_first_decides_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_judge("def compare(prompt, turn, a, b):\n    return 'a'\n")
    row = printed(capsys, "--judge", "judges/brevity.toml")["comparisons"][0]
    assert (row["wins"], row["ties"], row["losses"], row["consistency"]) == (0, 4, 0, 0.0)
    assert row["first_position_rate"] == 1.0


def test_a_users_program_may_define_a_dataclass(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_judge(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n\n"
        "@dataclass\nclass Size:\n    n: int\n\n\n" + BRIEF
    )
    row = printed(capsys, "--judge", "brevity")["comparisons"][0]
    assert (row["wins"], row["ties"], row["losses"]) == (2, 1, 1)


def test_a_program_that_says_why_it_cannot_tell_gives_no_verdict(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_judge("def compare(prompt, turn, a, b):\n    return None, 'no reference'\n")
    document = printed(capsys, "--judge", "brevity", "--max-unparsed", "1")
    row = document["comparisons"][0]
    assert (row["unparsed"], row["n_verdicts"], row["win_rate"]) == (8, 8, None)
    assert verdicts(document)[0]["reason"] == "no reference"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("return 'A'", "returned `'A'`"),
        ("return None", "returned `None`"),
        ("return 1", "returned `1`"),
        ("return 'a', 3", "returned `('a', 3)`"),
        ("return 'a', 'b', 'c'", "returned `('a', 'b', 'c')`"),
        ("return ['a']", "returned `['a']`"),
        ("return prompt.words", "raised AttributeError"),
        ("raise ValueError('one\\ntwo')", "raised ValueError: one"),
        ("assert False", "raised AssertionError"),
    ],
)
def test_what_is_no_verdict_is_one_line_with_judge_and_prompt(
    folder: Path, capsys: pytest.CaptureFixture[str], code: str, said: str
) -> None:
    write_judge(f"def compare(prompt, turn, a, b):\n    {code}\n")
    error = " ".join(refused(capsys, "--judge", "brevity").split())
    assert f"judge `brevity`, prompt `q1`, turn 1: brevity:compare {said}" in error
    assert 'return "a", "b" or "tie"' in error
    assert not list(Path("runs").glob("*/comparison.json"))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def other(): ...", "has no function `compare`"),
        ("compare = 3", "has no function `compare`"),
        ("import no_such_module", "cannot import: ModuleNotFoundError"),
        ("1 / 0", "cannot import: ZeroDivisionError"),
        ("def compare(:", "not Python"),
        ("x = '\0'", "not Python"),
    ],
)
def test_a_program_that_cannot_be_had_is_told_before_anything_is_asked(
    folder: Path, capsys: pytest.CaptureFixture[str], code: str, said: str
) -> None:
    write_judge(code)
    error = refused(capsys, "--judge", "brevity", "--dry-run")
    assert said in error
    assert "brevity.py" in error


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("", "`program` is missing"),
        ('program = "brevity"', "`program` is `'brevity'`"),
        ('program = "longer:compare"', "no file `judges/longer.py`"),
        ('program = "sami_eval.judge.chekcs:compare"', "no file"),
        ('program = "brevity:compare"\nmodel = "x"', "unknown field `model`"),
    ],
)
def test_a_bad_field_of_the_judge_is_refused_with_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str], field: str, said: str
) -> None:
    write_judge(BRIEF, f'name = "brevity"\nkind = "program"\n{field}\n')
    error = refused(capsys, "--judge", "brevity")
    assert said in error
    assert "judges/brevity.toml" in error


def test_reading_a_judge_runs_nothing_and_its_source_is_part_of_what_it_is(folder: Path) -> None:
    write_judge("raise SystemExit(3)\n")
    first = read_judge("brevity").sha256
    assert cli.run(["ls", "judges"]) == 0
    write_judge("raise SystemExit(4)\n")
    assert read_judge("brevity").sha256 != first
    write_judge("from measure import shorter\n")  # of the user's own, which may change as well
    Path("judges/measure.py").write_text("from ruler.inches import shorter\n")
    Path("ruler").mkdir()
    Path("ruler/__init__.py").write_text("")
    found = set()
    for code in ("from .units import INCH\n", "from .units import FOOT\n"):
        Path("ruler/inches.py").write_text(code)
        for size in ("INCH, FOOT = 1, 12", "INCH, FOOT = 2, 24"):
            Path("ruler/units.py").write_text(size)
            found.add(read_judge("brevity").sha256)
    assert len(found) == 4
    assert read_judge("checks").sha256 != read_judge("rules").sha256


def test_another_source_is_another_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_judge(BRIEF)
    first = printed(capsys, "--judge", "brevity")["settings_key"]
    assert printed(capsys, "--judge", "brevity")["settings_key"] == first
    write_judge(BRIEF.replace("<", ">"))
    document = printed(capsys, "--judge", "brevity")
    assert document["settings_key"] != first
    assert document["comparisons"][0]["losses"] == 2


def test_a_model_named_beside_a_program_is_said_to_be_asked_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        "compare",
        "one.jsonl",
        "two.jsonl",
        "--prompts",
        "q.jsonl",
        "--constitutions",
        "c.toml",
    ]
    model = ["--judge", "checks", "--judge-model", "openai:gpt-4o", "--dry-run"]
    assert cli.run([*asked, *model]) == 0
    said = "judge `checks` is a program: openai:gpt-4o is not asked"
    assert said in " ".join("".join(capsys.readouterr()).split())


def test_a_program_may_look_at_the_prompts_first(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_judge(f"{BRIEF}\ndef check_prompts(prompts):\n    return [f'{{len(prompts)}} prompts']\n")
    assert cli.run(["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--judge",
                    "brevity", "--dry-run"]) == 0  # fmt: skip
    assert "2 prompts" in "".join(capsys.readouterr())
