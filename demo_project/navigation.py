"""What every template knows of the demo: its pages, and which of them it shows."""

from typing import Any

from django.http import HttpRequest

from .pages import PAGES


def navigation(request: HttpRequest) -> dict[str, Any]:
    """A context processor."""
    match = request.resolver_match
    slug = match.namespace if match else ""
    return {"pages": PAGES, "page": next((page for page in PAGES if page.slug == slug), None)}
