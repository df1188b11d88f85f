"""Django's own types are made known to the encodings, which know no Django."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet
from django.utils.functional import Promise

from django_streams.encodings import plain
from django_streams.exceptions import EncodeError

__all__: list[str] = []


@plain.register
def _(value: Promise) -> str:
    return str(value)[:]  # A lazy string may be a safe one, which msgspec knows as little.


@plain.register
def _(value: Model) -> Any:
    raise EncodeError(
        f"a model instance ({value._meta.label}, pk={value.pk!r}) is not sent as it is: what of it "
        "goes on the wire is the view's decision. Return that from to_item(), name an item_type "
        "with its fields, or stream queryset.values(...)."
    )


@plain.register
def _(value: QuerySet) -> Any:  # type: ignore[type-arg]
    raise EncodeError(
        f"a query set ({value.model._meta.label}) is no item, and is not evaluated for one. Yield "
        "its rows one by one, or return it from stream(); or make a list of what is to be sent."
    )
