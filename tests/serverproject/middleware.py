from django.utils.decorators import sync_only_middleware


@sync_only_middleware
def sync_middleware(get_response):
    """Makes Django run the rest of the request below a thread, and says so in a header."""

    def middleware(request):
        response = get_response(request)
        response.headers["X-Middleware"] = "sync"
        return response

    return middleware
