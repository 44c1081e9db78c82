"""`bm schema`: the config's JSON Schema."""

from __future__ import annotations

from bmcli.cli.command import Session, command


@command
def schema(session: Session) -> None:
    """Print the JSON Schema of configs, for editors.

    Save it with `bm schema > bm.schema.json`, and begin a config with
    `# yaml-language-server: $schema=bm.schema.json`: the editor completes and checks it.
    """
    import json

    from bmcli.config.json_schema import json_schema

    document = json_schema()
    session.result({"schema": document}, json.dumps(document, indent=2, ensure_ascii=False))
