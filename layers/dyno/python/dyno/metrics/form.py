"""The text formats of Prometheus, and which of them a scraper wants."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dyno.metrics.catalogue import Family, Kind


@dataclass(frozen=True)
class Form:
    """
    A text format.

    Attributes:
        end: What stands behind the last sample.
    """

    media_type: str
    version: str
    end: str

    @property
    def content_type(self) -> str:
        """What it is sent as."""
        return f"{self.media_type}; version={self.version}; charset=utf-8"


TEXT = Form("text/plain", "0.0.4", "")
OPENMETRICS = Form("application/openmetrics-text", "1.0.0", "# EOF\n")
FORMS = (TEXT, OPENMETRICS)
"""The first is what anybody gets who does not ask for the other."""

_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
_UNIT = re.compile(r"_(seconds|ratio|bytes|bytes_per_second)\Z")
_SUFFIXES = {Kind.COUNTER: "_total", Kind.INFO: "_info"}


def head(family: Family, form: Form) -> str:
    """What stands before the samples of a family, whose help is plain text on one line."""
    if form is TEXT:
        kind = Kind.GAUGE if family.kind is Kind.INFO else family.kind
        return f"# HELP {family.name} {family.help}\n# TYPE {family.name} {kind}\n"
    # There a suffix is the sample's, not the family's.
    name = family.name.removesuffix(_SUFFIXES.get(family.kind, ""))
    unit = _UNIT.search(name)
    said = f"# UNIT {name} {unit[1]}\n" if unit else ""
    return f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n{said}"


class _Range(NamedTuple):
    """A media type that is accepted, or several of them."""

    media_type: str
    version: str | None
    quality: float
    position: int

    def precision(self, form: Form) -> int:
        """How closely it describes a form; 0 if it is about another."""
        if self.media_type == form.media_type:
            return {None: 3, form.version: 4}.get(self.version, 0)
        return {f"{form.media_type.partition('/')[0]}/*": 2, "*/*": 1}.get(self.media_type, 0)


def wanted(accept: str) -> Form:
    """
    The form that an Accept header wants most: by quality, then the more closely described, then the one named first.

    Source:
        RFC 9110, section 12.5.1; where nothing fits, the text format, as in Prometheus' own libraries.
    """
    ranges = list(_ranges(accept))
    return max(FORMS, key=lambda form: _fit(form, ranges))


def _fit(form: Form, ranges: Sequence[_Range]) -> tuple[float, int, int]:
    """How well it fits: the greater, the better."""
    said = [each for each in ranges if each.precision(form)]
    closest = max(said, key=lambda each: each.precision(form), default=None)
    if closest is None or not closest.quality:
        return 0.0, 0, 0
    return closest.quality, closest.precision(form), -closest.position


def _ranges(accept: str) -> Iterator[_Range]:
    for position, said in enumerate(accept.lower().split(",")):
        media_type, *parameters = (part.strip() for part in said.split(";"))
        known = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
        quality = known.get("q", "1")
        if _QUALITY.fullmatch(quality):
            yield _Range(media_type, known.get("version"), float(quality), position)
