"""One number for 'the same data': SHA-256 over the ids, targets and contents of every split.

The order is train, validation, test; of each: its name, the number of examples, the ids, the targets
(little-endian, C order), then the contents: arrays as their shape and bytes, files as the SHA-256 of each,
texts as UTF-8 with their lengths, columns by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bmcli.modalities.base import modality_of
from bmcli.modalities.contents import add_array, add_texts

if TYPE_CHECKING:
    from bmcli.data.bundle import Split


def fingerprint(
    splits: Mapping[str, Split | None],
    classes: Sequence[str],
    digests: Mapping[str, bytes] | None = None,
) -> str:
    """The fingerprint, hex.

    digests: path -> SHA-256 of the file, where it is known already; other files are read, in threads.
    """
    total = hashlib.sha256(b"bm data 1\n")
    add_texts(total.update, classes)
    for name, split in splits.items():
        if split is None:
            continue
        total.update(f"{name} {len(split)}\n".encode())
        add_texts(total.update, split.ids)
        add_array(total.update, split.targets)
        modality_of(split.examples.kind).add_to_fingerprint(split.examples, total.update, digests or {})
    return total.hexdigest()
