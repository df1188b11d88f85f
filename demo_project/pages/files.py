"""Files: what was uploaded, downloaded one by one or as one ZIP; and a melody that seeks.

The page is told of changes in HTML that this module renders, for itself too: so it says the same
with and without its script.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

from django.core.files.storage import default_storage
from django.urls import path
from django.views.generic import TemplateView

from demo_project.arrivals import arrivals
from demo_project.listening import HeardMelody, listener
from demo_project.melody import SIZE
from demo_project.uploads import FOLDER, MAX_FILES, whole_uploads
from django_streams import Event, EventStreamView, FileStreamView, ZipStreamView

SECONDS_PER_LOOK = 0.25


class Download(FileStreamView):
    root = default_storage.path(FOLDER)
    # Whatever strangers have uploaded: a browser is to save it, and to show none of it as a page of
    # this site. Nor does it guess another type: the view always sends "nosniff".
    as_attachment = True


class Everything(ZipStreamView):
    filename = "uploads.zip"

    def get_files(self):
        return [(upload.name, upload.path) for upload in whole_uploads()]


class Melody(FileStreamView):
    content_type = "audio/wav"

    def get_file(self):  # Anything with read() and seek() will do; this file is on no disk.
        return HeardMelody(listener(self.kwargs["listener"]))


class FilesPage(TemplateView):
    template_name = "demo/files.html"
    extra_context = {"max_files": MAX_FILES}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        key = uuid.uuid4()  # Each page is shown what was read for itself.
        return super().get_context_data(listener=key, **look(key), **kwargs)


class Changes(EventStreamView):
    """The parts of the page that change: now, and each one again when it has changed."""

    parts = ("arriving", "listing", "video", "heard")

    async def stream(self) -> AsyncIterator[Event]:
        shown: dict[str, Event] = {}
        while True:
            for event in await asyncio.to_thread(self.events):
                if event != shown.get(event.event):
                    yield event
                shown[event.event] = event
            await asyncio.sleep(SECONDS_PER_LOOK)

    def events(self) -> list[Event]:
        seen = look(self.kwargs["listener"])
        return [Event.html(f"demo/files/{part}.html", seen, event=part) for part in self.parts]


def look(key: uuid.UUID) -> dict[str, Any]:
    uploads = whole_uploads()
    videos = (upload for upload in uploads if upload.media_type.startswith("video/"))
    return {
        "arrivals": list(arrivals),
        "uploads": uploads,
        # One only: a browser keeps a connection open for each, and has six for all of a site.
        "video": next(videos, None),
        "heard": listener(key),
        "melody_size": SIZE,
    }


urlpatterns = [
    path("", FilesPage.as_view(), name="page"),
    path("uploads/<path:path>", Download.as_view(), name="download"),
    path("everything/", Everything.as_view(), name="everything"),
    path("melody/<uuid:listener>/", Melody.as_view(), name="melody"),
    path("changes/<uuid:listener>/", Changes.as_view(), name="changes"),
]
