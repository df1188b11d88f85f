"""The index, a folder for each page, and the static files."""

from django.contrib.staticfiles.views import serve
from django.urls import include, path
from django.views.generic import TemplateView

from .pages import PAGES

urlpatterns = [
    path("", TemplateView.as_view(template_name="demo/index.html"), name="index"),
    *(path(f"{page.slug}/", include((page.module, page.slug))) for page in PAGES),
    # A demo has no web server in front of it. "insecure" is Django's word for serving them without
    # DEBUG too.
    path("static/<path:path>", serve, {"insecure": True}),
]
