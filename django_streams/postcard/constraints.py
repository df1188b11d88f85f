"""`msgspec.Meta` on a type: what else a decoded value has to be.

They are looked at where a value is decoded. Where one is encoded, its type is, and nothing else.
https://jcristharif.com/msgspec/constraints.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from .codec import Codec, Problem, shown

Rule = tuple[Callable[[Any], bool], str]
"""What has to hold, and how an error says it."""


def constrained(codec: Codec, metas: list[msgspec.Meta]) -> Codec:
    """Returns a codec that reads only what all of these allow. None is subject to no constraint."""
    rules = [rule for meta in metas for rule in _rules(meta)]
    if not rules:
        return codec
    read_any = codec.read

    def read(data: bytes, position: int, depth: int) -> tuple[Any, int]:
        value, position = read_any(data, position, depth)
        if value is not None:
            for holds, what in rules:
                if not holds(value):
                    raise Problem(f"expected {what}, got {shown(value)}")
        return value, position

    return codec._replace(read=read)


def _rules(meta: msgspec.Meta) -> list[Rule]:
    given: list[tuple[Any, Callable[[Any], Rule]]] = [
        (meta.gt, lambda bound: (lambda value: value > bound, f"more than {bound}")),
        (meta.ge, lambda bound: (lambda value: value >= bound, f"at least {bound}")),
        (meta.lt, lambda bound: (lambda value: value < bound, f"less than {bound}")),
        (meta.le, lambda bound: (lambda value: value <= bound, f"at most {bound}")),
        (meta.multiple_of, lambda step: (lambda value: value % step == 0, f"a multiple of {step}")),
        (meta.min_length, lambda n: (lambda value: len(value) >= n, f"a length of at least {n}")),
        (meta.max_length, lambda n: (lambda value: len(value) <= n, f"a length of at most {n}")),
        (meta.pattern, _matching),
        (meta.tz, _zoned),
    ]
    return [rule(argument) for argument, rule in given if argument is not None]


def _matching(pattern: str) -> Rule:
    search = re.compile(pattern).search
    return lambda value: search(value) is not None, f"a str that matches {pattern!r}"


def _zoned(wanted: Any) -> Rule:
    what = "a time zone" if wanted else "no time zone"
    return lambda value: (value.tzinfo is not None) == wanted, what
