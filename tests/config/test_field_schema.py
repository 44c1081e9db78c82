"""The schema of a field: what pydantic says, in less time."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, create_model, field_validator

from bmcli.config.reference import field_schema
from bmcli.core.component import Component
from bmcli.core.registry import HOMES, registry_of

BUILT_IN = [
    (kind, name)
    for kind in HOMES
    if issubclass(registry_of(kind).base, Component)  # the others have no options
    for name in registry_of(kind)
]


def by_pydantic(cls: type[BaseModel]) -> dict[str, Any]:
    said = cls.model_json_schema().get("properties", {})
    return {
        key: {word: about for word, about in schema.items() if word != "title"}
        for key, schema in said.items()
    }


@pytest.mark.parametrize(("kind", "name"), BUILT_IN)
def test_components_as_pydantic_has_them(kind: str, name: str) -> None:
    cls = registry_of(kind).get(name)
    properties, definitions = field_schema.properties(cls)
    assert (properties, definitions) == (by_pydantic(cls), {})
    assert [list(each) for each in properties.values()] == [list(each) for each in by_pydantic(cls).values()]


@pytest.mark.parametrize(("kind", "name"), BUILT_IN)
def test_built_in_components_need_no_validator(kind: str, name: str) -> None:
    cls = registry_of(kind).get(name)
    field_schema.of_plain_fields(cls, cls.model_fields)


class Everything(Component):
    a: int
    b: float | None = None
    c: Annotated[float, Field(gt=0, le=1)] | Literal["auto"] = "auto"
    d: list[Annotated[str, Field(min_length=1, max_length=9, pattern="^a")]] = Field(["a"], min_length=1)
    e: tuple[int, str] = (1, "x")
    f: dict[str, Annotated[int, Field(lt=3)]] = Field({}, max_length=4)
    g: Literal[3] = Field(3, description="Three.")
    h: bool | str | None = None


class Inner(BaseModel):
    x: int = 1


class Nested(Component):
    inner: Inner = Inner()
    y: int = 2


class Own(Component):
    z: Annotated[int, Field(multiple_of=3)] = 3
    w: Literal["a", 1] = 1
    v: set[int] = Field(set())
    u: tuple[int, ...] = ()
    t: int | None = Field(None, gt=2)
    s: int = Field(1, json_schema_extra={"x": 1})
    r: int = Field(default_factory=int)


class Checked(Component):
    x: int = 1

    @field_validator("x", mode="plain")
    @classmethod
    def _anything(cls, value: Any) -> Any:
        return value


@pytest.mark.parametrize("cls", [Everything, Nested, Own, Checked], ids=lambda cls: cls.__name__)
def test_types_of_ones_own_as_pydantic_has_them(cls: type[Component]) -> None:
    properties, definitions = field_schema.properties(cls)
    assert properties == by_pydantic(cls)
    assert definitions == cls.model_json_schema().get("$defs", {})


@pytest.mark.parametrize("name", Own.model_fields)
def test_an_uncommon_field_is_as_pydantic_has_it(name: str) -> None:
    field = Own.model_fields[name]
    cls = create_model("One", __base__=Component, **{name: (field.annotation, field)})  # type: ignore[call-overload]
    assert field_schema.properties(cls)[0] == by_pydantic(cls)
