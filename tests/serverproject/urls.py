from django.urls import include, path

from django_streams import JSONL, MSGPACK, TEXT, EventStreamView

from . import body_views, file_views, stopping_views, views
from .body_views import IDLE_SECONDS, MAX_SIZE


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
    # Bodies.
    path("running/", body_views.running),
    path("reads/<name>/", body_views.Reads.as_view()),
    path("reads-little/<name>/", body_views.Reads.as_view(max_size=MAX_SIZE)),
    path("reads-impatiently/<name>/", body_views.Reads.as_view(idle_seconds=IDLE_SECONDS)),
    path("reads-function/<name>/", body_views.reads_function),
    path("reads-privately/<name>/", body_views.PrivateReads.as_view()),
    path("reads-nothing/<name>/", body_views.ReadsNothing.as_view()),
    path("reads-late/<name>/", body_views.ReadsLate.as_view()),
    path("reads-and-pauses/<name>/", body_views.ReadsAndPauses.as_view()),
    path("reads-and-pauses-privately/<name>/", body_views.PrivateReadsAndPauses.as_view()),
    path("reads-parts/<name>/", body_views.ReadsParts.as_view()),
    path("reads-items/<name>/", body_views.ReadsItems.as_view()),
    path("dribbled/<name>/", body_views.Dribbled.as_view()),
    path("upload/<name>/", body_views.Upload.as_view()),
    path("upload-little/<name>/", body_views.Upload.as_view(max_size=MAX_SIZE)),
    path("upload-impatiently/<name>/", body_views.Upload.as_view(idle_seconds=IDLE_SECONDS)),
    path("upload-privately/<name>/", body_views.PrivateUpload.as_view()),
    path("csrf/form/", body_views.form),
    path("csrf/upload/<name>/", body_views.Upload.as_view()),
    path("echo/<name>/", body_views.Echo.as_view()),
    path("deaf/<name>/", body_views.Deaf.as_view()),
    path("deaf-going-on/<name>/", body_views.DeafGoingOn.as_view()),
    # Files.
    path("files/<name>/<path:path>", file_views.Files.as_view()),
    path("accelerated/<path:path>", file_views.Accelerated.as_view()),
    path("named/given/", file_views.NamedByView.as_view()),
    path("named/own/", file_views.NamedByItself.as_view()),
    # Streams that are open when the server stops.
    path("stopping/events/<name>/", stopping_views.Events.as_view()),
    path("stopping/plain-events/<name>/", stopping_views.PlainEvents.as_view()),
    path("stopping/many-events/<name>/", stopping_views.ManyEvents.as_view()),
    path("stopping/much-exported/<name>/", stopping_views.MuchExported.as_view()),
    path("stopping/farewell/<name>/", stopping_views.Farewell.as_view()),
    path("stopping/late/<name>/", stopping_views.Late.as_view()),
    path("stopping/ordinary/<name>/", stopping_views.ordinary),
    path("stopping/export/<name>/", stopping_views.Export.as_view()),
    path("stopping/finishing/<name>/", stopping_views.Finishing.as_view()),
]

urlpatterns = [
    path("", include(routes)),
    path("sync/", include(routes)),
    path("django/", include(routes)),
]
