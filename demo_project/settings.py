"""The demo's settings: an ordinary project, and what streaming takes is marked."""

import os
import warnings
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = os.environ.get("DEMO_DEBUG", "1") not in {"", "0", "false", "no"}
SECRET_KEY = "a demo has no secrets"
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = [
    "daphne",  # Before staticfiles: makes `manage.py runserver` an ASGI server.
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_streams",  # For streaming: its system checks.
    "demo_project",
]

# Streams pass all of it: they start when it has returned.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "demo_project.urls"
ASGI_APPLICATION = "demo_project.asgi.application"  # For streaming: see asgi.py.

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "demo_project.navigation.navigation",
            ]
        },
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DEMO_DATABASE", BASE_DIR / "demo.sqlite3"),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# What is uploaded. No URL leads there: a file of a stranger's is not to be a page of this site.
MEDIA_ROOT = os.environ.get("DEMO_MEDIA", BASE_DIR / "demo_project" / "media")

LANGUAGE_CODE = "en-gb"
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"

# The demo serves its few static files itself, through Django's FileResponse, which under ASGI warns
# of what it does: it reads the file before it sends it.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous")
