"""A user's regular expression on the names of files, in bounded time.

Python's own `re` has no timeout, and a pattern such as `(a+)+$` may take longer than the universe
has; `regex` takes the same patterns and a time limit.
"""

from __future__ import annotations

import re
from time import perf_counter

from bmcli.core.errors import ConfigError

LONGEST = 1_000
"""Characters of a pattern."""
LARGEST = 10_000
"""Characters of a pattern whose counted repetitions are written out, as `regex` does before it matches."""
SECONDS = 20.0
"""For all names together. A million simple ones take three."""


class NamePattern:
    """A pattern that is searched for in names; its first group counts, or else the whole match.

    key: the config's key that it comes from, for messages. Raises ConfigError if it is not a regular
    expression.
    """

    def __init__(self, pattern: str, key: str) -> None:
        import regex

        self.text = pattern
        self._key = key
        self._left = SECONDS
        if len(pattern) > LONGEST:
            raise ConfigError(f"{key} is longer than {LONGEST:,} characters")
        if _written_out(pattern) > LARGEST:
            raise ConfigError(
                f"{key}: its repetitions come to more than {LARGEST:,} characters",
                hint="a number within a repeated group, as in (a{60}){60}, multiplies: write + or *",
            )
        try:
            self._compiled = regex.compile(pattern)
        except (regex.error, RecursionError, OverflowError) as error:
            what = "it is nested too deeply" if isinstance(error, RecursionError) else error
            raise ConfigError(f"{key} is not a regular expression: {what}") from error

    def find(self, name: str) -> str | None:
        """What it finds in a name; None if it does not match.

        Raises ConfigError once all names together have taken longer than SECONDS.
        """
        start = perf_counter()
        try:
            match = self._compiled.search(name, timeout=max(self._left, 1e-3))
        except TimeoutError:
            raise ConfigError(
                f"{self._key}: matching {self.text!r} takes too long (at '{name}')",
                hint="a repetition inside a repetition, as in (a+)+, may take forever",
            ) from None
        except MemoryError:  # one that calls itself for ever
            raise ConfigError(
                f"{self._key}: matching {self.text!r} takes too much memory (at '{name}')",
                hint="write it without recursion: (?R), (?1)",
            ) from None
        self._left -= perf_counter() - start
        if match is None:
            return None
        return (match.group(1) or "") if self._compiled.groups else match.group()


_COUNT = re.compile(r"\{(\d{0,9})(?:(,)(\d{0,9}))?\}")


def _written_out(pattern: str) -> int:
    """How many characters a pattern has where `a{3}` is written as `aaa`; about, and bounded."""
    open_groups, at = [0], 0
    while at < len(pattern):
        char, size = pattern[at], 1
        at += 1
        if char == "\\":
            at += 1
        elif char == "[":
            end = pattern.find("]", at + 1)
            at = len(pattern) if end < 0 else end + 1
        elif char == "(":
            open_groups.append(0)
            continue
        elif char == ")" and len(open_groups) > 1:
            size = max(open_groups.pop(), 1)
        if (count := _COUNT.match(pattern, at)) is not None:
            at = count.end()
            size *= max(int(count[3] or 0), int(count[1] or 0), 1)
        open_groups[-1] = min(open_groups[-1] + size, LARGEST + 1)
    return sum(open_groups)
