"""Several parts to several inputs of a model: an encoder for each part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from bmcli.core.batch import Batch, rows
from bmcli.core.errors import DataError
from bmcli.core.examples import Examples
from bmcli.core.spec import INPUT, InputSpec
from bmcli.modalities.base import Modality, modality_of
from bmcli.modalities.mixed.examples import Mixed
from bmcli.modalities.parts import Part
from bmcli.modalities.remark import Remark, Unfamiliar
from bmcli.modalities.source import NamedSources

if TYPE_CHECKING:
    from bmcli.config.schema import PreprocessingConfig
    from bmcli.core.examples import Data
    from bmcli.modalities.preprocessing import Preprocessing
    from bmcli.modalities.source import Source

T = TypeVar("T")


@dataclass(frozen=True)
class MixedPreprocessing:
    """encoders: part -> its encoder. A part with one input gives it its own name."""

    kind: ClassVar[str] = "mixed"

    encoders: Mapping[str, Preprocessing]

    @property
    def by_length(self) -> bool:
        """See Preprocessing: parts are of different lengths."""
        return False

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """Those of all parts, in order."""
        return tuple(
            replace(one, name=_joined(part, one.name))
            for part, encoder in self.encoders.items()
            for one in encoder.inputs
        )

    @property
    def parts(self) -> dict[str, Part]:
        """See Modality."""
        return {
            part: Part(
                encoder,
                {one.name: _joined(part, one.name) for one in encoder.inputs},
                partial(self._part, part=part),
            )
            for part, encoder in self.encoders.items()
        }

    def source(self, examples: Examples) -> NamedSources:
        """See Preprocessing."""
        found: dict[str, Source] = {}
        for part, encoder in self.encoders.items():
            drawn = encoder.source(self._part(examples, part))
            found |= {_joined(part, name): source for name, source in drawn.sources.items()}
        return NamedSources(found)

    def usable(self, examples: Examples) -> tuple[Batch, dict[int, str]]:
        """See Preprocessing: an example can be used if every part of it can."""
        parts: list[tuple[Batch, dict[int, str]]] = []
        problems: dict[int, list[str]] = {}
        for part, encoder in self.encoders.items():
            batch, bad = encoder.usable(self._part(examples, part))
            parts.append(({_joined(part, name): array for name, array in batch.items()}, bad))
            for position, what in bad.items():
                problems.setdefault(position, []).append(f"{part}: {what}")
        usable: Batch = {}
        for batch, bad in parts:
            left = [i not in problems for i in range(len(examples)) if i not in bad]
            usable |= batch if all(left) else rows(batch, np.array(left, bool))
        return usable, {position: "; ".join(problems[position]) for position in sorted(problems)}

    def finish_batch(self, batch: Batch) -> Batch:
        """See Preprocessing."""
        return {
            _joined(part, name): array
            for part, encoder, own in self._by_part(batch)
            for name, array in encoder.finish_batch(own).items()
        }

    def finish_tensors(self, batch: dict[str, object]) -> dict[str, object]:
        """See Preprocessing."""
        return {
            _joined(part, name): tensor
            for part, encoder, own in self._by_part(batch)
            for name, tensor in encoder.finish_tensors(own).items()
        }

    def remarks(self, bundle: Data, options: PreprocessingConfig) -> tuple[Remark, ...]:
        """See Preprocessing: of every part, and which of them no input statistics are kept of."""
        said = [
            Remark(f"{part}: {remark.text}", remark.warning)
            for part, encoder in self.encoders.items()
            for remark in encoder.remarks(part_of(bundle, part), options)
        ]
        for part, encoder in self.encoders.items():
            modality = modality_of(encoder.kind)
            if type(modality).fit_familiarity is Modality.fit_familiarity:
                many = modality.words.many
                said.append(Remark(f"{part}: {many} unlike those of training are not recognised"))
        return tuple(said)

    def unfamiliar(self, examples: Examples) -> Unfamiliar:
        """See Preprocessing: of every part."""
        odd: dict[int, tuple[str, ...]] = {}
        taken: Counter[str] = Counter()
        for part, encoder in self.encoders.items():
            said = encoder.unfamiliar(self._part(examples, part))
            taken.update({f"{part}: {what}": count for what, count in said.taken.items()})
            for position, reasons in said.odd.items():
                odd[position] = (*odd.get(position, ()), *(f"{part}: {reason}" for reason in reasons))
        return Unfamiliar(odd, taken)

    def to_json(self) -> dict[str, object]:
        """Part -> its modality, its encoder, and what that would keep in files beside it."""
        return {
            part: {
                "kind": encoder.kind,
                "encoder": encoder.to_json(),
                "files": modality_of(encoder.kind).files_of(encoder),
            }
            for part, encoder in self.encoders.items()
        }

    def _part(self, examples: Examples, part: str) -> Examples:
        if not isinstance(examples, Mixed):
            raise DataError(f"this run takes examples of {len(self.encoders)} parts: {self._listed()}")
        if part not in examples.parts:
            raise DataError(f"the examples have no part '{part}'", hint=f"this run takes: {self._listed()}")
        return examples.parts[part]

    def _listed(self) -> str:
        return ", ".join(self.encoders)

    def _by_part(self, batch: Mapping[str, T]) -> Iterator[tuple[str, Preprocessing, dict[str, T]]]:
        for part, encoder in self.encoders.items():
            yield part, encoder, {one.name: batch[_joined(part, one.name)] for one in encoder.inputs}


def _joined(part: str, name: str) -> str:
    """The name of a part's input among those of all parts."""
    return part if name == INPUT else f"{part}_{name}"


def part_of(data: Data, part: str) -> Data:
    """The same data with that part of its examples alone."""
    bundle: Any = data

    def only(split: Any) -> Any:
        return None if split is None else replace(split, examples=split.examples.parts[part])

    train = only(bundle.train)
    kind = train.examples.kind
    changed: Data = replace(
        bundle, kind=kind, train=train, validation=only(bundle.validation), test=only(bundle.test)
    )
    return changed
