"""One process, two applications: our handler at /, and below /django/ Django's own."""

import os

from django.core.wsgi import get_wsgi_application as get_plain_wsgi_application

from django_streams.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.serverproject.settings")

ours = get_wsgi_application()
plain_django = get_plain_wsgi_application()


def application(environ, start_response):
    is_plain = environ.get("PATH_INFO", "").startswith("/django/")
    return (plain_django if is_plain else ours)(environ, start_response)
