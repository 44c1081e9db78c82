"""Write the images of a bm config as x_train, y_train, x_test, y_test of an .npz file.

python benchmarks/scripts/write_arrays.py OUT.npz CONFIG [KEY=VALUE ...]
"""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("config")
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_args()

    import numpy as np

    from bmcli import data
    from bmcli.config import resolve

    bundle = data.load(resolve.load(arguments.config, arguments.overrides).data)
    arrays = {}
    for name, split in (("train", bundle.train), ("test", bundle.test)):
        if split is None or getattr(split.examples, "arrays", None) is None:
            raise SystemExit(f"{arguments.config}: only named image datasets with a test split will do")
        arrays[f"x_{name}"], arrays[f"y_{name}"] = split.examples.arrays, split.targets
    np.savez(arguments.out, **arrays)


if __name__ == "__main__":
    main()
