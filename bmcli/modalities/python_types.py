"""What type an object is, without importing the package it may come from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from bmcli.core.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

_MISSING = ("NAType", "NaTType", "MaskedConstant")
"""Of pandas and NumPy: values that mean a missing one."""


def package_of(value: object) -> str:
    """'torch' of a torch.Tensor; '' of what Python brings."""
    found = type(value).__module__.partition(".")[0]
    return "" if found == "builtins" else found


def named(value: object) -> str:
    """What a message calls it: 'a pandas.DataFrame', 'an int', 'None'."""
    if value is None:
        return "None"
    package, name = package_of(value), type(value).__name__
    full = f"{package}.{name}" if package not in ("", "numpy", "__main__") else name
    return f"{'an' if full[0].lower() in 'aeiou' else 'a'} {full}"


def is_missing(value: object) -> bool:
    """None, NaN, NaT, pandas.NA and NumPy's masked value."""
    if value is None or type(value).__name__ in _MISSING:
        return True
    if isinstance(value, float | np.floating):
        return bool(value != value)
    return isinstance(value, np.datetime64 | np.timedelta64) and bool(np.isnat(value))


def is_path(value: object) -> bool:
    """Whether it is an object that refers to a file, rather than text."""
    return isinstance(value, os.PathLike) and not isinstance(value, str)


def path_of(value: Any) -> str:
    """As the readers of files take it, for whom '-' means stdin."""
    text = os.fsdecode(os.fspath(value))
    return f".{os.sep}-" if text == "-" else text


def is_array(value: object) -> bool:
    """Whether NumPy can take it for an array: its own, and the tensors of all frameworks."""
    if isinstance(value, str | bytes) or is_frame(value) or is_series(value) or is_image(value):
        return False
    return isinstance(value, np.ndarray) or hasattr(type(value), "__array__")


def is_image(value: object) -> TypeGuard[Image]:
    """Whether it is an image of Pillow."""
    return any(base.__module__ == "PIL.Image" and base.__name__ == "Image" for base in type(value).__mro__)


def is_frame(value: object) -> bool:
    """Whether it is a data frame of pandas or polars, or a table of PyArrow."""
    if type(value).__name__ == "LazyFrame":  # which warns who asks for its columns
        return True
    if isinstance(value, Mapping) or not hasattr(value, "__getitem__"):
        return False
    return hasattr(value, "columns") and hasattr(value, "shape")


def is_series(value: object) -> bool:
    """Whether it is a column, or a row, of pandas or polars."""
    return package_of(value) in ("pandas", "polars") and type(value).__name__.endswith(("Series", "Index"))


def array_of(value: Any) -> np.ndarray:
    """A NumPy array of anything that `is_array` accepts; UsageError if it cannot be converted."""
    if isinstance(value, np.ma.MaskedArray):
        if value.dtype.kind == "f":
            return np.asarray(value.filled(np.nan))
        whole = np.array(value.data, object)
        whole[np.ma.getmaskarray(value)] = None
        return whole
    if package_of(value) == "torch":
        # Its own __array__ refuses what needs a gradient or lies on another device.
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
    except Exception as error:  # each framework has its own
        reason = str(error).strip().split("\n")[0]
        raise UsageError(
            f"{named(value)} cannot be converted to a NumPy array: {reason}", hint="pass its NumPy array"
        ) from error
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def listed(value: Any, what: str) -> list[object]:
    """Its items in order. what: is expected, for the error where it has none, or no order."""
    if isinstance(value, set | frozenset):
        raise UsageError("a set has no order: predictions could not be matched to inputs", hint="give a list")
    try:
        return list(value)
    except TypeError:
        raise UsageError(f"expected {what}, got {named(value)}") from None
