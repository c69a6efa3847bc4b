"""What a model is: the first of these that a spec matches.

1. a name under `[models]` in sami-eval.toml
2. a recipe (`base`, `sft`, `sami@1,2,3`): an adapter under adapters/ for the current base
3. a folder with adapter_config.json, a local model folder, or a .gguf file
4. `openai:MODEL`: any compatible server; `azure:`, `anthropic:`, `gemini:`, `openrouter:`;
   `X:MODEL` under [servers.X]
5. a recorded file of answers
6. a hub id, `ID@REVISION` for another than its main one
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sami_eval.core.config import ASKED_SO, Config
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model
from sami_eval.data.answers import read_answers
from sami_eval.generate import fingerprints, gguf, grounds, peft_folder, recipes
from sami_eval.generate.recipes import ADAPTERS, find_methods, methods_in
from sami_eval.ledger.store import key
from sami_eval.server.named import nearest, served

# (recipe with one seed, base) -> its adapter on that base; raises UsageError where it is missing.
Ensure = Callable[[str, Model], Model]

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?")
_PATH_LIKE = (".json", ".jsonl", "/")


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of `sami-eval ls models`. source: the file or folder it comes from."""

    name: str
    what: str
    source: str


def resolve_all(
    specs: Sequence[str],
    base: str | None = None,
    *,
    config: Config,
    base_url: str | None = None,
    ensure: Ensure | None = None,
) -> list[Model]:
    """The models of all specs, in order; a name that occurs again gets a number: `base (2)`."""
    each = resolve_each(specs, base, config=config, base_url=base_url, ensure=ensure)
    return [model for several in each for model in several]


def resolve_each(
    specs: Sequence[str],
    base: str | None = None,
    *,
    config: Config,
    base_url: str | None = None,
    ensure: Ensure | None = None,
) -> list[list[Model]]:
    """As `resolve_all`, the models of each spec in a list of their own."""
    taken: set[str] = set()
    each: list[list[Model]] = []
    for spec in specs:
        each.append([])
        for model in resolve(spec, base, config=config, base_url=base_url, ensure=ensure):
            n, name = 2, model.name
            while name in taken:
                name, n = f"{model.name} ({n})", n + 1
            taken.add(name)
            each[-1].append(replace(model, name=name))
    return each


def resolve(
    spec: str,
    base: str | None = None,
    *,
    config: Config,
    base_url: str | None = None,
    ensure: Ensure | None = None,
) -> list[Model]:
    """What a spec names: one model, several for seeds or a file with several models' answers.

    base: what recipes stand on; None is the embedded base.
    ensure: returns a recipe's adapter, training it where it is missing; by default a missing one
        raises UsageError naming the `align` command.
    """
    if spec in config.models:
        return [_named(spec, config, base_url)]
    model = served(spec, config, base_url)
    if model is not None:
        return [model]
    plain, files = methods_in(spec)
    recipe = recipes.match(plain, files)
    if recipe is not None:
        return _of_recipe(spec, recipe, resolve_base(base, config), ensure or _missing)
    path = Path(spec).expanduser()
    if path.is_dir():
        return [_of_folder(path, base, config)]
    if gguf.is_gguf(path):
        return [_of_gguf(path, config)]
    if path.is_file():
        return _of_record(path)
    return [_of_hub(spec, base, config)]


def resolve_base(base: str | None, config: Config, revision: str | None = None) -> Model:
    """The model that recipes stand on: the embedded one by default, a folder, a file, a hub id.

    Raises UsageError for what cannot carry an adapter.
    """
    if base is None:
        from sami_eval import embedded

        return _local(embedded.BASE_DIR, recipes.BASE)
    if base in config.models:
        model = _named(base, config, None)
    elif Path(base).expanduser().is_dir():
        model = _of_folder(Path(base).expanduser(), None, config)
    elif gguf.is_gguf(Path(base).expanduser()):
        model = _of_gguf(Path(base).expanduser(), config)
    else:
        spec = f"{base}@{revision}" if revision and "@" not in base else base
        model = _of_hub(spec, None, config)
    if model.engine != "local" or model.adapter is not None:
        raise UsageError(f"base `{base}` is not a plain model", "name a hub id or a model folder")
    return replace(model, name=recipes.BASE)


def _named(name: str, config: Config, base_url: str | None) -> Model:
    row, where = config.models[name], str(config.path) if config.path else None
    if "base" not in row and "adapter" not in row:
        raise UsageError(f"model `{name}` has no `base`", 'write base = "..."', where)
    at = served(name, config, base_url)
    if at is not None:
        return at
    for asked in {*ASKED_SO} & {*row}:
        raise UsageError(
            f"model `{name}` has `{asked}`, and no server is asked", "leave it out", where
        )
    others = {other: row for other, row in config.models.items() if other != name}
    config = replace(config, models=others)  # a name may be that of its own base
    base = _beside(row["base"], config.root) if "base" in row else None
    if "adapter" in row:
        folder = config.root / Path(row["adapter"]).expanduser()
        if not (folder / peft_folder.CONFIG).is_file():
            raise _no_model(folder, where)
        model = _of_adapter(folder, base, config, row.get("revision"))
    else:
        model = resolve_base(str(base), replace(config, models={}), row.get("revision"))
    template = _template(row["chat_template"], config.root) if "chat_template" in row else None
    return replace(model, name=name, chat_template=template)


def _beside(spec: str, root: Path) -> str:
    """A folder or file given relative to the config file; else the spec as it is."""
    path = root / Path(spec).expanduser()
    return str(path) if path.is_dir() or gguf.is_gguf(path) else spec


def _template(text: str, root: Path) -> str:
    """A chat template given as text, which holds a {, or as a file."""
    if "{" in text:
        return text
    try:
        return (root / text).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read chat template `{root / text}`: {error}", "chat_template = a file or text"
        ) from None


def _missing(spec: str, base: Model) -> Model:
    """Adapters of recipes are looked for by who may train them, and says so by `ensure`."""
    raise UsageError(f"recipe `{spec}` is not looked for here", f"name its folder in {ADAPTERS}/")


def _of_recipe(spec: str, recipe: recipes.Recipe, base: Model, ensure: Ensure) -> list[Model]:
    if not recipe.chain:
        if recipe.seeds:
            raise UsageError(f"`{spec}`: the base is not trained, it has no seeds", "write `base`")
        return [base]
    plain = spec.partition("@")[0]
    if not recipe.seeds:
        return [replace(ensure(plain, base), name=recipe.name)]
    return [
        replace(ensure(f"{plain}@{seed}", base), name=f"{recipe.name}@{seed}")
        for seed in recipe.seeds
    ]


def _of_record(path: Path) -> list[Model]:
    names = dict.fromkeys(response.model for response in read_answers(path))
    return [
        Model(
            name,
            str(path),
            engine="recorded",
            fingerprint=fingerprints.record_fingerprint(path, name),
        )
        for name in names
    ]


def _of_folder(path: Path, base: str | None, config: Config) -> Model:
    if (path / peft_folder.CONFIG).is_file():
        return _of_adapter(path, base, config)
    if (path / "config.json").is_file():
        model = _local(path, path.resolve().name)
        return grounds.with_tokenizer(
            model, base, config, lambda spec, _: resolve_base(spec, config)
        )
    raise _no_model(path)


def _no_model(path: Path, where: str | None = None) -> UsageError:
    """That a folder is no model, and which folder right below it is one."""
    hint = "a model folder has config.json, an adapter adapter_config.json"
    inner, files = peft_folder.below(path), sorted(path.glob(f"*{gguf.SUFFIX}"))
    if files:
        hint = f"name the file inside it: {files[0]}"
    elif inner:
        more = f" (or another of its {len(inner)})" if len(inner) > 1 else ""
        hint = f"name the folder inside it: {inner[0]}{more}"
    return UsageError(f"`{path}` holds no model", hint, where)


def _local(path: Path, name: str) -> Model:
    if not (path / "config.json").is_file():
        raise _no_model(path)
    fingerprint = fingerprints.folder_fingerprint(path)
    return Model(name, str(path), fingerprint=fingerprint, source=gguf.source_of(path))


def _of_gguf(path: Path, config: Config) -> Model:
    model = _local(gguf.converted(path, config), path.name)
    return replace(model, source=str(path))


def _of_adapter(path: Path, base: str | None, config: Config, revision: str | None = None) -> Model:
    """The adapter on the base it was trained on, or on one that may stand in for it.

    revision: of the base, as the config file names it.
    """

    def ground(spec: str | None, stated: str | None) -> Model:
        return resolve_base(spec, config, revision or stated)

    peft_folder.check_kind(path)
    model = grounds.base_of_adapter(grounds.stated(path), base, config, ground)
    return replace(
        model,
        name=path.resolve().name,
        adapter=str(path),
        fingerprint=peft_folder.fingerprint(model.fingerprint, path),
    )


def _of_hub(spec: str, base: str | None, config: Config) -> Model:
    if spec.lower().endswith(gguf.SUFFIX):
        raise UsageError(f"no file `{spec}`", "hf download OWNER/NAME FILE.gguf --local-dir .")
    repo, _, revision = spec.partition("@")
    is_id = _HUB_ID.fullmatch(spec) is not None and not spec.endswith(_PATH_LIKE)
    commit = fingerprints.hub_commit(repo, revision or None) if is_id else None
    if commit is None:
        raise _unknown(spec, config)
    folder = _hub_adapter(repo, commit)
    if folder is not None:
        return replace(_of_adapter(folder, base, config), name=repo)
    return Model(repo, repo, revision=commit, fingerprint=key("hub", repo, commit))


def _hub_adapter(repo: str, commit: str) -> Path | None:
    """The local copy of a hub repository that is an adapter, else None."""
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        hf_hub_download(repo, peft_folder.CONFIG, revision=commit)
    except EntryNotFoundError:  # a missing cache entry included
        return None
    return Path(snapshot_download(repo, revision=commit))


def _unknown(spec: str, config: Config) -> UsageError:
    name, mark, seeds = spec.rpartition("@")
    if mark and "," in seeds:  # several seeds: of a recipe, or of nothing
        return UsageError(
            f"`{spec}`: `{name}` is no recipe, and nothing else has seeds",
            f"name each model by itself, or a recipe: sami@{seeds}; sami-eval ls models lists them",
        )
    known = [listed.name for listed in list_models(config)]
    at = nearest(spec, config)
    close = [at] if at else difflib.get_close_matches(spec, known, n=2)
    meant = f"did you mean {' or '.join(f'`{name}`' for name in close)}? " if close else ""
    return UsageError(
        f"unknown model `{spec}`",
        f"{meant}it is no name in sami-eval.toml, no recipe ({', '.join(known)}), no folder, "
        "no file, not `openai:MODEL`, and no hub id that is cached or can be reached",
    )


def list_models(config: Config) -> list[Listed]:
    """What can be named without a path: [models], recipes, and the adapters trained so far."""
    named = [
        Listed(name, row.get("adapter") or row.get("base", ""), str(config.path))
        for name, row in config.models.items()
    ]
    paths = find_methods()
    plain = [Listed(recipes.BASE, "the base itself", "--base, by default the embedded one")]
    for method, file in sorted(paths.items()):
        recipe = recipes.parse(method, paths)
        plain.append(Listed(method, f"recipe {recipe.name}", str(file)))
    adapters = [
        Listed(str(path.parent.relative_to(config.root)), "trained adapter", str(path.parent))
        for path in sorted((config.root / ADAPTERS).glob(f"*/[!.]*/{peft_folder.CONFIG}"))
    ]
    return [*named, *plain, *adapters]
