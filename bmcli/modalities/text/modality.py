"""Texts: files in class folders, or a column of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import IO, TYPE_CHECKING, ClassVar

from bmcli.files.suffixes import TABLE_SUFFIXES
from bmcli.files.suffixes import TEXT_SUFFIXES as FILES
from bmcli.modalities.base import MODALITIES, Add, Expect, Modality, Note
from bmcli.modalities.values import NEXT_TEXT, Attribute, FilesRead, Readme, Words

if TYPE_CHECKING:
    import numpy as np

    from bmcli.config.data_facts import Facts
    from bmcli.config.drafting.inspect import Look
    from bmcli.config.schema import ExperimentConfig
    from bmcli.core.examples import Data, Examples
    from bmcli.core.plain import Document
    from bmcli.files.facts import ColumnFacts
    from bmcli.files.tables import Frame
    from bmcli.modalities.inputs import Inputs, Reading
    from bmcli.modalities.measured import Measured, Usual
    from bmcli.modalities.preprocessing import Preprocessing
    from bmcli.modalities.text.encoder import TextPreprocessing
    from bmcli.modalities.text.examples import Texts


@MODALITIES.register("text")
class Text(Modality):
    """Texts: files in class folders, or a column of a table."""

    words = Words(
        "text",
        "texts",
        unit="row or file",
        rate="texts/s",
        argument="--text 'SOME TEXT'",
        model="transformer",
    )
    place = 1
    suffixes = frozenset({".txt", ".text", ".md"}) | TABLE_SUFFIXES
    file_suffixes = FILES
    documents = True
    piece = 1024
    takes_texts = True
    of_tables = True
    has_lengths = True

    def model_hint(self, kinds: tuple[str, ...], config: ExperimentConfig, facts: Facts) -> str:
        """See Modality: a column of texts that was inferred is to be named."""
        if facts.text is not None and config.data.text is None:
            named = "bm models shows the kinds that each model takes"
            return f"write data.text: {facts.text} and model: {self.words.model}, for example; {named}"
        return super().model_hint(kinds, config, facts)

    def described(self, shape: str) -> str:
        """See Modality."""
        return "text, any length" if shape == "any" else super().described(shape)

    def glance(self, paths: Sequence[str]) -> tuple[tuple[tuple[int, int], ...], list[str]]:
        """See Modality."""
        from bmcli.modalities.text.files import unreadable

        return (), unreadable(paths)

    def draft_model(self, look: Look, *, pretrained: bool = False) -> list[str]:
        """See Modality."""
        if pretrained:
            return ["preprocessing:", "  text: {max_length: 128}   # tokens; longer texts are cut", ""]
        return [
            "preprocessing:",
            "  text: {vocabulary: 10000, max_length: 200}   # longer texts are cut",
            "",
            "model: transformer   # bm models lists others",
        ]

    def draft_epochs(self, count: int) -> int | str:
        """See Modality."""
        return 5 if count > 20_000 else "auto"

    def read_files(self, paths: Sequence[str], names: Sequence[str]) -> FilesRead:
        """See Modality."""
        from bmcli.modalities.text.examples import Texts
        from bmcli.modalities.text.files import read_files

        read = read_files(paths)
        return FilesRead(Texts(tuple(read.texts)), read.problems, read.notes(names))

    def from_rows(
        self,
        frame: Frame,
        columns: Sequence[str],
        facts: Mapping[str, ColumnFacts],
        missing: Sequence[str],
        *,
        as_found: bool = False,
    ) -> tuple[Examples, list[tuple[int, str]]]:
        """See Modality: of several columns a line each."""
        from bmcli.modalities.table.columns import texts_of

        return texts_of(frame, columns)

    def rows_for(
        self, frame: Frame, columns: Sequence[str], missing: Sequence[str], encoder: Preprocessing | None
    ) -> tuple[Examples, list[tuple[int, str]]]:
        """See Modality: of pairs the two columns."""
        from bmcli.modalities.table.columns import pairs_of

        if encoder is not None and _encoder(encoder).pair is not None:
            return pairs_of(frame, columns)
        return super().rows_for(frame, columns, missing, encoder)

    def reading_columns(self, encoder: Preprocessing) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """See Modality: of pairs the two columns; what else texts are read from, the config says."""
        return _encoder(encoder).pair or (), {}

    def argument(self, encoder: Preprocessing) -> str:
        """See Modality: of pairs two texts."""
        pair = _encoder(encoder).pair
        return super().argument(encoder) if pair is None else "--text 'ONE TEXT' 'THE OTHER'"

    def synthesise(
        self,
        level: np.ndarray,
        random: np.random.Generator,
        shape: tuple[int, ...] | None,
        columns: Sequence[str] | None,
    ) -> Examples:
        """See Modality: random words, other ones at other levels. columns: of pairs."""
        import numpy as np

        from bmcli.modalities.text.examples import Texts

        def texts() -> tuple[str, ...]:
            words = random.integers(0, 50, (len(level), 20)) + (level * 25).astype(np.int64)[:, None]
            return tuple(" ".join(f"word{w}" for w in row) for row in words)

        if columns is not None and len(columns) == 2:
            return Texts(texts(), texts(), (columns[0], columns[1]))
        return Texts(texts())

    def read_inputs(
        self,
        inputs: Sequence[str],
        reading: Reading,
        stdin: IO[bytes],
        note: Note | None,
        expect: Expect | None,
    ) -> Iterator[Inputs]:
        """See Modality."""
        from bmcli.modalities.text import inputs as single
        from bmcli.modalities.text import pair_inputs

        if (pair := single.pair_of(reading)) is not None:
            return pair_inputs.read(inputs, reading, pair, stdin, expect)
        return single.read(inputs, reading, stdin, note, expect)

    def read_objects(
        self, inputs: object, reading: Reading, wanted: object, note: Note, expect: Expect
    ) -> Iterator[Inputs]:
        """See Modality."""
        from bmcli.modalities.text import pair_inputs, python_inputs
        from bmcli.modalities.text.inputs import pair_of

        if (pair := pair_of(reading)) is not None:
            return pair_inputs.read_objects(inputs, reading, pair, note, expect)
        return python_inputs.read(inputs, reading, note, expect)

    def fit(self, data: Data, options: object, *, cache_bytes: int) -> Preprocessing:
        """See Modality."""
        from bmcli.config.schema import TextConfig
        from bmcli.modalities.text.encoder import TextPreprocessing

        assert isinstance(options, TextConfig)
        return TextPreprocessing.fit(_texts(data.train.examples), options)

    def load(self, part: Document, files: Mapping[str, str]) -> Preprocessing:
        """See Modality."""
        from bmcli.modalities.text.encoder import TextPreprocessing
        from bmcli.runs.layout import TOKENIZER

        return TextPreprocessing.from_json(part, files[TOKENIZER])

    def with_cache(self, encoder: Preprocessing, data: Data, cache_bytes: int) -> Preprocessing:
        """See Modality: a model's own tokenizer reads this data's pairs, whatever it read in another run."""
        from bmcli.modalities.text.encoder import OWN

        own, texts = _encoder(encoder), _texts(data.train.examples)
        pair = None if texts.seconds is None else texts.columns
        return own if own.tokenizer != OWN or own.pair == pair else replace(own, pair=pair)

    def files_of(self, encoder: Preprocessing) -> dict[str, str]:
        """See Modality: the tokenizer."""
        from bmcli.runs.layout import TOKENIZER

        return {TOKENIZER: _encoder(encoder).tokenizer_json()}

    def add_to_fingerprint(self, examples: Examples, add: Add, digests: Mapping[str, bytes]) -> None:
        """See Modality."""
        from bmcli.modalities.contents import add_texts

        for _, texts in _texts(examples).parts:
            add_texts(add, texts)

    def contents(
        self,
        examples: Examples,
        targets: np.ndarray,
        ids: Sequence[str],
        encoder: Preprocessing,
        form: str,
    ) -> Iterator[bytes] | None:
        """See Modality: but for white space."""
        if form != self.form(examples):
            return None
        parts = [texts for _, texts in _texts(examples).parts]
        return (
            "\0".join(" ".join(text.split()) for text in row).encode("utf-8", "surrogatepass")
            for row in zip(*parts, strict=True)
        )

    def fit_familiarity(self, encoder: Preprocessing, examples: Examples) -> Measured | None:
        """See Modality: not of a tokenizer that a model brings, whose special tokens are in every text."""
        from bmcli.modalities.text.encoder import OWN
        from bmcli.modalities.text.familiarity import fit

        if _encoder(encoder).tokenizer == OWN:
            return None
        return fit(encoder, examples)

    def load_familiarity(self, document: Document, encoder: Preprocessing) -> Usual:
        """See Modality."""
        from bmcli.modalities.text.familiarity import TextTraits

        return TextTraits.from_json(document, _encoder(encoder))

    def statistics(self, compact: np.ndarray, columns: tuple[str | None, ...]) -> dict[str, np.ndarray]:
        """See Modality."""
        from bmcli.modalities.text.familiarity import statistics

        return statistics(compact)

    range_words: ClassVar[Mapping[str, tuple[str, str]]] = {
        "unknown words": ("", "mostly words that the training texts do not have"),
        "words": ("no word that could be read", ""),
    }

    def corruptions(self) -> tuple[str, ...]:
        """See Modality."""
        from bmcli.modalities.text.corruptions import TEXTS

        return tuple(TEXTS)

    def corrupted(
        self,
        name: str,
        strength: int,
        rng: np.random.Generator,
        examples: Examples,
        encoder: Preprocessing,
    ) -> Iterator[Examples]:
        """See Modality."""
        from bmcli.modalities.text.corruptions import TEXTS

        texts, change = _texts(examples), TEXTS[name]
        first = tuple(change(texts.texts, strength, rng))
        seconds = None if texts.seconds is None else tuple(change(texts.seconds, strength, rng))
        yield replace(texts, texts=first, seconds=seconds)

    def sliceable(self, examples: Examples, beside: list[str]) -> list[str]:
        """See Modality: by length."""
        return [*beside, "length"]

    def attribute(self, examples: Examples, name: str) -> Attribute:
        """See Modality: how many words each has."""
        import numpy as np

        return Attribute(np.array([len(text.split()) for text in _texts(examples).whole()], float), "words")

    def excerpt(self, examples: Examples, position: int) -> str:
        """See Modality: of pairs both."""
        return NEXT_TEXT.join(texts[position] for _, texts in _texts(examples).parts)

    named_in_plots = False

    def readme(self) -> Readme:
        """See Modality."""
        return Readme(
            "token ids, made by tokenizer.json and cut as preprocessing.json says; 0 is padding",
            """1. Lower-case it if `lowercase` says so.
2. Cut it into tokens and look up their ids in tokenizer.json.
3. Keep `max_length` of them, the first or the last as `truncate` says.
4. Pad shorter texts of a batch with 0, at the end.

Of a run of pairs, the two texts are one sequence with the tokenizer's special tokens between them, the longer
one cut first; the model itself tells which text a token is of. In Python, pairs are
`Texts(("the first",), ("the second",))`.""",
            "Texts",
            'Texts(("a fine film",))',
        )


def _texts(examples: Examples) -> Texts:
    from bmcli.modalities.text.examples import Texts

    assert isinstance(examples, Texts)
    return examples


def _encoder(encoder: Preprocessing) -> TextPreprocessing:
    from bmcli.modalities.text.encoder import TextPreprocessing

    assert isinstance(encoder, TextPreprocessing)
    return encoder
