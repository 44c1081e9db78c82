"""Plain data as YAML that this package and any other YAML reader load alike."""

from __future__ import annotations

import re

import yaml

from bmcli.config.parsing.yaml import NUMBER


class Dumper(yaml.SafeDumper):
    """Writes text that this module and any YAML 1.1 reader load alike: quotes whatever either could
    misread."""

    def ignore_aliases(self, data: object) -> bool:
        return True


Dumper.add_implicit_resolver(
    "tag:bmcli,2026:number",
    re.compile(rf"^(?:{NUMBER})$"),
    list("-+.0123456789"),
)


def dump(value: object) -> str:
    """Plain data as YAML text, keys in their order; `parse` gives it back."""
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)


def inline(value: object) -> str:
    """Plain data on one line, quoted where it must be, keys in their order."""
    text = yaml.dump(
        [value], Dumper=Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**9
    )
    return text.strip()[1:-1]
