from django.urls import include, path

from django_streams import JSONL, MSGPACK, TEXT, EventStreamView

from . import (
    body_views,
    file_views,
    lifetime_views,
    stacks,
    stopping_views,
    told_views,
    views,
)
from .body_views import IDLE_SECONDS, MAX_SIZE


def in_every_format(name, view, **options):
    """Routes a view once for each format, as `/name/format/stream's name/`."""
    events = type(f"{view.__name__}AsEvents", (view, EventStreamView), {})
    return [
        path(f"{name}/event-stream/<name>/", events.as_view(**options)),
        *(
            path(f"{name}/{format.name}/<name>/", view.as_view(format=format, **options))
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
    path("metrics/", views.metrics),
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
    *in_every_format("compressed-steps", views.Steps, compress=True),
    *in_every_format("compressed-plain-steps", views.PlainSteps, compress=True),
    *in_every_format("compressed-failing", views.Failing, compress=True),
    *in_every_format("compressed-plain-failing", views.PlainFailing, compress=True),
    *in_every_format("compressed-endless", views.Endless, compress=True),
    path("compressed-beating/<name>/", views.Silent.as_view(heartbeat=1, compress=True)),
    path("flood/<name>/", views.Flood.as_view()),
    path("frames/<name>/", views.Frames.as_view()),
    path("plain-frames/<name>/", views.PlainFrames.as_view()),
    path("any-format/<name>/", views.AnyFormat.as_view()),
    path("silent/<name>/", views.Silent.as_view(heartbeat=None)),
    path("beating/<name>/", views.Silent.as_view(heartbeat=1)),
    path("delegating/<name>/", views.Delegating.as_view()),
    path("private/<name>/", views.Private.as_view()),
    path("released/<name>/", views.Released.as_view(heartbeat=1)),
    path("released-midway/<name>/", views.ReleasedMidway.as_view()),
    path("plain-events/<name>/", views.plain_events),
    # Told by files.
    path("told/<kind>/<how>/<name>/", told_views.ToldLines.as_view()),
    path("told-events/<kind>/<how>/<name>/", told_views.ToldEvents.as_view()),
    path("idle/<name>/", told_views.Idle.as_view()),
    path("where/<kind>/<name>/", told_views.Where.as_view()),
    # Bodies.
    path("running/", body_views.running),
    path("reads/<name>/", body_views.Reads.as_view()),
    path("reads-little/<name>/", body_views.Reads.as_view(max_size=MAX_SIZE)),
    path("reads-impatiently/<name>/", body_views.Reads.as_view(idle_seconds=IDLE_SECONDS)),
    path("reads-function/<name>/", body_views.reads_function),
    path("reads-privately/<name>/", body_views.PrivateReads.as_view()),
    path("reads-behind-own-mixin/<name>/", body_views.OwnMixinReads.as_view()),
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
    # Lifetimes.
    path("logout/", lifetime_views.log_out),
    path("impatient/<name>/", lifetime_views.Flood.as_view()),
    path("watched/<name>/", lifetime_views.Watched.as_view()),
    path("watched-in-thread/<name>/", lifetime_views.WatchedInThread.as_view()),
    path("one/<name>/", lifetime_views.One.as_view()),
    path("brief/<name>/", lifetime_views.One.as_view(max_streams=None, max_duration=0.5)),
    # Files.
    path("files/<name>/<path:path>", file_views.Files.as_view()),
    path("accelerated/<path:path>", file_views.Accelerated.as_view()),
    path("accelerated-with-tag/<path:path>", file_views.AcceleratedWithTag.as_view()),
    path("named/given/", file_views.NamedByView.as_view()),
    path("named/own/", file_views.NamedByItself.as_view()),
    # Streams that are open when the server stops.
    path("stopping/events/<name>/", stopping_views.Events.as_view()),
    path("stopping/plain-events/<name>/", stopping_views.PlainEvents.as_view()),
    path("stopping/many-events/<name>/", stopping_views.ManyEvents.as_view()),
    path("stopping/much-exported/<name>/", stopping_views.MuchExported.as_view()),
    path("stopping/late/<name>/", stopping_views.Late.as_view()),
    path("stopping/ordinary/<name>/", stopping_views.ordinary),
    path("stopping/export/<name>/", stopping_views.Export.as_view()),
    path("stopping/finishing/<name>/", stopping_views.Finishing.as_view()),
]

urlpatterns = [
    path("", include(routes)),
    path("sync/", include(routes)),
    path("stacks/<stack>/", include(stacks.urlpatterns)),
    path("django/", include(routes)),
    path("bare/", include(routes)),
]
