"""bm: one YAML file in, one trained, measured, reusable Keras model out."""

from bmcli._version import __version__

__all__ = ["__version__"]
