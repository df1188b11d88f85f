"""The tests' settings, as a server process takes them: a database of its own, and a log."""

import os
from pathlib import Path

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

DATABASES["default"]["NAME"] = os.environ["SERVERPROJECT_DATABASE"]
MEDIA_ROOT = Path(os.environ["SERVERPROJECT_DATABASE"]).parent / "media"
FILES_ROOT = Path(os.environ["SERVERPROJECT_FILES"])
# For whoever asks nginx. Without nginx, such a response is empty.
STREAMS = {"X_ACCEL_REDIRECT": {FILES_ROOT / "accelerated": "/internal/"}}
if "SERVERPROJECT_GRACE" in os.environ:
    STREAMS["SHUTDOWN_GRACE"] = float(os.environ["SERVERPROJECT_GRACE"])
# With a CSRF check of some paths only: elsewhere it would refuse a POST before a view could.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "tests.serverproject.body_views.SomeCsrfMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "tests.serverproject.urls"
ASGI_APPLICATION = "tests.serverproject.asgi.application"
WSGI_APPLICATION = "tests.serverproject.wsgi.application"
# Django by itself tells only the administrators of an error, by mail.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "django_streams": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}
