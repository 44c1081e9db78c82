"""Pages from the templates of `templates/`, each with its styles in it, every text from outside escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from markupsafe import Markup

from bmcli._version import __version__
from bmcli.core.sanitize import one_line, safe

if TYPE_CHECKING:
    import jinja2


def rendered(template: str, context: Mapping[str, object]) -> str:
    """A template of `templates/` with these values, escaped where it is HTML."""
    # Half a surrogate pair (an undecodable byte of a file name) has no place in UTF-8; `safe` escapes it.
    known = {"version": __version__, "css": _css()}
    return _environment().get_template(template).render(**known, **context)


@cache
def _css() -> Markup:
    return Markup(files(__package__).joinpath("templates/style.css").read_text("utf-8"))


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("bmcli.report"),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=jinja2.ChainableUndefined,
        finalize=lambda value: (
            safe(value) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["md"] = _markdown
    return made


def _markdown(text: str) -> str:
    """Text that Markdown, and HTML in it, leave unchanged, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", one_line(text))
