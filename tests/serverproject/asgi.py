"""One process, some applications, each below a prefix: so one start of a server serves all tests.

/                  our handler
/sync/             our handler, with a synchronous middleware outermost
/stacks/<name>/    our handler, with the middleware of that name in `stacks`
/django/           Django's own handler
/bare/             Django's own handler without any middleware
"""

import os

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.test import override_settings

from django_streams.asgi import StreamingASGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.serverproject.settings")
django.setup(set_prefix=False)

from tests.serverproject import stacks  # noqa: E402 - Its views need the settings.

ours = StreamingASGIHandler()
# A handler loads its middleware when it is made.
with override_settings(
    MIDDLEWARE=["tests.serverproject.middleware.sync_middleware", *settings.MIDDLEWARE]
):
    sync = StreamingASGIHandler()
stacked = stacks.handlers()
plain_django = ASGIHandler()
with override_settings(MIDDLEWARE=[]):
    bare_django = ASGIHandler()


async def application(scope, receive, send):
    path = scope.get("path", "")
    handler = ours
    if path.startswith("/sync/"):
        handler = sync
    elif path.startswith("/stacks/"):
        handler = stacked[path.split("/")[2]]
    elif path.startswith("/django/"):
        handler = plain_django
    elif path.startswith("/bare/"):
        handler = bare_django
    await handler(scope, receive, send)
