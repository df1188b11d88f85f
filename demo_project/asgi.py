"""What an ASGI server runs: `uvicorn demo_project.asgi:application`."""

import os

from django_streams.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_project.settings")

application = get_asgi_application()

from demo_project.pages.tokens import trained_model  # noqa: E402 - The apps are ready only now.

trained_model()  # At the start, so that no prompt has to wait for it.
