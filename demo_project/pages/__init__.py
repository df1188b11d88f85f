"""The demo's pages. A new one is a module here, a template, and a row in `PAGES`.

The module has a view for the page and one or more that stream, and routes them in `urlpatterns`. It
is included under the page's slug, which is its namespace too: `{% url "clock:ticks" %}`.
"""

import inspect
import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from django.contrib.staticfiles import finders
from django.utils.safestring import SafeString

from demo_project.highlighting import highlighted

from . import clock, dogs, export, files, tokens, upload


@dataclass(frozen=True)
class Page:
    """One page of the demo, as the index and the navigation present it."""

    slug: str
    title: str
    summary: str
    module: ModuleType
    views: tuple[type[Any], ...]
    """The views that stream, whose code is shown."""

    @cached_property
    def view_code(self) -> SafeString:
        """The Python that streams, as it stands in the module: the type of its items, and it."""
        shown = ((getattr(view, "item_type", None), view) for view in self.views)
        classes = filter(None, itertools.chain.from_iterable(shown))
        return highlighted("\n\n".join(map(inspect.getsource, classes)))

    @property
    def script(self) -> str:
        """The static file of the page's own script."""
        return f"demo/{self.slug}.js"

    @property
    def script_code(self) -> SafeString:
        """The page's own script, as the browser gets it."""
        return highlighted(Path(finders.find(self.script)).read_text(encoding="utf-8"))


PAGES = (
    Page(
        "clock",
        "Clock",
        "Server-Sent Events that survive a lost connection: the browser comes back with the last "
        "id it has seen, and gets what it missed.",
        clock,
        (clock.Ticks,),
    ),
    Page(
        "tokens",
        "Tokens",
        "Text that arrives word by word in answer to a POST, and a Stop button that stops the "
        "generator on the server.",
        tokens,
        (tokens.Tokens,),
    ),
    Page(
        "dogs",
        "Dogs",
        "Rows of the database in every format there is, whichever the page asks for, in a table "
        "that fills while they arrive.",
        dogs,
        (dogs.DogList,),
    ),
    Page(
        "export",
        "Export",
        "A million rows of the database in one download, as CSV or JSON lines, while the memory of "
        "the server stays flat.",
        export,
        (export.Export,),
    ),
    Page(
        "upload",
        "Upload",
        "Files that are saved and hashed while they arrive, several at once and with progress, and "
        "a Cancel button that leaves nothing behind.",
        upload,
        (upload.Upload,),
    ),
    Page(
        "files",
        "Files",
        "What was uploaded, to be downloaded one by one or as one ZIP, and a melody that is played "
        "from anywhere without being loaded whole.",
        files,
        (files.Download, files.Everything, files.Melody),
    ),
)
