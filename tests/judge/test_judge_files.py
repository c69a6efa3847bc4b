"""Judges are files: found by name or path, every bad field named with its line."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from sami_eval import cli, judge
from sami_eval.core.errors import UsageError
from sami_eval.judge import judges_dirs, read_judge
from tests import ROOT

OWN = ROOT / "judges"
GOOD = """\
name = "strict"
description = "which answer is better"
kind = "pairwise"
model = "openai:some-model"
temperature = 0.5
max_tokens = 100
system = "Compare."

[templates]
one = "{question} {answer_a} {answer_b}"
two = "{question_1} {question_2} {answer_a_1} {answer_a_2} {answer_b_1} {answer_b_2}"

[patterns]
a = ['\\[\\[A\\]\\]']
b = ['\\[\\[B\\]\\]']
tie = ['\\[\\[C\\]\\]']
"""

RULES = 'program = "sami_eval.embedded.rules:compare"'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "judges").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "judges"


def write(folder: Path, text: str) -> str:
    path = folder / "strict.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", ["quality", "principles", "single"])
def test_the_bundled_judges_are_read(name: str) -> None:
    read = read_judge(name)
    assert (read.name, read.temperature, read.max_tokens) == (name, 0.0, 2048)
    assert read.principles == (name == "principles")
    plain = {"one", "two", "more"}
    assert set(read.templates) == plain | {f"{form}-reference" for form in plain}


def test_a_judge_is_found_by_path_and_in_the_current_folder(folder: Path) -> None:
    path = write(folder, GOOD)
    assert read_judge(path).model == read_judge("strict").model == "openai:some-model"
    assert judges_dirs() == (Path("judges"), OWN)


def test_ones_own_judge_comes_before_the_bundled_one(folder: Path) -> None:
    (folder / "quality.toml").write_text(GOOD.replace("strict", "quality"))
    assert read_judge("quality").system == "Compare."


def test_listing_names_every_judge_and_what_is_wrong_with_a_bad_one(folder: Path) -> None:
    write(folder, GOOD.replace("pairwise", "triple"))
    rows = {row[0]: row for row in judge.listing()}
    assert {"quality", "principles", "single", "strict"} <= set(rows)
    assert rows["strict"][1:3] == ("?", "`kind` is `triple`")


def test_a_mistyped_name_gets_a_hint() -> None:
    with pytest.raises(UsageError, match="no judge `qualty`") as caught:
        read_judge("qualty")
    assert "did you mean `quality`?" in caught.value.hint


def test_a_rules_judge_needs_no_prompt(folder: Path) -> None:
    read = read_judge(
        write(
            folder,
            f'name = "strict"\nkind = "program"\n{RULES}\nprinciples = true\n',
        )
    )
    assert (read.kind, read.model, read.principles) == ("program", None, True)


def test_patterns_and_comments_do_not_change_the_hash(folder: Path) -> None:
    before = read_judge(write(folder, GOOD)).sha256
    assert read_judge(write(folder, GOOD.replace("[[C", "[[D") + "# new\n")).sha256 == before
    assert read_judge(write(folder, GOOD.replace("which", "what"))).sha256 == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Compare", "Contrast"),
        ("{question} ", "{question}: "),
        ("0.5", "0.6"),
        ("100", "99"),
        ("[patterns]", "[sections]\nhistory = '{history}'\n[patterns]"),
    ],
)
def test_what_the_judge_is_asked_changes_the_hash(folder: Path, old: str, new: str) -> None:
    before = read_judge(write(folder, GOOD)).sha256
    assert read_judge(write(folder, GOOD.replace(old, new))).sha256 != before


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ('name = "strict"', 'name = "lax"', "`lax` lies in `strict.toml`", 1),
        ('name = "strict"', "name = 3", "`name` is `3`, not a text", 1),
        ('"which answer is better"', "[]", "`description` is `[]`", 2),
        ('"pairwise"', '"triple"', "`kind` is `triple`", 3),
        ('"pairwise"', '"single"', "`templates.one` lacks `{answer}`", 10),
        ('kind = "pairwise"\n', "", "`kind` is missing", None),
        ('"openai:some-model"', "true", "`model` is `True`", 4),
        ('"openai:some-model"', '""', "`model` is `''`", 4),
        ("0.5", '"cold"', "`temperature` is `'cold'`", 5),
        ("0.5", "-1", "`temperature` is `-1`", 5),
        ("0.5", "2.1", "`temperature` is `2.1`", 5),
        ("0.5", "nan", "`temperature` is `nan`", 5),
        ("0.5", "true", "`temperature` is `True`", 5),
        ("100", "0", "`max_tokens` is `0`", 6),
        ("100", "-5", "`max_tokens` is `-5`", 6),
        ("100", "1.5", "`max_tokens` is `1.5`", 6),
        ('"Compare."', "7", "`system` is `7`", 7),
        ("temperature", "temprature", "unknown field `temprature`", 5),
        ("system =", "principles = 1\nsystem =", "`principles` is `1`", 7),
        ("[templates]", "[template]", "unknown field `template`", 9),
        ("one =", "on =", "unknown field `templates.on`", 10),
        ("one = ", "one-reference = ", "`templates.one` is missing", 9),
        ("{answer_b}", "", "`templates.one` lacks `{answer_b}`", 10),
        ("{question}", "{question} {topic}", "`templates.one` has an unknown `{topic}`", 10),
        ("{answer_b_2}", "", "`templates.two` lacks `{answer_b_2}`", 11),
        ('"{question} {answer_a} {answer_b}"', "4", "`templates.one` is `4`", 10),
        ("[patterns]", "[pattern]", "unknown field `pattern`", 13),
        ("two =", 'more = "{questions}"\ntwo =', "`templates.more` lacks `{answers_a}`", 11),
        ("[pat", "[sections]\nchecks = ''\n[pat", "unknown field `sections.checks`", 14),
        ("[pat", "[sections]\nhistory = ''\n[pat", "`sections.history` lacks `{history}`", 14),
        ("tie =", "ties =", "unknown field `patterns.ties`", 16),
        ("b = ['", "# ['", "`patterns.b` is missing", 13),
        ("['\\[\\[A\\]\\]']", '"A"', "`patterns.a` is `'A'`", 14),
        ("['\\[\\[A\\]\\]']", "[]", "`patterns.a` is `[]`", 14),
        ("['\\[\\[A\\]\\]']", "[1]", "`patterns.a` is `[1]`", 14),
        ("['\\[\\[A\\]\\]']", "['(']", "`(` is no regular expression", 14),
        ("['\\[\\[A\\]\\]']", "['A*']", "`A*` matches an empty reply", 14),
        ("0.5", "", "not TOML", 5),
        ("0.5", "0.5\ntemperature = 0.6", "not TOML", None),
    ],
)
def test_a_bad_field_is_named_with_its_line(
    folder: Path, old: str, new: str, message: str, line: int | None
) -> None:
    assert old in GOOD
    path = write(folder, GOOD.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        read_judge(path)
    assert message in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 2
    if line is not None:
        assert caught.value.where == f"{path}:{line}"


def refused(folder: Path, pattern: str, capsys: pytest.CaptureFixture[str]) -> str:
    path = write(folder, GOOD.replace("'\\[\\[A\\]\\]'", f"'{pattern}'"))
    assert cli.run(["compare", "base", "sft", "--judge", path, "--dry-run"]) == 2
    said = capsys.readouterr().err
    assert f"--> {path}:14" in said
    return said.splitlines()[0]


HANGING = [r"(a+)+$", r"(?:\w+\s?)*:", r"(x+x+)+y", r"((Answer)+)+!", r"(A|AA)+$", r"(\[+)+A"]
HANGING += [r"(?:(?:ab)+c?)+d", r"\d+\s*\d+\s*\d+\s*A", r".*.*.*.*X"]


@pytest.mark.parametrize("pattern", HANGING)
def test_a_pattern_that_can_hang_is_refused_with_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str], pattern: str
) -> None:
    start = time.process_time()
    said = refused(folder, pattern, capsys)
    assert said == f"error: `{pattern}` can take for ever on a reply"
    assert time.process_time() - start < 20


@pytest.mark.parametrize(
    "pattern", ["Verdict A{1000000000}", "(x{2,9999}y){9999} A", "A{0,%s}" % ("9" * 400)]
)
def test_a_pattern_that_unfolds_beyond_memory_is_refused_before_it_is_compiled(
    folder: Path, capsys: pytest.CaptureFixture[str], pattern: str
) -> None:
    said = refused(folder, pattern, capsys)
    assert said == f"error: `{pattern}` repeats something more than 10,000 times"


@pytest.mark.parametrize("pattern", ["A", "B+", r"\bA\b", "[ABC]", "(?i)a", r"A\.?$", "^A", "1"])
def test_a_verdict_of_a_single_letter_in_prose_is_refused_with_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str], pattern: str
) -> None:
    assert "matches the bare letter `" in refused(folder, pattern, capsys)


@pytest.mark.parametrize(
    "pattern",
    [r"\[\[\s*A\s*\]\]", "(?m)^A$", r"\AA\W*\Z", "(?i)winner: a", r"(?s).*Verdict: A", "A wins"],
)
def test_a_pattern_that_names_the_verdict_is_taken(folder: Path, pattern: str) -> None:
    read = read_judge(write(folder, GOOD.replace("\\[\\[A\\]\\]", pattern)))
    assert read.patterns["a"] == (pattern,)


def test_a_rating_pattern_has_one_group(folder: Path) -> None:
    text = (OWN / "single.toml").read_text().replace('name = "single"', 'name = "strict"')
    path = write(folder, text[: text.index("rating = [")] + "rating = ['rated [0-9]']\n")
    with pytest.raises(UsageError, match="has 0 groups"):
        read_judge(path)


WEIGHTED = (
    GOOD.replace("max_tokens = 100\n", "logprobs = true\ntop_logprobs = 5\n")
    + """
[tokens]
a = ["m"]
b = ["M", " No. 2"]
"""
)


def test_a_judge_of_one_token(folder: Path) -> None:
    read = read_judge(write(folder, WEIGHTED))
    assert (read.max_tokens, read.top_logprobs) == (1, 5)
    assert read.tokens == {"a": ("m",), "b": ("M", "No. 2")}
    assert set(read.patterns) == {"a", "b", "tie"}
    for said, winner in (("m", "a"), ("M.", "b"), ("No. 2", "b"), ("It is [[A]]", "a")):
        assert judge.parse_verdict(said, read) == winner
    assert judge.parse_verdict("m or M", read) is None
    choice = read_judge("choice")
    assert (choice.max_tokens, choice.top_logprobs) == (1, 20)
    assert choice.tokens == {"a": ("A",), "b": ("B",)}
    assert set(choice.patterns) == {"a", "b"}
    assert set(choice.templates) == set(read_judge("quality").templates)


def test_tokens_do_not_change_the_hash_and_probabilities_do(folder: Path) -> None:
    before = read_judge(write(folder, WEIGHTED)).sha256
    assert read_judge(write(folder, WEIGHTED.replace('["m"]', '["n"]'))).sha256 == before
    for other in (WEIGHTED.replace("= 5", "= 6"), GOOD.replace("= 100", "= 1")):
        assert read_judge(write(folder, other)).sha256 != before


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("logprobs = true", "logprobs = 1", "`logprobs` is `1`", 6),
        ("logprobs = true\n", "", "`top_logprobs` without `logprobs`", 6),
        ("logprobs = true\ntop_logprobs = 5\n", "", "`tokens` without `logprobs`", 17),
        ("= 5", "= 0", "`top_logprobs` is `0`", 7),
        ("= 5", "= 21", "`top_logprobs` is `21`", 7),
        ("= 5", "= 1.5", "`top_logprobs` is `1.5`", 7),
        ("= 5", "= nan", "`top_logprobs` is `nan`", 7),
        ('"pairwise"', '"single"', "`logprobs` for a judge of kind `single`", 6),
        ('a = ["m"]', 'c = ["m"]', "unknown field `tokens.c`", 20),
        ('a = ["m"]\n', "", "`tokens.a` is missing", 19),
        ('a = ["m"]', 'a = "m"', "`tokens.a` is `'m'`", 20),
        ('a = ["m"]', "a = []", "`tokens.a` is `[]`", 20),
        ('a = ["m"]', "a = [1]", "`tokens.a` is `[1]`", 20),
        ('a = ["m"]', 'a = [" ."]', "` .` is no token", 20),
        ('a = ["m"]', 'a = ["M "]', "`M` is no token", 21),
        ("tie = [", "d = [", "unknown field `patterns.d`", 17),
    ],
)
def test_a_bad_field_of_a_judge_of_one_token_is_named_with_its_line(
    folder: Path, old: str, new: str, message: str, line: int
) -> None:
    assert old in WEIGHTED
    path = write(folder, WEIGHTED.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        read_judge(path)
    assert message in caught.value.message
    assert caught.value.where == f"{path}:{line}"


def test_a_rules_judge_has_no_temperature(folder: Path) -> None:
    path = write(
        folder,
        f'name = "strict"\nkind = "program"\n{RULES}\ntemperature = 0\n',
    )
    with pytest.raises(UsageError, match="unknown field `temperature`"):
        read_judge(path)


def test_a_file_that_is_no_utf_8_is_refused_with_its_line(folder: Path) -> None:
    path = folder / "strict.toml"
    path.write_bytes(b'name = "strict"\nkind = "\xff"\n')
    with pytest.raises(UsageError, match="not UTF-8") as caught:
        read_judge(str(path))
    assert caught.value.where == f"{path}:2"


def test_a_missing_file_and_a_folder_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="no judge file"):
        read_judge("judges/none.toml")
    (folder / "strict.toml").mkdir()
    with pytest.raises(UsageError, match="cannot read"):
        read_judge("strict")


def test_judges_inside_an_installed_package_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "sami_eval"
    (package / "core").mkdir(parents=True)
    shutil.copytree(OWN, package / "judges")
    monkeypatch.setattr("sami_eval.core.files.__file__", str(package / "core" / "files.py"))
    assert judges_dirs()[-1] == package / "judges"
