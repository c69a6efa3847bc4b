"""What a model is: the first of these that a spec matches.

1. a name under `[models]` in sami-eval.toml
2. a recipe (`base`, `sft`, `sami@1,2,3`): an adapter under adapters/ for the current base;
   `NAME:STEP` and `NAME:all`, the checkpoints kept of one, or of a folder or name with an adapter
3. a folder with adapter_config.json, a local model folder, or a .gguf file
4. `openai:MODEL`: any compatible server; `azure:`, `anthropic:`, `gemini:`, `openrouter:`;
   `X:MODEL` under [servers.X]
5. a recorded file of answers
6. a hub id, `ID@REVISION` for another than its main one
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sami_eval.core.config import ASKED_SO, Config
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model
from sami_eval.data.answers import read_answers
from sami_eval.generate import fingerprints, gguf, grounds, peft_folder, recipes, steps
from sami_eval.generate.listing import list_models as list_models
from sami_eval.generate.listing import unknown
from sami_eval.generate.recipes import ADAPTERS, methods_in
from sami_eval.ledger.store import key
from sami_eval.server.named import served

# (recipe with one seed, base) -> its adapter on that base; raises UsageError where it is missing.
Ensure = Callable[[str, Model], Model]

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?")
_PATH_LIKE = (".json", ".jsonl", "/")


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
    kept: Ensure | None = None,
) -> list[list[Model]]:
    """As `resolve_all`, the models of each spec in a list of their own."""
    taken: set[str] = set()
    each: list[list[Model]] = []
    for spec in specs:
        each.append([])
        found = resolve(spec, base, config=config, base_url=base_url, ensure=ensure, kept=kept)
        for model in found:
            n, name, stem = 2, model.name, steps.stem(model)
            while name in taken:
                name, n = f"{stem} ({n}){model.name.removeprefix(stem)}", n + 1
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
    kept: Ensure | None = None,
) -> list[Model]:
    """What a spec names: one model, several for seeds, checkpoints or a file of several's answers.

    base: what recipes stand on; None is the embedded base.
    ensure: returns a recipe's adapter, training it where it is missing; by default a missing one
        raises UsageError naming the `align` command.
    kept: the same of a recipe whose checkpoints are asked for; it need not train. Default: ensure.
    """
    if spec in config.models:
        return [_named(spec, config, base_url)]
    model = served(spec, config, base_url)
    if model is not None:
        return [model]
    name, which = steps.split(spec)
    several = which and _checkpoints(name, which, base, config, kept or ensure or _missing)
    if several:
        return several
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


def _checkpoints(
    name: str, which: str, base: str | None, config: Config, ensure: Ensure
) -> list[Model]:
    """The checkpoints of a training that are asked for; none of what may be something else."""
    plain, files = methods_in(name)
    recipe = recipes.match(plain, files)
    if recipe is not None and recipe.chain:
        ground, on = resolve_base(base, config), f" --base {base}" if base else ""
        plain, several = plain.partition("@")[0], list[Model]()
        for one in [f"{plain}@{seed}" for seed in recipe.seeds] or [plain]:
            command = f"sami-eval align {one} --keep-checkpoints 10{on}"
            several += _of_trained(one, which, ground, files, ensure, command)
        return several
    row = config.models.get(name)
    lies = Path((row or {}).get("adapter", name)).expanduser()
    folder = config.root / lies if row else lies
    if not folder.is_dir() or (row and "adapter" not in row):
        return []

    def at(path: Path) -> Model:
        return _named(name, config, None, path) if row else _of_folder(path, base, config)

    called = name if row else folder.resolve().name
    hint = "a training's folder has checkpoint-STEP/adapter_config.json in it"
    ended = any((folder / file).is_file() for file in (peft_folder.CONFIG, "config.json"))
    return steps.chosen(called, which, folder, at, hint, at(folder) if ended else None)


def _of_trained(
    spec: str,
    which: str,
    base: Model,
    methods: Mapping[str, Path],
    ensure: Ensure,
    command: str,
) -> list[Model]:
    """The checkpoints of a recipe with one seed at most. command: what keeps some."""
    try:
        (final,) = _of_recipe(spec, recipes.parse(spec, methods), base, ensure)
    except UsageError as error:
        raise UsageError(error.message, command) from None
    return _kept(final, which, base, command)


def _kept(final: Model, which: str, base: Model, command: str) -> list[Model]:
    """A trained recipe's checkpoints, on what it stands on itself."""
    ground = base.fingerprint
    if final.base != base.base:  # an earlier link is a whole checkpoint
        ground = fingerprints.folder_fingerprint(Path(final.base))

    def at(path: Path) -> Model:
        fingerprint = peft_folder.fingerprint(ground, path)
        return replace(final, adapter=str(path), fingerprint=fingerprint)

    folder = Path(final.adapter or final.base)
    return steps.chosen(final.name, which, folder, at, command, final)


def _named(
    name: str, config: Config, base_url: str | None, checkpoint: Path | None = None
) -> Model:
    """checkpoint: the folder of one, in the place of its adapter's."""
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
        folder = checkpoint or config.root / Path(row["adapter"]).expanduser()
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
        raise unknown(spec, config)
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
