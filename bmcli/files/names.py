"""What the names of folders and files mean: a split, a class, or nothing."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable

from bmcli.files.suffixes import SPLIT_FOLDERS


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


GENERIC = _words(
    "data dataset datasets set sets split splits subset image images img imgs pic pics picture pictures "
    "photo photos sample samples example examples file files folder folders dir directory text texts txt doc "
    "docs jpg jpeg png jpegimages x v small tiny mini new full final orig original raw resized cropped "
    "processed clean"
)
"""Meaningless additions to a split's name."""
_ANY = GENERIC | _words("all unknown unlabeled unlabelled unsup none misc")
IMAGES = _words("image images img imgs picture pictures photo photos jpegimages")
"""Folders of images in data that have a second part of each example."""
PARTS = _words(
    "mask masks label labels annotation annotations segmentation segmentations groundtruth gt boxes"
)
"""Folders of that second part."""
_UNLABELLED = _words("pred predict prediction predictions unlabeled unlabelled unsup inference")
SPLIT_WORDS = {word: split for split, words in SPLIT_FOLDERS.items() for word in words}
SPLIT_WORDS |= dict.fromkeys(_UNLABELLED, "unlabelled")
"""Word -> split; 'unlabelled' examples are next to the splits, for prediction."""
_SET = r"(data|dataset|set|split|images?|imgs?|folder|dir)s?"
_GLUED = re.compile(rf"({'|'.join(sorted(SPLIT_WORDS, key=len, reverse=True))}){_SET}")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_BETWEEN = re.compile(r"[\W\d_]+")


def words_of(name: str) -> list[str]:
    """The words of a name, in lower case: split at non-letters, and before capitals within a word."""
    return [word for word in _BETWEEN.split(_CAMEL.sub(" ", nfc(name)).lower()) if word]


def split_of(name: str) -> tuple[str, tuple[str, ...]] | None:
    """The split that a folder's name means, and its other words: ('train', ('seg',)) for 'seg_train'.

    None if no word of it is one of SPLIT_FOLDERS, or if it names two splits. Words are parted by
    anything that is not a letter, and by a capital letter within ('trainData').
    """
    words = words_of(name)
    splits, others = set(), []
    for word in words:
        glued = _GLUED.fullmatch(word)
        split = SPLIT_WORDS.get(glued.group(1) if glued else word)
        if split is None:
            others.append(word)
        else:
            splits.add(split)
    return (splits.pop(), tuple(others)) if len(splits) == 1 else None


def says_nothing(words: Collection[str]) -> bool:
    """Whether these add nothing to the name of a split."""
    return all(word in GENERIC for word in words)


def is_generic(name: str) -> bool:
    """Whether a folder's name only means that it contains data."""
    found = split_of(name)
    words = words_of(name) if found is None else found[1]
    return (found is not None or bool(words)) and all(word in _ANY for word in words)


def nfc(name: str) -> str:
    """The name with every letter written the one way that Unicode calls composed (NFC)."""
    return unicodedata.normalize("NFC", name)


def suggest_pattern(names: Iterable[str]) -> tuple[str, tuple[str, ...]] | None:
    """(pattern, classes) where file names clearly begin or end with a class: cat.0.jpg, dog.1.jpg.

    Clear is: every name does, there are 2 to 100 classes, and each has several files; names of cameras and
    the like ('IMG_0001') are none.
    """
    stems = [os.path.splitext(name.rsplit("/", 1)[-1])[0] for name in names]  # noqa: PTH122
    word = r"([^\W\d_]+(?:[ _-][^\W\d_]+)*)"
    for form, written in ((rf"{word}[ ._-]*\(?\d", "^({})"), (rf"\d+[ ._-]+{word}$", "({})[.][^.]*$")):
        found = [match and match.group(1) for match in (re.match(form, stem) for stem in stems)]
        counts = Counter(label for label in found if label)
        if len(found) < 4 or None in found or not 2 <= len(counts) <= 100 or min(counts.values()) < 2:
            continue
        if any(is_generic(label) or label.lower() in _CAMERAS for label in counts):
            continue
        longest_first = sorted(counts, key=lambda label: (-len(label), label))
        if len({len(label) for label in counts}) == 1 or not _prefixes(counts):
            longest_first = sorted(counts)
        pattern = written.format("|".join(re.escape(label).replace(r"\ ", " ") for label in longest_first))
        if len(pattern) > 500:
            pattern = written.format(word[1:-1])
        return pattern, tuple(sorted(counts))
    return None


_CAMERAS = _words("dsc dscn dscf imag frame scan pxl vid screenshot page f i n no nr id")


def _prefixes(labels: Collection[str]) -> bool:
    return any(a != b and b.startswith(a) for a in labels for b in labels)
