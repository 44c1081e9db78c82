"""How numbers are written for people."""

from __future__ import annotations

from datetime import UTC, datetime


def duration(seconds: float | None) -> str:
    """Minutes and seconds, '2:11', from an hour on with hours, '1:02:03'."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, last = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{last:02d}" if hours else f"{minutes}:{last:02d}"


def figure(value: float | int | None) -> str:
    """A metric: three decimals where they say something, else three digits; '–' for none."""
    if value is None:
        return "–"
    if value == 0 or 0.001 <= abs(value) < 1000:
        return f"{value:.3f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


INTERVAL = "95 % interval"


def interval(value: tuple[float, float]) -> str:
    """'0.871 – 0.926'"""
    return f"{figure(value[0])} – {figure(value[1])}"


def short(value: float) -> str:
    """A setting, without needless zeros: 1e-3, 0.05, 9.8e-4."""
    text = f"{value:.2g}"
    if 0 < abs(value) < 0.01:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        text = f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return text


def count(value: int) -> str:
    """A large number in words: '1.5 M', '23 k', '650'."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if value >= size:
            scaled = value / size
            return f"{scaled:.1f} {unit}" if scaled < 10 else f"{scaled:.0f} {unit}"
    return str(value)


def size(value: int) -> str:
    """Bytes: '11 MB'."""
    return (
        f"{value} B"
        if value < 1000
        else f"{count(value).replace('k', 'kB').replace(' M', ' MB').replace('G', 'GB')}"
    )


def moment(text: str | None) -> str:
    """An ISO 8601 time in the reader's own time zone, to the minute."""
    if text is None:
        return "–"
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return text
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return parsed.astimezone().strftime("%Y-%m-%d %H:%M")
