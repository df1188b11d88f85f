"""Which of several formats a client gets: by its Accept header (RFC 9110 12.5.1), or by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http.request import MediaType

from django_streams.exceptions import NotAcceptable

from .base import Format

__all__ = ["choose_format", "find_by_name", "is_choice"]


def is_choice(formats: Any) -> bool:
    """Whether it is what `formats` takes: a tuple or list of at least one `Format`."""
    is_sequence = isinstance(formats, (tuple, list)) and bool(formats)
    return is_sequence and all(isinstance(format, Format) for format in formats)


def choose_format(accept: str | None, formats: Sequence[Format]) -> Format:
    """Returns the format that an Accept header likes best, under the name it asks by.

    Quality decides, and among equals the order of `formats`; without a header it is the first one.
    The most specific range counts for each media type, so that `q=0` excludes it (RFC 9110 12.5.1).
    A wildcard means the preferred names only: it must not bring back as an alias what is excluded.
    Raises `NotAcceptable`, which lists what there is.
    """
    _check(formats)
    if not accept:
        return formats[0]
    ranges = _media_ranges(accept)
    asked = {f"{wanted.main_type}/{wanted.sub_type}" for wanted in ranges}
    offers = [
        (format, name)
        for format in formats
        for name in format.media_types
        if name == format.content_type or name in asked
    ]
    qualities = [_quality(name, ranges) for _, name in offers]
    best = max(qualities)
    if best > 0:
        format, name = offers[qualities.index(best)]
        return format if name == format.content_type else replace(format, content_type=name)
    raise NotAcceptable(
        f"Accept: {accept[:200]} admits none of the formats there are: "
        + ", ".join(map(str, formats))
    )


def find_by_name(name: str, formats: Sequence[Format]) -> Format:
    """Returns the format of that `name`; raises `NotAcceptable`, which lists what there is."""
    _check(formats)
    for format in formats:
        if format.name == name:
            return format
    raise NotAcceptable(
        f"the format {name[:200]!r} is none of those there are: "
        + ", ".join(format.name for format in formats)
    )


def _check(formats: Any) -> None:
    if not is_choice(formats):
        raise ImproperlyConfigured(
            f"formats is {formats!r}; it takes a tuple or list of Format, one at least. For one "
            "format there is format."
        )


def _media_ranges(accept: str) -> list[MediaType]:
    try:
        ranges = [MediaType(token.strip().lower()) for token in accept.split(",") if token.strip()]
    except ValueError as error:
        raise NotAcceptable(f"Accept: {accept[:200]} is no list of media ranges") from error
    for media_range in ranges:
        media_range.params.pop("charset", None)  # All our text is UTF-8, whatever a client prefers.
    return ranges


def _quality(name: str, ranges: Sequence[MediaType]) -> float:
    offered = MediaType(name)
    matching = [wanted for wanted in ranges if offered.match(wanted)]  # type: ignore[arg-type]
    if not matching:
        return 0
    return max(matching, key=lambda wanted: wanted.specificity).quality
