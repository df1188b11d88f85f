"""The views that send the files which the tests ask for, from a folder that the tests fill.

As of a stream, the journal tells of every file by the name in its path: what ranges were asked for.
"""

from django.conf import settings

from django_streams import FileStreamView

from .journal import note
from .views import Named


class Files(Named, FileStreamView):
    """Sends what is in the folder."""

    root = settings.FILES_ROOT / "public"

    def get_file(self):
        note(self.name, self.request.headers.get("Range"))
        return super().get_file()


class Accelerated(FileStreamView):
    """Lets nginx send what is in the folder."""

    root = settings.FILES_ROOT / "accelerated"
    as_attachment = True


class AcceleratedWithTag(Accelerated):
    """Says itself which version that is, to whoever will hear it."""

    def get_etag(self, file):
        return '"v17"'

    def get(self, request, *args, **kwargs):
        response = super().get(request, *args, **kwargs)
        response.headers["ETag"] = '"v17"'
        response.headers["Last-Modified"] = "Sun, 06 Nov 1994 08:49:37 GMT"
        return response


class NamedByView(FileStreamView):
    """Sends its own source, as the query calls it."""

    as_attachment = True

    def get_file(self):
        return __file__

    def get_filename(self):
        return self.request.GET["name"]


class NamedByItself(FileStreamView):
    """Sends the file that has the name in the query: it may have any that a file can have."""

    as_attachment = True

    def get_file(self):
        return settings.FILES_ROOT / "named" / self.request.GET["name"]
