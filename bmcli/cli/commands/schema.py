"""`bm schema`: the config's JSON Schema."""

from __future__ import annotations

from bmcli.cli.command import Session, command
from bmcli.terminal.render import Verbatim


@command
def schema(session: Session) -> None:
    """Print the JSON Schema of configs, for editors.

    Save it with `bm schema > bm.schema.json`. Editors then complete and check configs that begin with `#
    yaml-language-server: $schema=bm.schema.json`; `bm init` adds this line if the file exists.
    """
    import json

    from bmcli.config.reference.json_schema import json_schema

    document = json_schema()
    session.result({"schema": document}, Verbatim(json.dumps(document, indent=2, ensure_ascii=False)))
