"""The views that send the files of a folder: a large one, and a small one."""

import warnings

from django.http import FileResponse

from django_streams import FileStreamView

from .contestants import FILES


class OursFile(FileStreamView):
    def get_file(self):
        return FILES / self.kwargs["name"]


ours_file = OursFile.as_view()

# Of which Django warns: it reads the whole file before it sends any of it.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume")


def django_file(request, name):
    return FileResponse((FILES / name).open("rb"))
