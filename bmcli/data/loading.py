"""`load` and `read_labelled`: find the reader, check, cut, limit, fingerprint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bmcli import tasks
from bmcli.config.schema import DataConfig, PreprocessingConfig
from bmcli.core.errors import ConfigError, DataError, Place, Problem
from bmcli.core.examples import Examples
from bmcli.core.spec import SPLITS, DataSpec
from bmcli.data import splits
from bmcli.data.bundle import DataBundle, Parts, Split
from bmcli.data.fingerprint import fingerprint
from bmcli.data.named import Dataset
from bmcli.data.synthesize import like_named, like_own
from bmcli.files.download import data_home
from bmcli.files.problems import settle
from bmcli.modalities.base import modality_of

if TYPE_CHECKING:
    from bmcli.modalities.preprocessing import Preprocessing

Progress = Callable[[str, int, int], None]


def load(
    config: DataConfig,
    *,
    home: Path | None = None,
    progress: Progress | None = None,
    synthesize: bool = False,
    examples: int | None = None,
    preprocessing: PreprocessingConfig | None = None,
) -> DataBundle:
    """See `bmcli.data.load`."""
    preprocessing = preprocessing or PreprocessingConfig()
    unscaled = preprocessing.image.window is not None
    parts = _read(config, home or data_home(), progress, synthesize, examples, unscaled)
    limit = min((n for n in (config.limit, examples) if n is not None), default=None)
    digests: dict[str, bytes] = {}
    skipped: tuple[str, ...] = ()
    if limit is None:  # unusable images leave before the cut, so that shares are exact
        parts, skipped = _checked(parts, config, digests, progress, preprocessing)
    _require_sense(parts)
    _require_training_examples(parts)
    _require_two_classes(parts)
    if config.group is not None and parts.groups is None:
        raise ConfigError(
            "data.group needs a table's column or a folder's file names, which this data does not have",
            hint="leave data.group out",
        )
    parts, made, notes = splits.cut(
        parts,
        test=config.test if isinstance(config.test, float) else 0.0,
        validation=config.validation if isinstance(config.validation, float) else 0.0,
        seed=config.seed,
    )
    _require_training_examples(parts)
    if limit is not None:  # a quick trial looks at no more files than it uses
        kept = [name for name in SPLITS if parts.split(name) is not None]
        for name in kept:
            whole = parts.split(name)
            assert whole is not None
            parts = parts.with_split(name, splits.sample(whole, parts.task, limit, config.seed))
        parts, skipped = _checked(replace(parts, groups=None), config, digests, progress, preprocessing)
        origins = {"train": "the rest", **parts.splits_from, **made}
        made = {name: f"{origins[name]}, at most {limit}" for name in kept}
    return DataBundle(
        kind=parts.kind,
        task=parts.task,
        classes=parts.classes,
        train=parts.train,
        validation=parts.validation,
        test=parts.test,
        fingerprint=fingerprint({name: parts.split(name) for name in SPLITS}, parts.classes, digests),
        target_name=parts.target_name,
        splits_from={**parts.splits_from, **made},
        notes=parts.notes + notes + _of_all(parts),
        skipped=skipped,
        columns=parts.columns,
    )


def read_labelled(
    path: Path,
    config: DataConfig,
    spec: DataSpec,
    note: Callable[[str], None] | None = None,
    *,
    unscaled: bool = False,
    encoder: Preprocessing | None = None,
) -> Split:
    """See `bmcli.data.read_labelled`."""
    from bmcli.data.own import read_split

    parts = read_split(path, config, spec, unscaled=unscaled, encoder=encoder)
    parts, _ = _checked(
        parts, config.model_copy(update={"path": path}), {}, None, None, hint="fix or remove them"
    )
    if not len(parts.train):
        raise DataError(f"{path} has no usable example")
    if note is not None:
        for text in parts.notes:
            note(text)
    return parts.train


def _read(
    config: DataConfig,
    home: Path,
    progress: Progress | None,
    synthesize: bool,
    examples: int | None,
    unscaled: bool,
) -> Parts:
    dataset = config.name
    if dataset is not None:
        assert isinstance(dataset, Dataset)  # the config's own type says Component, so as not to look upwards
        if synthesize and not dataset.available(home):
            return like_named(dataset, config, examples)
        parts = dataset.load(home, progress)
        given: dict[str, str] = {n: "official" for n in SPLITS[1:] if parts.split(n) is not None}
        if given:
            given["train"] = "official"
        return _with_given_files(replace(parts, splits_from={**given, **parts.splits_from}), config)
    if config.path is None:
        raise DataError("no data is given", hint="give data.name or data.path")
    if synthesize and not Path(config.path).exists():
        return like_own(config, examples)
    from bmcli.data.own import read

    return read(config, unscaled=unscaled)


def _with_given_files(parts: Parts, config: DataConfig) -> Parts:
    """A named dataset with `validation` or `test` given as a file or folder of one's own."""
    spec = DataSpec.single(parts.kind, parts.task, (), parts.classes, parts.target_name)
    for name in SPLITS[1:]:
        where = getattr(config, name)
        if isinstance(where, str):
            from bmcli.data.own import read_split

            own = read_split(Path(where), config, spec)
            parts = replace(
                parts.with_split(name, own.train),
                splits_from={**parts.splits_from, name: f"given: {Path(where).name}"},
                notes=parts.notes + own.notes,
                problems=parts.problems + own.problems,
                unit=own.unit,
            )
    return parts


def _checked(
    parts: Parts,
    config: DataConfig,
    digests: dict[str, bytes],
    progress: Progress | None,
    preprocessing: PreprocessingConfig | None,
    *,
    hint: str = "fix or remove them, or set data.skip_unusable: true to leave them out",
) -> tuple[Parts, tuple[str, ...]]:
    """The parts without files that cannot be decoded, and what was skipped; DataError naming all that is
    unusable, for whatever reason, where it may not be.

    Fills `digests` (path -> SHA-256) on the way, since every file is read here anyway, and decodes them as
    `preprocessing` wants them, as far as that can be foreseen.
    """
    problems = list(parts.problems)
    what = f"looking at {modality_of(parts.kind).words.many}"
    tell = None if progress is None else lambda done, all_: progress(what, done, all_)
    count = sum(len(split) for name in SPLITS if (split := parts.split(name)) is not None)
    counts: Counter[str] = Counter()
    modality = modality_of(parts.kind)
    for name in SPLITS:
        split = parts.split(name)
        if split is None:
            continue
        share = int(config.cache_gib * 2**30) * len(split) // max(count, 1)
        found = modality.inspect(split.examples, preprocessing, share, tell)
        if found is None:
            continue
        digests.update(found.digests)
        counts.update(found.counts)
        problems += [Problem(what, Place(split.ids[i])) for i, what in found.problems.items()]
        good = np.array([i not in found.problems for i in range(len(split))], bool)
        looked_at = replace(split, examples=found.examples)
        if name == "train" and parts.groups is not None:
            parts = replace(parts, groups=tuple(g for g, ok in zip(parts.groups, good, strict=True) if ok))
        parts = parts.with_split(name, looked_at.take(np.flatnonzero(good)))
    skip = config.skip_unusable
    hint += _said_missing(parts)
    notes, skipped = settle(problems, parts.unit, skip=skip, source=config.path, hint=hint)
    notes += modality.inspection_notes(counts)
    return replace(parts, notes=parts.notes + notes, problems=()), skipped


def _said_missing(parts: Parts) -> str:
    """How to say that a word that stands in a column of numbers or dates again and again is a missing
    value."""
    words = [
        w for f in parts.columns if f.role == "feature" and f.unfit > 3 * len(f.examples) for w in f.examples
    ]
    words = [word for word in dict.fromkeys(words) if not any(map(str.isdigit, word))]
    listed = ", ".join(words)
    return f"; data.missing: [{listed}] if that means missing" if words else ""


def _of_all(parts: Parts) -> tuple[str, ...]:
    """Notes on all splits together."""
    splits: dict[str, Examples] = {
        name: split.examples for name in SPLITS if (split := parts.split(name)) is not None
    }
    return modality_of(parts.kind).data_notes(splits)


def _require_sense(parts: Parts) -> None:
    if not len(parts.train):
        raise DataError("there are no usable training examples")
    if why := tasks.of(parts.task).too_few_classes(parts.classes):
        raise DataError(why)


def _require_two_classes(parts: Parts) -> None:
    if why := tasks.of(parts.task).other_number_of_classes(parts.classes):
        raise DataError(why)


def _require_training_examples(parts: Parts) -> None:
    """Every class must have been seen in training, before a limit makes an exception of quick trials."""
    task = tasks.of(parts.task)
    seen = task.counts(parts.train.targets, len(parts.classes))
    if seen is None:
        return
    missing = [name for name, count in zip(parts.classes, seen, strict=True) if not count]
    if missing:
        shown = ", ".join(f"'{name}'" for name in missing[:10]) + (", ..." if len(missing) > 10 else "")
        raise DataError(
            f"no training example has the {task.what} {shown}",
            hint="give it examples outside of validation and test, or leave it out of the data",
        )
