from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sami_eval.align import find_methods, listing, load_method, methods_in
from sami_eval.core.errors import UsageError
from sami_eval.generate.recipes import BUNDLED, match, parse

METHODS = find_methods(Path("none"))


@pytest.mark.parametrize(
    ("spec", "chain", "name"),
    [
        ("base", (), "base"),
        ("sft", ("sft",), "sft"),
        ("base+sft", ("sft",), "sft"),
        ("sami", ("sft", "sami"), "sft+sami"),
        ("dpo", ("sft", "dpo"), "sft+dpo"),
        ("kto", ("sft", "kto"), "sft+kto"),
        ("sft+sami", ("sft", "sami"), "sft+sami"),
        ("base+sami", ("sami",), "base+sami"),
        ("base+dpo", ("dpo",), "base+dpo"),
        ("sft+sami+dpo", ("sft", "sami", "dpo"), "sft+sami+dpo"),
        ("base+sami+dpo", ("sami", "dpo"), "base+sami+dpo"),
    ],
)
def test_a_recipe_is_a_chain_with_a_name(spec, chain, name):
    recipe = parse(spec, METHODS)
    assert (recipe.chain, recipe.name) == (chain, name)
    assert parse(recipe.name, METHODS) == recipe


@pytest.mark.parametrize(
    ("spec", "seeds"), [("sami", ()), ("sami@2", (2,)), ("base+dpo@1,2,3", (1, 2, 3))]
)
def test_seeds_follow_the_at_sign(spec, seeds):
    assert parse(spec, METHODS).seeds == seeds


def test_links_are_trained_left_to_right():
    links = parse("sft+sami+dpo@4", METHODS).links()
    assert [link.name for link in links] == ["sft", "sft+sami", "sft+sami+dpo"]
    assert {link.seeds for link in links} == {(4,)}
    assert parse("base", METHODS).links() == []


@pytest.mark.parametrize(
    "spec", ["gpt2", "meta-llama/Llama-3.1-8B", "sft+ppo", "sami+base", "", "openai:gpt-4o"]
)
def test_other_names_are_no_recipe(spec):
    assert match(spec, METHODS) is None
    with pytest.raises(UsageError) as caught:
        parse(spec, METHODS)
    assert f"`{spec}`" in caught.value.message
    assert "`sami`" in caught.value.hint


def test_a_chain_that_does_not_say_where_it_begins_is_refused():
    with pytest.raises(UsageError) as caught:
        match("sami+dpo", METHODS)
    assert "`sft+sami+dpo` or `base+sami+dpo`" in caught.value.hint


@pytest.mark.parametrize("spec", ["sami@", "sami@x", "sami@1,,2", "sami@-1", "sami@1,1", "sami@²"])
def test_bad_seeds_are_refused(spec):
    with pytest.raises(UsageError, match="sami"):
        match(spec, METHODS)


def test_the_folder_listing_is_the_registry(tmp_path):
    own = tmp_path / "methods"
    own.mkdir()
    (own / "votes.py").write_text("def train(contrasts, base, options, out, progress): ...\n")
    (own / "_draft.py").write_text("raise SystemExit\n")
    assert find_methods(own).keys() == {path.stem for path in BUNDLED.glob("[!_]*.py")} | {"votes"}
    assert find_methods(own)["votes"] == own / "votes.py"
    assert callable(load_method(own / "votes.py").train)


def test_the_listing_says_what_a_method_does_without_importing_it(tmp_path):
    (tmp_path / "votes.py").write_text('"""Thumbs up or down.\n\nMore."""\nraise SystemExit\n')
    (tmp_path / "odd.py").write_text("def train(:\n")
    rows = {name: (what, file) for name, what, file in listing(tmp_path)}
    assert rows["votes"] == ("Thumbs up or down.", str(tmp_path / "votes.py"))
    assert rows["odd"][0].startswith("cannot be read: ")
    assert "mutual information" in rows["sami"][0]


def test_a_users_file_wins_over_ours(tmp_path):
    (tmp_path / "dpo.py").write_text("def train(contrasts, base, options, out, progress): ...\n")
    assert find_methods(tmp_path)["dpo"] == tmp_path / "dpo.py"


def test_a_method_may_be_given_by_its_path(tmp_path):
    file = tmp_path / "mine.py"
    file.touch()
    spec, known = methods_in(f"base+{file}@3", tmp_path / "none")
    assert (spec, known["mine"]) == ("base+mine@3", file)
    with pytest.raises(UsageError, match=r"`missing\.py`"):
        methods_in("missing.py")


def test_a_module_without_train_is_no_method(tmp_path):
    (tmp_path / "empty.py").touch()
    with pytest.raises(UsageError, match="no function `train`"):
        load_method(tmp_path / "empty.py")


def test_a_method_that_does_not_parse_is_named(tmp_path):
    (tmp_path / "bad.py").write_text("def train(:\n")
    with pytest.raises(UsageError) as caught:
        load_method(tmp_path / "bad.py")
    assert caught.value.where == str(tmp_path / "bad.py")


def test_importing_align_imports_no_torch():
    code = (
        "import sys, sami_eval.align.chain, sami_eval.align.contrast, sami_eval.generate.card; "
        "print(sorted({'torch', 'transformers', 'trl', 'peft', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
