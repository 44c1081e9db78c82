"""The keys of a config as Markdown tables: docs/config.md holds them, and a test compares."""

from __future__ import annotations

from bmcli.config.parsing import messages
from bmcli.config.parsing.merge import shape_of
from bmcli.config.reference import catalogue
from bmcli.config.reference.json_schema import options, sections
from bmcli.config.schema import DataConfig, Section


def markdown() -> str:
    """One table per map, in the order of the schema."""
    return "\n\n".join(_table(path, cls) for path, cls in sections())


def components(plural: str) -> str:
    """All of a kind, with every option: two tables in one, a line for each component and for each option."""
    kind = catalogue.kind_of(plural)
    lines = [f"| {kind.name} or option | takes | default | |", "|---|---|---|---|"]
    for entry in catalogue.entries(kind):
        source = f" {entry['source']}." if entry.get("source") else ""
        about = ", ".join(entry.get("kinds", ()) or entry.get("tasks", ()))
        lines.append(_row(f"**`{entry['name']}`**", about, "", f"**{entry['summary']}**{source}"))
        for option in entry.get("options", ()):
            default = catalogue.default_of(option)
            default = default if option["required"] else f"`{default}`"
            lines.append(_row(f"`{option['name']}`", option["type"], default, option["description"]))
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _table(path: str, cls: type[Section]) -> str:
    properties, _ = options(cls)
    title = f"### `{path}`" if path else "### The file itself"
    lines = [title, "", "| key | takes | default | |", "|---|---|---|---|"]
    if not path:
        description = "Config files this one builds on; see above."
        lines.append(f"| `extends` | a path or a list of paths | | {description} |")
    for key in cls.model_fields:
        takes, default = _takes(cls, key, properties[key]), _default(cls, key)
        description = str(properties[key].get("description", "")).replace("|", "\\|")
        lines.append(f"| `{key}` | {takes} | {default} | {description} |")
    return "\n".join(lines)


def _takes(cls: type[Section], key: str, schema: dict[str, object]) -> str:
    shape = shape_of(cls, key)
    if cls is DataConfig and key == "name":
        return "a dataset"
    if shape.chosen is not None:
        return f"a list of {shape.chosen.kind}s" if shape.many else messages.with_article(shape.chosen.kind)
    if shape.section is not None:
        return "a map, below"
    return messages.expected(schema).replace("|", "\\|")


def _default(cls: type[Section], key: str) -> str:
    shape, field = shape_of(cls, key), cls.model_fields[key]
    if shape.chosen is not None and shape.chosen.default is not None:
        return f"`{shape.chosen.default}`"
    if field.is_required() or field.default is None or shape.section is not None:
        return ""
    return f"`{messages.as_written(field.default)}`"
