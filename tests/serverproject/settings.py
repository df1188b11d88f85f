"""The tests' settings, as a server process takes them: a database of its own, and a log."""

import json
import os
from pathlib import Path

from corsheaders.defaults import default_headers

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

DATABASES["default"]["NAME"] = os.environ["SERVERPROJECT_DATABASE"]
if "SERVERPROJECT_DATABASES_DEFAULT" in os.environ:
    DATABASES["default"] = json.loads(os.environ["SERVERPROJECT_DATABASES_DEFAULT"])
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
# For whoever asks their middleware: see `stacks`.
LANGUAGES = [("en", "English"), ("de", "German")]
SECURE_CSP = {"default-src": ["'self'"]}
CORS_ALLOWED_ORIGIN_REGEXES = [r"http://127\.0\.0\.1:\d+"]
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_HEADERS = [*default_headers, "last-event-id"]
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
