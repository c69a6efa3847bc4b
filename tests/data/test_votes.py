"""Files of votes: what is read, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.core.errors import UsageError
from sami_eval.data.votes import Vote, by_item, is_hub_id, is_votes, outcome_of, read_votes
from tests.records import vote, write_rows

ASKED = [{"role": "user", "content": "?"}]
VOTE = vote(conversation_a=ASKED, conversation_b=ASKED)


@pytest.mark.parametrize(
    ("said", "winner"),
    [("model_a", "a"), ("model_b", "b"), ("tie", "tie"), ("tie (inconsistent)", "tie")],
)
def test_a_vote_is_read(tmp_path: Path, said: str, winner: str) -> None:
    path = write_rows(tmp_path / "v.jsonl", {**VOTE, "winner": said, "turn": 2})
    (vote,) = read_votes(str(path))
    assert (vote.prompt_id, vote.turn, vote.a, vote.b) == ("81", 1, "x", "y")
    assert (vote.winner, vote.voter) == (winner, "author_1")
    assert is_votes(path)


def test_a_json_list_and_parquet_hold_the_same_votes(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = [VOTE, {**VOTE, "winner": "tie", "judge": "author_2"}]
    lines = read_votes(str(write_rows(tmp_path / "v.jsonl", *rows)))
    (tmp_path / "v.json").write_text(json.dumps(rows))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "v.parquet")
    for name in ("v.json", "v.parquet"):
        assert read_votes(str(tmp_path / name)) == lines
        assert is_votes(tmp_path / name)


def test_votes_in_either_orientation_are_on_one_item() -> None:
    votes = [Vote("81", 0, "x", "y", "a", "v"), Vote("81", 0, "y", "x", "a", "w")]
    assert by_item(votes) == {("81", 0, "x", "y"): {"v": "a", "w": "b"}}


def test_a_voter_who_contradicts_himself_says_tie_and_counts_once() -> None:
    votes = [Vote("81", 0, "x", "y", "a", "v"), Vote("81", 0, "y", "x", "a", "v")]
    assert by_item(votes) == {("81", 0, "x", "y"): {"v": "tie"}}
    assert by_item(votes[:1] * 2) == {("81", 0, "x", "y"): {"v": "a"}}


def test_a_majority_decides_and_none_is_a_tie() -> None:
    assert outcome_of({"u": "a", "v": "a", "w": "b"}) == "a"
    assert outcome_of({"u": "a", "v": "b"}) == "tie"


def test_a_hub_id_is_owner_and_name() -> None:
    assert is_hub_id("lmsys/mt_bench_human_judgments:gpt4_pair")
    assert not is_hub_id("votes.jsonl")
    assert not is_hub_id("a/b/c")


# What is no good value of a field. A turn of 1.0 is no whole number.
BAD: dict[str, list[object]] = {
    "question_id": [None, "", " ", True, [], {"x": 1}, 1.5],
    "model_a": [None, "", " ", True, 3, ["x"], "y"],
    "model_b": [None, "", " ", True, 3, ["x"], "x"],
    "winner": [None, "", "x", "Model_A", "a", 1, True, ["tie"]],
    "judge": [None, "", " ", True, 3, [], [3], {"x": 1}],
    "turn": [None, 0, -1, 1.0, 1.5, "1", True, [1], 10**9],
    "conversation_a": ["x", 3, {"x": 1}, ["x"], [{"role": "user"}], [{"role": 1, "content": "x"}]],
    "conversation_b": [True, [None], [{"role": "user", "content": ["x"]}]],
}
NEEDED = [field for field in BAD if not field.startswith("conversation")]


def refused(source: object, capsys: pytest.CaptureFixture[str]) -> str:
    """What `agreement` says when it refuses the votes."""
    assert cli.run(["agreement", "--votes", str(source), str(source)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert "hint: " in said.err
    assert "Traceback" not in said.err
    return said.err.replace("\n", "")


@pytest.mark.parametrize("field", BAD)
def test_a_spoilt_field_is_named_with_its_line(
    field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for bad in BAD[field]:
        error = refused(write_rows(tmp_path / "v.jsonl", VOTE, {**VOTE, field: bad}), capsys)
        assert "v.jsonl:2" in error, bad
        assert f"`{field}`" in error or "compared with itself" in error, bad


@pytest.mark.parametrize("field", NEEDED)
def test_a_missing_field_is_named_with_its_line(
    field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = {name: value for name, value in VOTE.items() if name != field}
    error = refused(write_rows(tmp_path / "v.jsonl", VOTE, short), capsys)
    assert "v.jsonl:2" in error
    assert f"`{field}`" in error


@pytest.mark.parametrize("name", ["v.jsonl", "v.json", "v.parquet"])
@pytest.mark.parametrize(
    "content", [b"{", b'{"question_id": 81', b"[3]", b"null", b'{"x": "\xff"}', b"", b"[" * 100_000]
)
def test_a_broken_file_is_named(
    name: str, content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert name in refused(tmp_path / name, capsys)


@pytest.mark.parametrize("name", ["none.jsonl", "none.json", "none.parquet", "none"])
def test_a_file_that_is_not_there_is_said(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert name in refused(tmp_path / name, capsys)


def test_a_vote_of_a_list_is_named_by_its_line(tmp_path: Path) -> None:
    rows = [json.dumps(row) for row in (VOTE, {**VOTE, "turn": 0})]
    (tmp_path / "v.json").write_text(f"[\n{rows[0]},\n\n  {rows[1]}\n]")
    with pytest.raises(UsageError, match="`turn` is `0`") as caught:
        read_votes(str(tmp_path / "v.json"))
    assert caught.value.where == f"{tmp_path / 'v.json'}:4"


def test_a_data_set_that_cannot_be_had_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UsageError, match="cannot read `nobody/nothing` from the hub") as caught:
        read_votes("nobody/nothing")
    assert "JSON lines" in caught.value.hint
