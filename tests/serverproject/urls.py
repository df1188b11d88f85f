from django.urls import include, path

from django_streams import JSONL, MSGPACK, TEXT, EventStreamView

from . import views


def in_every_format(name, view):
    """Routes a view once for each format, as `/name/format/stream's name/`."""
    events = type(f"{view.__name__}AsEvents", (view, EventStreamView), {})
    return [
        path(f"{name}/event-stream/<name>/", events.as_view()),
        *(
            path(f"{name}/{format.name}/<name>/", view.as_view(format=format))
            for format in (TEXT, JSONL, MSGPACK)
        ),
    ]


routes = [
    # About the process and its streams.
    path("pid/", views.pid),
    path("journal/<name>/", views.journal_of),
    path("produced/<name>/", views.produced),
    path("signal/<name>/", views.signal),
    path("dogs/", views.count_dogs),
    path("login/", views.log_in),
    # Streams.
    *in_every_format("steps", views.Steps),
    *in_every_format("plain-steps", views.PlainSteps),
    *in_every_format("query-set-steps", views.QuerySetSteps),
    *in_every_format("late", views.Late),
    *in_every_format("paced", views.Paced),
    *in_every_format("going-on", views.GoingOn),
    *in_every_format("plain-paced", views.PlainPaced),
    *in_every_format("query-set-paced", views.QuerySetPaced),
    *in_every_format("endless", views.Endless),
    *in_every_format("plain-endless", views.PlainEndless),
    *in_every_format("failing", views.Failing),
    *in_every_format("plain-failing", views.PlainFailing),
    *in_every_format("much-failing", views.MuchFailing),
    *in_every_format("missing", views.Missing),
    *in_every_format("visited-missing", views.VisitedMissing),
    *in_every_format("broken", views.Broken),
    path("flood/<name>/", views.Flood.as_view()),
    path("frames/<name>/", views.Frames.as_view()),
    path("plain-frames/<name>/", views.PlainFrames.as_view()),
    path("any-format/<name>/", views.AnyFormat.as_view()),
    path("silent/<name>/", views.Silent.as_view(heartbeat=None)),
    path("beating/<name>/", views.Silent.as_view(heartbeat=1)),
    path("delegating/<name>/", views.Delegating.as_view()),
    path("private/<name>/", views.Private.as_view()),
]

urlpatterns = [
    path("", include(routes)),
    path("sync/", include(routes)),
    path("django/", include(routes)),
]
