"""A value is held to its type, becomes what the type says, or is told what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired, TypedDict

import pytest

from sami_eval.core.shape import Id, MisfitError, Name, Text, Texts, Whole, Within, fit, misfit


@dataclass(frozen=True, slots=True)
class Leaf:
    id: Id
    size: Annotated[float, Within(least=0)] = 1.0


@dataclass(frozen=True, slots=True)
class Tree:
    name: Name
    leaves: tuple[Leaf, ...]
    pair: tuple[int, int | None] | None = None
    by_name: Mapping[str, Leaf] = field(default_factory=dict)


class Open(TypedDict):
    turns: Texts
    text: NotRequired[Text]


LEAF: dict[str, Any] = {"id": 3, "size": 2}
TREE: dict[str, Any] = {"name": "oak", "leaves": [LEAF]}


def test_objects_become_dataclasses_lists_tuples_and_numbers_ids() -> None:
    row = {**TREE, "pair": [1, None], "by_name": {"x": {"id": "a/b"}}}
    assert fit(row, Tree) == Tree("oak", (Leaf("3", 2),), (1, None), {"x": Leaf("a/b")})
    assert fit({"turns": ["a"], "more": 1}, Open) == {"turns": ("a",), "more": 1}


def test_what_is_only_checked_stays_as_it_was() -> None:
    row = {**TREE, "pair": [1, None]}
    assert misfit(row, Tree) is None
    assert row == {**TREE, "pair": [1, None]}
    assert misfit(Leaf("x"), Leaf) is None


@pytest.mark.parametrize(
    ("change", "name", "what"),
    [
        ({"name": 3}, "name", "`3`"),
        ({"name": "a\x1b"}, "name", r"`'a\x1b'`"),
        ({"leaves": {}}, "leaves", "`{}`"),
        ({"leaves": [LEAF, {"size": 1}]}, "leaves.1.id", "`None`"),
        ({"leaves": [{**LEAF, "colour": "red"}]}, "leaves.0.colour", "no field here"),
        ({"leaves": [{**LEAF, "size": -1}]}, "leaves.0.size", "`-1`"),
        ({"leaves": [{**LEAF, "size": True}]}, "leaves.0.size", "`True`"),
        ({"leaves": [{**LEAF, "size": float("nan")}]}, "leaves.0.size", "`nan`"),
        ({"leaves": [{**LEAF, "id": 1.0}]}, "leaves.0.id", "`1.0`"),
        ({"leaves": [{**LEAF, "id": True}]}, "leaves.0.id", "`True`"),
        ({"pair": [1]}, "pair", "`[1]`"),
        ({"pair": [1, "x"]}, "pair.1", "`'x'`"),
        ({"by_name": {"x": 3}}, "by_name.x", "`3`"),
    ],
)
def test_the_first_part_that_does_not_fit_is_named(
    change: dict[str, Any], name: str, what: str
) -> None:
    assert misfit({**TREE, **change}, Tree) == (name, what)
    with pytest.raises(MisfitError) as caught:
        fit({**TREE, **change}, Tree)
    assert (caught.value.name, caught.value.what) == (name, what)


def test_a_missing_field_is_missing() -> None:
    assert misfit({"name": "oak"}, Tree) == ("leaves", "missing")


def test_a_whole_number_that_no_float_holds_is_no_number() -> None:
    assert misfit(10**400, float) is not None
    assert misfit(10**400, int) is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({}, ("turns", "`None`, not a list of texts")),
        ({"turns": "a"}, ("turns", "`a`, not a list of texts")),
        ({"turns": ["a", 3]}, ("turns", "`['a', 3]`, not a list of texts")),
        ({"turns": [], "text": " "}, ("text", "` `, not a text")),
        ({"turns": [], "text": "\n"}, ("text", r"`\n`, not a text")),
    ],
)
def test_a_whole_is_told_of_where_a_part_does_not_fit(
    row: dict[str, Any], said: tuple[str, str]
) -> None:
    assert misfit(row, Open) == said


def test_an_empty_list_is_no_list_of_some() -> None:
    some = Annotated[list[int], Whole("numbers", filled=True)]
    assert misfit([], some) == ("", "`[]`, not numbers")
    assert misfit([1], some) is None
