"""The JSON Schema (2020-12) of a config as a user writes it, for editors and other programs.

Every component a registry holds is in it, with its options; a bare name stands for a component with defaults.
Where a file extends another, what it leaves out may stand there: so nothing is required, and a component's
map without a name is let through. Names the registries do not know are the user's own, and let through too.
"""

from __future__ import annotations

from collections.abc import Iterator

from bmcli.config import modality
from bmcli.config.parsing import messages
from bmcli.config.parsing.merge import shape_of
from bmcli.config.reference import field_schema
from bmcli.config.schema import DataConfig, ExperimentConfig, PreprocessingConfig, Section
from bmcli.core.component import Options
from bmcli.core.plain import Document
from bmcli.core.registry import HOMES, registry_of

Schema = Document


def json_schema() -> Schema:
    """The schema of a whole config file."""
    definitions: dict[str, Schema] = {}
    root = _section(ExperimentConfig, definitions)
    for kind in HOMES:
        if kind not in ("dataset", "task", "modality"):  # keys that the schema of `data` has
            definitions[kind] = _component(kind, definitions)
    files = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    description = "Config files this one builds on, relative to it; it changes what they say."
    root["properties"]["extends"] = {**files, "description": description}
    root["properties"]["code"] = {**files, "description": root["properties"]["code"]["description"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "bm config",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def sections() -> Iterator[tuple[str, type[Section]]]:
    """Every section with its dotted path, in the order of the schema; the outermost is ''."""
    yield from _sections("", ExperimentConfig)


def _sections(path: str, cls: type[Section]) -> Iterator[tuple[str, type[Section]]]:
    yield path, cls
    for key in cls.model_fields:
        if (inner := shape_of(cls, key).section) is not None:
            yield from _sections(f"{path}.{key}".lstrip("."), inner)


def options(cls: type[Section] | type[Options]) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """The JSON Schema of each key of a section or component, and the definitions they refer to.

    Of a section's own sections and components only the description.
    """
    nested = [key for key in cls.model_fields if _is_nested(cls, key)]
    properties, definitions = field_schema.properties(cls, besides=nested)
    about = {key: {"description": cls.model_fields[key].description or ""} for key in nested}
    every = {**properties, **about}
    return {key: every[key] for key in cls.model_fields}, definitions


def _is_nested(cls: type[Section] | type[Options], key: str) -> bool:
    if not issubclass(cls, Section):
        return False
    shape = shape_of(cls, key)
    return shape.section is not None or shape.chosen is not None or (cls is DataConfig and key == "name")


def _section(cls: type[Section], definitions: dict[str, Schema]) -> Schema:
    properties, _ = options(cls)
    for key, field in cls.model_fields.items():
        shape = shape_of(cls, key)
        description = {"description": field.description or ""}
        if shape.section is not None:
            inner = _section(shape.section, definitions)
            if shape.section.bare is not None and "anyOf" not in inner:
                inner = {"anyOf": [{"type": "string"}, inner]}
            properties[key] = {**inner, **description}
        elif shape.chosen is not None and shape.chosen.kind != "dataset":
            reference = {"$ref": f"#/$defs/{shape.chosen.kind}"}
            one: Schema = {"type": "array", "items": reference} if shape.many else reference
            default: Schema = {"default": shape.chosen.default} if shape.chosen.default else {}
            properties[key] = {**one, **description, **default}
    section: Schema = {"type": "object", "properties": _nullable(properties)}
    if cls is DataConfig:
        return _data(section, definitions)
    if cls is PreprocessingConfig:
        return _preprocessing(section, definitions)
    return {**section, "additionalProperties": False}


def _data(section: Schema, definitions: dict[str, Schema]) -> Schema:
    """`data`: the keys all data has, beside the options of the dataset that is named."""
    registry = registry_of("dataset")
    known = {"enum": registry.names()}
    own = {"type": "string", "not": known, "description": "A dataset of your own."}
    description = section["properties"]["name"]["description"]
    section["properties"]["name"] = {"anyOf": [known, own, {"type": "null"}], "description": description}
    conditions: list[Schema] = [_where_name(own, {"additionalProperties": True})]
    for name in registry.names():
        properties, inner = options(registry.get(name))
        definitions.update(inner)
        if properties:
            conditions.append(_where_name({"const": name}, {"properties": _nullable(properties)}))
    whole = {**section, "allOf": conditions, "unevaluatedProperties": False}
    return {"anyOf": [known, own, whole]}


def _preprocessing(section: Schema, definitions: dict[str, Schema]) -> Schema:
    """`preprocessing`: a map for each modality that has options."""
    for name, cls in modality.sections().items():
        properties, inner = options(cls)
        definitions.update(inner)
        one = {"type": "object", "properties": _nullable(properties), "additionalProperties": False}
        about = {"description": (cls.__doc__ or "").strip().partition("\n")[0]}
        section["properties"][name] = _or_null({**one, **about})
    own = {"type": ["object", "null"], "description": "The options of a modality of your own."}
    return {**section, "additionalProperties": own}


def _where_name(name: Schema, then: Schema) -> Schema:
    return {"if": {"properties": {"name": name}, "required": ["name"]}, "then": then}


def _component(kind: str, definitions: dict[str, Schema]) -> Schema:
    """A component: its bare name, or a map of its name and options."""
    registry = registry_of(kind)
    names = registry.names()
    bare: list[Schema] = []
    maps: list[Schema] = []
    for name in names:
        cls = registry.get(name)
        properties, inner = options(cls)
        definitions.update(inner)
        says = {"const": name, "description": cls.summary()}
        bare.append(says)
        maps.append(_map({"name": says, **_nullable(properties)}, ["name"], additionalProperties=False))
    own = {
        "type": "string",
        "not": {"enum": names},
        "description": f"{messages.with_article(kind).capitalize()} of your own.",
    }
    nameless = _map({}, [], **{"not": {"required": ["name"]}})
    return {"oneOf": [*bare, own, *maps, _map({"name": own}, ["name"]), nameless]}


def _map(properties: Schema, required: list[str], **more: object) -> Schema:
    return {"type": "object", "properties": properties, "required": required, **more}


def _nullable(properties: dict[str, Schema]) -> dict[str, Schema]:
    """The same, each or null: `null` restores the default."""
    return {key: _or_null(schema) for key, schema in properties.items()}


def _or_null(schema: Schema) -> Schema:
    if any(option.get("type") == "null" for option in schema.get("anyOf", ())):
        return schema
    if isinstance(schema.get("type"), str) and "anyOf" not in schema:
        # In one branch, so that an editor says what is wrong instead of 'not valid under any schema'.
        fixed = schema.get("enum", [schema["const"]] if "const" in schema else None)
        rest = {key: value for key, value in schema.items() if key != "const"}
        return {**rest, "type": [schema["type"], "null"], **({"enum": [*fixed, None]} if fixed else {})}
    about: Schema = {key: schema[key] for key in ("description", "default") if key in schema}
    bare = {key: value for key, value in schema.items() if key not in about}
    inner = bare["anyOf"] if set(bare) == {"anyOf"} else [bare]
    return {"anyOf": [*inner, {"type": "null"}], **about}
