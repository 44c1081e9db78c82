"""Component and option listings of `bm list`, `bm models` and so on."""

from __future__ import annotations

from collections.abc import Sequence

from bmcli.core.plain import Document
from bmcli.terminal.render import columns


def option_lines(options: Sequence[Document]) -> list[str]:
    """A heading, and two lines per option: name, default and type; then its description."""
    from bmcli.config.reference.catalogue import default_of

    rows = [("option", "default", "type")]
    for option in options:
        default = f"({default_of(option)})" if option["required"] else default_of(option)
        rows.append((option["name"], default, option["type"]))
    heading, *described = columns(rows)
    lines = [heading]
    for option, line in zip(options, described, strict=True):
        lines += [line, *columns([("", option["description"])])]
    return lines


def entry_lines(entry: Document) -> list[str]:
    """One entry in full."""
    rows = [(entry["name"], entry["summary"])]
    for key in ("kinds", "kind", "files", "tasks", "task", "licence", "source", "defined_in", "error"):
        if value := entry.get(key):
            rows.append((key.replace("_", " "), ", ".join(value) if isinstance(value, list) else value))
    if "greater_is_better" in entry:
        rows.append(("better", "greater" if entry["greater_is_better"] else "less"))
    lines = columns(rows)
    if "options" not in entry:
        return lines
    return [*lines, "", *(option_lines(entry["options"]) if entry["options"] else ["no options"])]


def list_lines(entries: Sequence[Document]) -> list[str]:
    """All entries: name and summary of each, followed by its options, one per line."""
    from bmcli.config.reference.catalogue import default_of
    from bmcli.core.registry import registry_of

    width = max((len(entry["name"]) for entry in entries), default=0)
    lines: list[str] = []
    for entry in entries:
        notes = []
        if "error" in entry:
            notes.append(entry["error"])
        if entry.get("tasks") and len(entry["tasks"]) < len(registry_of("task").names()):
            notes.append(f"[{', '.join(entry['tasks'])}]")
        summary = " ".join([entry["summary"], *notes]).strip()
        lines += columns([(entry["name"].ljust(width), summary)])
        rows = []
        for option in entry.get("options", ()):
            default = f"({default_of(option)})" if option["required"] else default_of(option)
            rows.append((f"  {option['name']}", default, option["description"]))
        lines += columns(rows) if rows else []
    return lines
