"""What the sections of a config are declared with: their base class, marks on fields, and common types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    InstanceOf,
    SerializeAsAny,
)
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function

from bmcli.core.component import Component
from bmcli.core.plain import Document
from bmcli.core.registry import registry_of

if TYPE_CHECKING:
    from bmcli.core.components import Augments, Builds, Measures, Optimizes, Provides, Schedules
else:  # checked by pydantic: a component of any kind
    Augments = Builds = Measures = Optimizes = Provides = Schedules = Component


@dataclass(frozen=True)
class Chosen:
    """Marks a field whose value is a component of the registry of that kind.

    default: the name used if the config gives none.
    """

    kind: str
    default: str | None = None


@dataclass(frozen=True)
class Named:
    """Marks text that names a component of the registry of that kind, which has no options of its own."""

    kind: str
    first: tuple[str, ...] = ()
    """Names that are listed before the others."""

    def names(self) -> list[str]:
        """What may be named: bm's own, the user's and installed plugins'."""
        known = registry_of(self.kind).names()
        return [*self.first, *(name for name in known if name not in self.first)]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self._known, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Document:
        return {**handler(schema), "enum": self.names()}

    def _known(self, name: str) -> str:
        names = self.names()
        if name not in names:  # the type that pydantic gives to what is not one of a fixed list
            expected = " or ".join(filter(None, (", ".join(f"'{n}'" for n in names[:-1]), f"'{names[-1]}'")))
            raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
        return name


@dataclass(frozen=True)
class FilePath:
    """Marks text that is a path; `resolve` makes it absolute, relative to the file that contains it."""


@dataclass(frozen=True)
class RunReference:
    """Marks text that names a run; it is a path only if it contains a path separator."""


class Section(BaseModel):
    """Base of every map in a config: unknown keys are errors, values are frozen, NaN is not a number."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, defer_build=True
    )

    bare: ClassVar[str | None] = None
    """The key that a bare string in place of the map stands for: `data: digits` means `{name: digits}`."""
    usual: ClassVar[Document] = {}
    """For hints: the key that a bare value in place of the map most likely stands for, with an example."""


Share = Annotated[float, Field(ge=0, lt=1)]
Path = Annotated[str, Field(min_length=1), FilePath()]
Chosen_model = Annotated[SerializeAsAny[InstanceOf[Builds]], Chosen("model")]
Chosen_dataset = Annotated[SerializeAsAny[InstanceOf[Provides]], Chosen("dataset")]
Chosen_augmentation = Annotated[SerializeAsAny[InstanceOf[Augments]], Chosen("augmentation")]
Chosen_optimizer = Annotated[SerializeAsAny[InstanceOf[Optimizes]], Chosen("optimizer", default="adam")]
Chosen_schedule = Annotated[SerializeAsAny[InstanceOf[Schedules]], Chosen("schedule", default="constant")]
Chosen_metric = Annotated[SerializeAsAny[InstanceOf[Measures]], Chosen("metric")]
