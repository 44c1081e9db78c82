"""How people spell dates and times: names of months, time zones, and the order and marks of the parts."""

from __future__ import annotations

# English, German, French, Spanish, Italian, Portuguese, Dutch, Scandinavian, Polish and Russian.
_NAMES = (
    "jan january januar jänner janvier janv enero ene gennaio gen janeiro januari stycznia styczeń "
    "января январь янв",
    "feb february februar février fevr févr fév fevrier febrero febbraio fevereiro fev februari lutego luty "
    "февраля февраль фев",
    "mar march märz mär mrz mars marzo março marco maart mrt marts marca marzec марта март мар",
    "apr april avril avr abril abr aprile kwietnia kwiecień апреля апрель апр",
    "may mai mayo maggio mag maio mei maj maja мая май",
    "jun june juni juin junio giugno giu junho czerwca czerwiec июня июнь июн",
    "jul july juli juillet juil julio luglio lug julho lipca lipiec июля июль июл",
    "aug august août aout agosto ago augustus augusti sierpnia sierpień августа август авг",
    "sep sept september septembre septiembre settembre set setembro września wrzesień "
    "сентября сентябрь сен сент",
    "oct october okt oktober octobre octubre ottobre ott outubro out października październik "
    "октября октябрь окт",
    "nov november novembre noviembre novembro listopada listopad ноября ноябрь ноя нояб",
    "dec december dez dezember décembre déc decembre diciembre dic dicembre dezembro grudnia grudzień "
    "декабря декабрь дек",
)
MONTHS = {name: i for i, names in enumerate(_NAMES, start=1) for name in names.split()}
ZONES = {
    "z": 0,
    "utc": 0,
    "gmt": 0,
    "wet": 0,
    "bst": 60,
    "cet": 60,
    "cest": 120,
    "eet": 120,
    "eest": 180,
    "msk": 180,
    "est": -300,
    "edt": -240,
    "cst": -360,
    "cdt": -300,
    "mst": -420,
    "mdt": -360,
    "pst": -480,
    "pdt": -420,
    "jst": 540,
    "kst": 540,
}
"""Minutes east of Greenwich."""
_ZONE = rf"(?P<zone>(?i:{'|'.join(ZONES)})|(?:UTC|GMT)?[+-]\d{{2}}(?::?\d{{2}})?)"
_HOURS = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d+)?))? ?(?P<half>[AaPp]\.?[Mm]\.?)?"
)
_CLOCK = rf"(?:(?:T|,? +(?:at )?|, ?|:){_HOURS})?(?: ?{_ZONE})?"
_WEEKDAY = r"(?:\p{L}{2,12}\.?,? )?"
_NAME = r"(?P<name>\p{L}{3,12})\.?"
_BETWEEN = r"(?:[- /.]|(?: de | of | d['’]| del ))?"
FORMS = {
    "ymd": rf"^(?P<year>\d{{4}})[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}}){_CLOCK}$",
    "compact": r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"
    r"(?:[T ]?(?P<hour>\d{2}):?(?P<minute>\d{2}):?(?P<second>\d{2})?)?(?P<half>)(?P<zone>Z)?$",
    "ym": r"^(?P<year>1[6-9]\d{2}|2[01]\d{2})[-/.](?P<month>\d{1,2})$",
    "local": rf"^{_WEEKDAY}(?P<a>\d{{1,2}})[-/. ](?P<b>\d{{1,2}})[-/. ](?P<year>\d{{4}}|\d{{2}}),?{_CLOCK}$",
    "day month": rf"^{_WEEKDAY}(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|º|\.)? ?{_BETWEEN} ?{_NAME},? ?"
    rf"{_BETWEEN} ?(?P<year>\d{{4}}|\d{{2}}),?{_CLOCK}$",
    "month day": rf"^{_WEEKDAY}{_NAME}[- ](?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?[- ]+"
    rf"(?P<year>\d{{4}}),?{_CLOCK}$",
    "year month day": rf"^(?P<year>\d{{4}})[- /.]?{_NAME}[- /.]?(?P<day>\d{{1,2}}){_CLOCK}$",
    # As C's ctime and Twitter write it.
    "year last": rf"^\p{{L}}{{2,9}}\.?,? {_NAME} +(?P<day>\d{{1,2}}) {_HOURS}(?: {_ZONE})? "
    r"(?P<year>\d{4})$",
    "month year": rf"^{_NAME},?(?:(?:[-/ ]| de )(?P<year>\d{{4}})|[-/'’](?P<short>\d{{2}}))$",
    "m/y": r"^(?P<month>\d{1,2})[-/.](?P<year>1[6-9]\d{2}|2[01]\d{2})$",
    "quarter": r"^(?:(?P<year>\d{4})[-/ ]?[Qq](?P<quarter>[1-4])|[Qq](?P<first>[1-4])[-/ ]?(?P<last>\d{4}))$",
    "week": r"^(?P<year>\d{4})-?W(?P<week>\d{2})(?:-?(?P<weekday>[1-7]))?$",
    "clock": r"^(?:(?P<days>-?\d{1,5}) days?,? ?)?(?P<hour>\d{1,3}):(?P<minute>\d{2})"
    r"(?::(?P<second>\d{2}(?:[.,]\d+)?))? ?(?P<half>[AaPp]\.?[Mm]\.?)?$",
}
"""Written forms; 'local' is day.month.year or month/day/year, which its cells have to tell."""
DATED = tuple(form for form in FORMS if form != "clock")
GROUPS = ("year", "month", "day", "name", "hour", "minute", "second", "half", "zone")
CJK = r"^(\d{4}) ?[年년] ?(\d{1,2}) ?[月월](?: ?(\d{1,2}) ?[日일])?"


PERHAPS = (
    r"\d ?[-/.:,]+ ?\d|\d[- /.]*\p{L}{3}|\p{L}{3}[-/., '’]+\d|\d de |\d (?:days?|[AaPp])|^\d{8}|[Qq][1-4]|W\d"
    r"|\d ?[年년]"
)
"""What every form has, so that columns of words cost little."""
