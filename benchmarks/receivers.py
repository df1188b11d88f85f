"""The views that a body is sent to: they count its bytes, or save the file of its form.

Each answers JSON with the size. What is saved goes to the default storage, a FileSystemStorage.
"""

from django.core.files.storage import default_storage
from django.http import JsonResponse

from django_streams import UploadView, body_stream


@body_stream(max_size=None)
async def ours_count(request):
    size = 0
    async for chunk in request.body_stream:
        size += len(chunk)
    return JsonResponse({"size": size})


ours_save = UploadView.as_view(max_size=None)


def django_count(request):
    size = 0
    while chunk := request.read(64 * 1024):
        size += len(chunk)
    return JsonResponse({"size": size})


def django_save(request):
    file = request.FILES["file"]
    return JsonResponse({"name": default_storage.save(file.name, file), "size": file.size})
