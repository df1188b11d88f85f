"""Request bodies, while they arrive: `request.body_stream`."""

from .buffered import RequestSource
from .content import Content
from .csrf import CSRF_FIELD, find_csrf_token
from .file import BodyFile
from .limits import LIMITS, BodyLimits, check_limit, limits_of_settings
from .multipart import Part
from .receiving import Aborted, Receiver
from .saving import Saved, finish_saving, save
from .stream import BodyStream

__all__ = [
    "CSRF_FIELD",
    "LIMITS",
    "Aborted",
    "BodyFile",
    "BodyLimits",
    "BodyStream",
    "Content",
    "Part",
    "Receiver",
    "RequestSource",
    "Saved",
    "check_limit",
    "find_csrf_token",
    "finish_saving",
    "limits_of_settings",
    "save",
]
