from django_streams.asgi import get_asgi_application

application = get_asgi_application()
