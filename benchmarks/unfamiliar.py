"""Which inputs unlike the training data are told, and how many that are like it.

    python benchmarks/unfamiliar.py [--only mnist,imdb] [--inputs 2000]

Of each data set, the training split is measured as `bm train` does it, and held-out data are looked at as
`bm predict` does: clean, and spoiled in ways that a user's inputs are. A cell is the share of inputs that are
told; 'old' is by the ranges that runs kept before, and that they still hold. The first row of each table is
that of false alarms, over all held-out data (of small data sets, over many random splits).

Needs the data sets in BM_DATA_HOME; SST-2 as `sst2/sst_{train,dev,test}.tsv` (a text, a tab, a label).
What is not there is left out. Everything is seeded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _sides import begin, new_parser, show

from bmcli import data
from bmcli.config import resolve
from bmcli.config.schema import ImageConfig, TableConfig, TextConfig
from bmcli.core.errors import BmError
from bmcli.data.bundle import Examples, Images, Table, Texts
from bmcli.modalities import familiarity
from bmcli.modalities.image.encoder import ImagePreprocessing
from bmcli.modalities.table.encoder import TablePreprocessing
from bmcli.modalities.text.encoder import TextPreprocessing

SPLITS = 30
"""Random splits of a small data set."""

Spoil = Callable[[Any, np.random.Generator], Any]


def main() -> None:
    parser = new_parser(__doc__, quick="digits and diabetes, few inputs")
    parser.add_argument("--only", help="data sets, separated by commas")
    parser.add_argument("--inputs", type=int, default=2_000, help="spoiled inputs of a kind")
    arguments = begin(parser)
    wanted = arguments.only.split(",") if arguments.only else list(DATA)
    if arguments.quick:
        wanted, arguments.inputs = ["digits", "diabetes"], 200
    for name in wanted:
        try:
            compare(name, DATA[name](), arguments.inputs)
        except (BmError, OSError) as error:
            print(f"{name}: left out ({error})", file=sys.stderr)


def compare(name: str, pairs: Iterator[tuple[Examples, Examples]], inputs: int) -> None:
    """The table of one data set. pairs: training and held-out examples, several times for a small one."""
    alarms, looked_at, first = np.zeros(2), 0, None
    for train, held_out in pairs:
        prepared = fitted(train)
        known = familiarity.fit(prepared, train)
        alarms += told(prepared, known, held_out).sum(axis=0)
        looked_at += len(held_out)
        first = first or (prepared, known, held_out, len(train))
    assert first is not None
    prepared, known, held_out, count = first
    some = held_out.take(np.arange(min(inputs, len(held_out))))
    body = [[f"clean ({looked_at:,} inputs)", *(f"{share:.2%}" for share in alarms / looked_at), ""]]
    for kind, spoil in SPOILED[prepared.kind].items():
        spoiled = spoil(some, np.random.default_rng(0))
        if spoiled is None:
            continue
        shares = told(prepared, known, spoiled).mean(axis=0)
        body.append([kind, *(f"{share:.1%}" for share in shares), most_said(prepared, known, spoiled)])
    show(f"{name}, {count:,} training examples", ["", "old", "new", "told most often"], body)


def fitted(train: Examples) -> Any:
    """The preprocessing of the defaults."""
    if isinstance(train, Images):
        return ImagePreprocessing.fit([train], ImageConfig())
    if isinstance(train, Texts):
        return TextPreprocessing.fit(train, TextConfig())
    return TablePreprocessing.fit(train, TableConfig())


def told(prepared: Any, known: familiarity.Familiarity, examples: Examples) -> np.ndarray:
    """bool [N, 2]: whether each is told, by what older runs keep and by all."""
    compact = np.asarray(prepared.encode(examples))
    sides = (replace(known, surprise=None, usual=None), known)
    odd = [side.look(prepared, examples, compact).odd for side in sides]
    return np.array([[i in one for one in odd] for i in range(len(examples))])


def most_said(prepared: Any, known: familiarity.Familiarity, examples: Examples) -> str:
    odd = known.look(prepared, examples, np.asarray(prepared.encode(examples))).odd
    said = [reasons[0] for reasons in odd.values()]
    return max(sorted(set(said)), key=said.count)[:60] if said else ""


# === spoiled inputs ========================================================================================


def of_arrays(change: Callable[[np.ndarray, np.random.Generator], np.ndarray | None]) -> Spoil:
    def spoil(images: Images, random: np.random.Generator) -> Images | None:
        assert images.arrays is not None
        changed = change(images.arrays, random)
        return None if changed is None else Images(arrays=np.clip(np.rint(changed), 0, 255).astype(np.uint8))

    return spoil


def _mean(arrays: np.ndarray) -> np.ndarray:
    return arrays.mean(axis=(1, 2, 3), keepdims=True)


def _blurred(arrays: np.ndarray, _: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    sigma = 1.5 * arrays.shape[1] / 32
    return gaussian_filter(arrays.astype(np.float32), (0, sigma, sigma, 0))


IMAGES: dict[str, Spoil] = {
    "inverted": of_arrays(lambda a, _: 255 - a),
    "blank": of_arrays(lambda a, r: np.broadcast_to(r.integers(0, 256, (len(a), 1, 1, 1)), a.shape)),
    "random pixels": of_arrays(lambda a, r: r.integers(0, 256, a.shape)),
    "40 % contrast (about its mean)": of_arrays(lambda a, _: _mean(a) + 0.4 * (a - _mean(a))),
    "40 % contrast (towards black)": of_arrays(lambda a, _: 0.4 * a),
    "20 % contrast (about its mean)": of_arrays(lambda a, _: _mean(a) + 0.2 * (a - _mean(a))),
    "brighter by 0.3": of_arrays(lambda a, _: a + 77.0),
    "turned by 90°": of_arrays(lambda a, _: np.rot90(a, 1, (1, 2))),
    "turned by 180°": of_arrays(lambda a, _: np.rot90(a, 2, (1, 2))),
    "mirrored": of_arrays(lambda a, _: a[:, :, ::-1]),
    "shifted by a quarter": of_arrays(lambda a, _: np.roll(a, a.shape[1] // 4, 1)),
    "noise (0.1)": of_arrays(lambda a, r: a + r.normal(0, 25.5, a.shape)),
    "blurred": of_arrays(_blurred),
    "without colour": of_arrays(
        lambda a, _: None if a.shape[3] == 1 else np.repeat(a.mean(axis=3, keepdims=True), 3, axis=3)
    ),
    "red and blue swapped": of_arrays(lambda a, _: None if a.shape[3] == 1 else a[..., ::-1]),
}

CODE = (Path(familiarity.__file__).read_text("utf-8") + Path(__file__).read_text("utf-8")).splitlines()
GERMAN = (
    "die Handlung ist von Anfang an vorhersehbar und der Film zieht sich über zwei Stunden ohne dass irgend "
    "etwas geschieht was man nicht schon hundertmal gesehen hätte schade um die guten Schauspieler"
)
RUSSIAN = "этот фильм оказался намного лучше чем я ожидал прекрасная игра актёров и музыка"


def by_text(change: Callable[[str, np.random.Generator], str]) -> Spoil:
    return lambda texts, random: Texts(tuple(change(text, random) for text in texts.texts))


def _code(text: str, random: np.random.Generator) -> str:
    """As many words of Python as the text has, whole lines."""
    at, lines, words = int(random.integers(len(CODE))), [], 0
    while words < max(3, len(text.split())):
        lines.append(CODE[at % len(CODE)])
        words += len(lines[-1].split())
        at += 1
    return "\n".join(lines)


def _words(sentence: str) -> Spoil:
    words = sentence.split()
    return by_text(lambda text, random: " ".join(random.choice(words, max(3, len(text.split())))))


def _one_word(text: str, random: np.random.Generator) -> str:
    return " ".join([str(random.choice(text.split() or ["film"]))] * 30)


def _numbered(text: str, random: np.random.Generator) -> str:
    return " ".join(str(number) for number in random.integers(0, 1000, max(3, len(text.split()))))


def _letters(text: str, random: np.random.Generator) -> str:
    letters = list("abcdefghijklmnopqrstuvwxyz")
    return " ".join("".join(random.choice(letters, random.integers(2, 9))) for _ in text.split())


def _shuffled(text: str, random: np.random.Generator) -> str:
    return " ".join(random.permutation(text.split()).tolist())


TEXTS: dict[str, Spoil] = {
    "one word thirty times": by_text(_one_word),
    "two words fifteen times": by_text(lambda text, r: " ".join([*(text.split() or ["film"])[:2]] * 15)),
    "program code": by_text(_code),
    "random letters": by_text(_letters),
    "German": _words(GERMAN),
    "Russian": _words(RUSSIAN),
    "numbers": by_text(_numbered),
    "without blanks": by_text(lambda text, _: text.replace(" ", "")),
    "one word": by_text(lambda text, _: (text.split() or ["film"])[0]),
    "words in random order": by_text(_shuffled),
    "capitals": by_text(lambda text, _: text.upper()),
}


def _numbers(table: Table) -> list[str]:
    return [name for name, values in table.columns.items() if values.dtype.kind == "f"]


def _categories(table: Table) -> list[str]:
    return [name for name, values in table.columns.items() if values.dtype.kind == "O"]


def _with(table: Table, **columns: np.ndarray) -> Table:
    return Table({**table.columns, **columns}, table.facts)


def _without_numbers(table: Table, _: np.random.Generator) -> Table:
    return _with(table, **{name: np.full(len(table), np.nan) for name in _numbers(table)})


def _half_missing(table: Table, random: np.random.Generator) -> Table:
    found = {}
    for name in _numbers(table):
        found[name] = np.where(random.random(len(table)) < 0.5, np.nan, table.columns[name])
    return _with(table, **found)


def _one_missing(table: Table, _: np.random.Generator) -> Table:
    return _with(table, **{_numbers(table)[0]: np.full(len(table), np.nan)})


def _unseen(count: int | None) -> Spoil:
    def spoil(table: Table, _: np.random.Generator) -> Table | None:
        names = _categories(table)[:count]
        new = {name: np.array([f"new {i}" for i in range(len(table))], object) for name in names}
        return _with(table, **new) if names else None

    return spoil


def _scaled(factor: float, count: int | None) -> Spoil:
    return lambda table, _: _with(
        table, **{name: factor * table.columns[name] for name in _numbers(table)[:count]}
    )


def _swapped(table: Table, _: np.random.Generator) -> Table:
    first, second = _numbers(table)[:2]
    return _with(table, **{first: table.columns[second], second: table.columns[first]})


def _torn(table: Table, random: np.random.Generator) -> Table:
    """Every number from another row."""
    return _with(table, **{name: random.permutation(table.columns[name]) for name in _numbers(table)})


ROWS: dict[str, Spoil] = {
    "all numbers missing": _without_numbers,
    "half of the numbers missing": _half_missing,
    "one number missing": _one_missing,
    "all categories unseen": _unseen(None),
    "one category unseen": _unseen(1),
    "one number × 1000": _scaled(1000.0, 1),
    "one number × 10": _scaled(10.0, 1),
    "two columns swapped": _swapped,
    "every number from another row": _torn,
}
SPOILED: dict[str, dict[str, Spoil]] = {"image": IMAGES, "text": TEXTS, "table": ROWS}


# === data sets =============================================================================================


def of_config(config: str, *overrides: str) -> Iterator[tuple[Examples, Examples]]:
    """Training and test split of a config."""
    bundle = data.load(resolve.load(config, list(overrides)).data)
    assert bundle.test is not None
    yield bundle.train.examples, bundle.test.examples


def in_many_splits(config: str) -> Iterator[tuple[Examples, Examples]]:
    """Four fifths of a small data set against the rest, at random."""
    bundle = data.load(resolve.load(config, []).data)
    parts = [split.examples for split in (bundle.train, bundle.validation, bundle.test) if split is not None]
    everything: Any = parts[0]
    if isinstance(everything, Images):
        everything = Images(arrays=np.concatenate([part.arrays for part in parts]))
    else:
        names = everything.columns
        everything = Table({name: np.concatenate([part.columns[name] for part in parts]) for name in names})
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(len(everything))
        cut = len(order) * 4 // 5
        yield everything.take(order[:cut]), everything.take(order[cut:])


def sst2() -> Iterator[tuple[Examples, Examples]]:
    home = Path(os.environ.get("BM_DATA_HOME", "~/.keras/datasets")).expanduser() / "sst2"

    def texts(name: str) -> list[str]:
        lines = (home / f"sst_{name}.tsv").read_text("utf-8").splitlines()
        return [line.rpartition("\t")[0] for line in lines]

    yield Texts(tuple(texts("train"))), Texts(tuple(texts("dev") + texts("test")))


def generated(rows: int, kind: str, times: int = 1) -> Iterator[tuple[Examples, Examples]]:
    """Correlated numbers and categories. kind: 'plain'; 'gaps', where a tenth of three columns is missing;
    'long tails', log-normal; 'open', with a column in which new categories are usual."""
    for seed in range(times):
        random = np.random.default_rng(seed)
        mix = random.normal(size=(4, 8))
        tables = []
        for count in (rows, 10_000 // times):
            numbers = random.normal(size=(count, 4)) @ mix + 0.5 * random.normal(size=(count, 8))
            numbers = np.exp(numbers) if kind == "long tails" else 50 + 10 * numbers
            columns: dict[str, np.ndarray] = {f"number {i}": numbers[:, i] for i in range(8)}
            if kind == "gaps":
                for i in range(3):
                    columns[f"number {i}"][random.random(count) < 0.1] = np.nan
            for name, many in (("colour", 3), ("country", 20)):
                shares = 1 / np.arange(1, many + 1)
                drawn = random.choice(many, count, p=shares / shares.sum())
                columns[name] = np.array([f"{name} {i}" for i in drawn], object)
            if kind == "open":
                towns = np.minimum(random.zipf(1.5, count), 10**9)
                columns["town"] = np.array([f"town {i}" for i in towns], object)
            tables.append(Table(columns))
        yield tables[0], tables[1]


DATA: dict[str, Callable[[], Iterator[tuple[Examples, Examples]]]] = {
    "mnist": lambda: of_config("mnist_cnn"),
    "cifar10": lambda: of_config("cifar10_cnn"),
    "digits": lambda: in_many_splits("digits_cnn"),
    "imdb": lambda: of_config("imdb_gru"),
    "sst2": sst2,
    "diabetes": lambda: in_many_splits("diabetes_linear"),
    "table": lambda: generated(8_000, "plain"),
    "table with gaps": lambda: generated(8_000, "gaps"),
    "table of long tails": lambda: generated(8_000, "long tails"),
    "table with an open column": lambda: generated(8_000, "open"),
    "small table": lambda: generated(300, "plain", 20),
}


if __name__ == "__main__":
    main()
