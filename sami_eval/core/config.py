"""`sami-eval.toml`: named models, prices and defaults; flags win over the file.

base = "meta-llama/Llama-3.1-8B"          # what recipes like `sami` stand on
judge = "principles"
judge-model = "openai:gpt-4o"

[models.mine]                             # `sami-eval compare mine sft`
base = "meta-llama/Llama-3.1-8B"
adapter = "out/my-adapter"

[servers.ours]                            # `ours:llama` is asked there: core/servers.py
base_url = "http://127.0.0.1:8000/v1"

[prices."gpt-4o"]                         # USD per million tokens
input = 2.5
output = 10.0

[compare]                                 # any flag of `sami-eval compare`: core/settings_file.py
limit = 40
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args

from sami_eval.core import address, task_files
from sami_eval.core.config_keys import COMMANDS, DefaultKeys, Engine, ModelKeys
from sami_eval.core.described import Says, keys_of
from sami_eval.core.errors import UsageError, did_you_mean
from sami_eval.core.files import Toml, read_toml, shown
from sami_eval.core.request_fields import read_request, read_thoughts
from sami_eval.core.servers import NOT_A_VARIABLE, WRITE_KEY, Server, is_variable, read_server
from sami_eval.core.shape import MisfitError, Within, fit

FILE_NAME = "sami-eval.toml"
ASKED_SO = ("request", "thoughts")  # of a model at a server; no texts
NAMED = ("models", "servers", "prices")  # tables of tables, each by a name
CHOSEN = "SAMI_EVAL_CONFIG"  # names the file to read, wherever it lies and whoever owns it
MOST_USD = 1e6  # a million tokens never cost more; a larger number is a slip
ENGINES = get_args(Engine)
MODEL_FIELDS = tuple(name for name in ModelKeys.__annotations__ if name not in ASKED_SO)
DEFAULT_FIELDS = tuple(DefaultKeys.__annotations__)
PRICED = "write input = 2.5 and output = 10.0, in USD per million tokens"
Usd = Annotated[float, Within(least=0, most=MOST_USD)]


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens.

    cached: None is as of the other tokens read. batch: None is not known to be sold so.
    batch_cached: None is as outside, never more than the others there.
    up_to: tokens of a prompt beyond which this is not the price; None: of every prompt.
    """

    input: Annotated[Usd, Says("USD per million tokens read.", 2.5)]
    output: Annotated[Usd, Says("USD per million tokens written.", 10.0)]
    cached: Annotated[Usd, Says("Of tokens read that the server had in a cache.", 1.25)] | None = (
        None
    )
    cache_write: Annotated[Usd, Says("Of those it put into one; else unknown.", 3.125)] | None = (
        None
    )
    batch: (
        Annotated[
            float,
            Within(above=0, most=1),
            Says("The share of input and output that a batch job costs.", 0.5),
        ]
        | None
    ) = None
    batch_cached: Annotated[Usd, Says("Of cached tokens in a batch job.", 0.625)] | None = None
    up_to: Annotated[int, Within(least=1)] | None = None

    def in_batch(self) -> Price | None:
        """The price of a batch job; None where it is not known."""
        if self.batch is None:
            return None
        most = self.input * self.batch
        usual = most if self.cached is None else min(self.cached, most)
        cached = usual if self.batch_cached is None else self.batch_cached
        write = None if self.cache_write is None else self.cache_write * self.batch
        return Price(most, self.output * self.batch, cached, write, up_to=self.up_to)


PRICE_FIELDS = tuple(key.name for key in keys_of(Price))


@dataclass(frozen=True, slots=True)
class Config:
    """What the nearest `sami-eval.toml` says; empty without one.

    root: the folder that holds `.sami-eval/`, `adapters/` and `runs/`: the file's, else the
        current one.
    file: as it was read, with the tables of the commands' flags.
    models: name -> fields of MODEL_FIELDS; `request` as JSON, `thoughts` in digits.
    servers: by the name that stands in front of a model.
    said: warnings given so far.
    """

    root: Path
    path: Path | None = None
    models: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    servers: Mapping[str, Server] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    file: Toml | None = field(default=None, compare=False, repr=False)
    said: set[str] = field(default_factory=set, compare=False, repr=False)

    def warn(self, text: str) -> None:
        """Print a warning to stderr, once a command."""
        self.say(f"warning: {text}")

    def say(self, text: str) -> None:
        """Print a line to stderr, once a command."""
        if text not in self.said:
            self.said.add(text)
            print(text, file=sys.stderr, flush=True)

    def tell(self, name: str) -> None:
        """Say which default of the file decides something, and on which line it stands."""
        if self.file is not None and name in self.defaults:
            self.say(decided_line(self.file, [(name, (name,), self.defaults[name])]))

    def choice(self, name: str, given: str | None = None) -> str | None:
        """What was given, else the file's default, which is then said."""
        if given is None:
            self.tell(name)
        return given or self.defaults.get(name)

    @property
    def ledger_path(self) -> Path:
        """Where the ledger lies."""
        return self.root / ".sami-eval" / "ledger.db"


def decided_line(file: Toml, several: Sequence[tuple[str, Sequence[str], object]]) -> str:
    """What a file decides, in one line: names as typed, where each stands, and the values."""
    parts = [
        f"{name} {_plain(value)} (line {file.where(at).rpartition(':')[2]})"
        for name, at, value in several
    ]
    return f"from {os.path.relpath(file.path)}: {', '.join(parts)}"


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(_plain, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def find_config(start: Path, quiet: bool = False) -> Config:
    """The nearest `sami-eval.toml` in the folder or above it, read.

    It decides who is asked with whose money. So one of another owner's, and one above the git
    repository or the home folder that `start` lies in, is passed over, and that is said; the
    environment's SAMI_EVAL_CONFIG names a file that is read in any case.
    quiet: what is passed over is said elsewhere.
    """
    chosen = os.environ.get(CHOSEN)
    if chosen:
        path = Path(chosen).expanduser().absolute()
        if not path.exists():
            raise UsageError(f"no file `{path}`", f"{CHOSEN} names it: name another, or unset it")
        return read_config(path)
    for folder in (start, *start.parents):
        path = folder / FILE_NAME
        if not os.path.lexists(path):
            continue
        why = _stranger(path) or _beyond(start, folder)
        if why is None and not path.is_file():  # a link to nothing, a folder
            raise UsageError(f"`{path}` is no file that can be read", "mend it, or remove it")
        if why is None:
            return read_config(path)
        if not quiet:
            said = f"`{path}` is not read: {why}; export {CHOSEN}={path} to use it"
            print(said, file=sys.stderr, flush=True)
        break
    return Config(root=start)


def _stranger(path: Path) -> str | None:
    """Why a file is not this user's; as git has it, whoever asked root by sudo counts as root."""
    if os.name != "posix":
        return None
    mine = {os.geteuid()}
    if 0 in mine and os.environ.get("SUDO_UID", "").isdecimal():
        mine.add(int(os.environ["SUDO_UID"]))
    found = path.stat() if path.exists() else path.lstat()
    return None if found.st_uid in mine else "it is another owner's"


def _beyond(start: Path, folder: Path) -> str | None:
    """Why a file in `folder` is none for `start`: a repository or a home ends in between."""
    for inner in (start, *start.parents):
        if inner == folder:
            return None
        if (inner / ".git").exists():
            return f"it lies above the git repository `{inner}`"
        if inner == Path.home():
            return f"it lies above the home folder `{inner}`"
    return None


def read_config(path: Path) -> Config:
    """Read one file. Raises UsageError for unknown keys and wrong types."""
    file = read_toml(path, "mend the file")
    flags = dict.fromkeys(name.partition(" ")[0] for name in COMMANDS)
    _known(file, file.data, (*DEFAULT_FIELDS, *NAMED, *flags))
    for name in flags:
        inner = [one.partition(" ")[2] for one in COMMANDS if one.startswith(f"{name} ")]
        table = _table(file, name)
        if inner:
            _known(file, table, inner, (name,))
    plain = {k: v for k, v in file.data.items() if k in DEFAULT_FIELDS}
    engine, task = plain.get("engine"), plain.get("task")
    if isinstance(engine, str) and engine not in ENGINES:
        file.bad(("engine",), f"unknown engine `{engine}`", f"known: {', '.join(ENGINES)}")
    if isinstance(task, str) and not task_files.files_named(task):
        hint = task_files.unknown(task, task_files.names())
        file.bad(("task",), f"unknown task `{task}`", hint)
    return Config(
        root=path.parent,
        path=path,
        models={
            name: _model(file, row, ("models", name))
            for name, row in _table(file, "models").items()
        },
        servers={
            name: read_server(file, row, name) for name, row in _table(file, "servers").items()
        },
        prices={
            name: _price(file, row, ("prices", name))
            for name, row in _table(file, "prices").items()
        },
        defaults=_texts(file, plain, DEFAULT_FIELDS),
        file=file,
    )


def _model(file: Toml, row: Any, table: tuple[str, ...]) -> Mapping[str, str]:
    if not isinstance(row, dict):
        return _texts(file, row, MODEL_FIELDS, table)
    _known(file, row, (*MODEL_FIELDS, *ASKED_SO), table)
    plain = {name: value for name, value in row.items() if name not in ASKED_SO}
    found = dict(_texts(file, plain, MODEL_FIELDS, table))
    if "request" in row:
        found["request"] = read_request(file, row["request"], (*table, "request"))
    if "thoughts" in row:
        found["thoughts"] = str(read_thoughts(file, row["thoughts"], (*table, "thoughts")))
    return found


def _table(file: Toml, name: str) -> Mapping[str, Any]:
    table = file.data.get(name, {})
    if not isinstance(table, dict):
        write = f"write [{name}.NAME]" if name in NAMED else f"write [{name}]"
        file.bad((name,), f"`{name}` is {shown(table)}, not a table", write)
    return table


def _known(
    file: Toml, row: Mapping[str, Any], fields: Sequence[str], table: tuple[str, ...] = ()
) -> None:
    for key in row:
        if key not in fields:
            said = f"unknown key `{'.'.join((*table, key))}`"
            file.bad((*table, key), said, did_you_mean(key, fields))


def _texts(
    file: Toml, row: Any, fields: Sequence[str], table: tuple[str, ...] = ()
) -> Mapping[str, str]:
    name = ".".join(table)
    if not isinstance(row, dict):
        file.bad(table, f"`{name}` is {shown(row)}, not a table", f"write [{name}]")
    _known(file, row, fields, table)
    for key, value in row.items():
        if not isinstance(value, str) or not value.strip():
            said = f"`{'.'.join((*table, key))}` is {shown(value)}, not a text"
            file.bad((*table, key), said, f'write {key} = "..."')
    _check_server(file, row, table)
    return row


def _check_server(file: Toml, row: Mapping[str, str], table: tuple[str, ...]) -> None:
    """Refuse an address that may hold a secret, and a key that stands in the file itself."""
    for name in {"base_url", "base-url"} & set(row):
        if fault := address.fault_of(row[name]):
            hint = 'name a variable that holds the key: key = "OUR_KEY"'
            said = f"`{name}` `{address.shown(row[name])}` {fault}"
            file.bad((*table, name), said, hint)
    if "key" in row and not is_variable(row["key"]):
        file.bad((*table, "key"), f"`{'.'.join((*table, 'key'))}` {NOT_A_VARIABLE}", WRITE_KEY)


def _price(file: Toml, row: Any, table: tuple[str, ...]) -> Price:
    if isinstance(row, dict):
        _known(file, row, PRICE_FIELDS, table)
    try:
        price = fit(row, Price)
    except MisfitError as error:
        names = (*table, *error.path)
        file.bad(names, f"`{'.'.join(names)}` is {error.what}", PRICED)
    return price
