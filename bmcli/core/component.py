"""Components: what a config chooses by name, with options.

A component is one small pydantic class: its fields are the options (type, default, range, a line of
documentation each), its docstring's first line is its summary, and a method does the work, importing what
computes inside. So every option is known without Keras, and a user's own class looks and behaves like a
built-in one:

    @MODELS.register("tiny")
    class Tiny(Model):
        \"\"\"A single hidden layer.\"\"\"

        units: PositiveInt = Field(32, description="Width of the hidden layer.")

        def build(self, spec): ...
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from bmcli.core import plugin_calls
from bmcli.core.registry import Registered


@dataclass(frozen=True)
class WeightsPath:
    """Marks text that says where pretrained weights are: a path, made absolute as a config is read, unless it
    is one of `names`, or begins with the name of a place and a colon ('hf:')."""

    names: tuple[str, ...] = ()

    def is_path(self, text: str) -> bool:
        """Whether the text is a path."""
        return text not in self.names and re.match(r"[a-z]{2,}:", text) is None


class Options(BaseModel):
    """Base of what has options. Frozen: an instance is a value, its fields the options.

    By itself, the section of a modality of your own: `preprocessing.<its name>`.
    """

    # defer_build: a validator is only made for what a config picks; the others cost start-up time.
    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, defer_build=True
    )


class Component(Options, Registered):
    """Base of everything chosen by name."""

    # As in Registered; pydantic takes no others for class variables.
    registry_name: ClassVar[str] = ""
    registry_kind: ClassVar[str] = ""
    package: ClassVar[tuple[str, str] | None] = None
    results: ClassVar[dict[str, plugin_calls.Check]] = {}
    source: ClassVar[str] = ""

    def to_config(self) -> dict[str, object]:
        """`{name: ..., option: value, ...}` with every default filled in, as plain YAML data."""
        return {"name": self.registry_name, **self.model_dump(mode="json")}


for _base in (Registered, Component):
    # They are class variables by now; for each class derived from them, pydantic would evaluate them again.
    _base.__annotations__.clear()
