"""Django REST framework: its request hands on `body_stream`, and its checks leave it alone."""

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.middleware.csrf import _get_new_csrf_string
from django.urls import path
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from django_streams import body_stream
from django_streams.testing import StreamClient

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]


class Upload(APIView):
    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAuthenticated]

    def post(self, request):
        return Response({"size": len(async_to_sync(request.body_stream.read)())})


urlpatterns = [path("upload/", body_stream(Upload.as_view()))]


async def answer_to(headers, client):
    async def body():
        yield b"ab"
        yield b"c"

    async with client.stream("POST", "/upload/", body=body(), headers=headers) as answer:
        return answer.status_code, await answer.read()


async def test_a_logged_in_user_uploads_with_a_token_in_the_header():
    client = StreamClient(enforce_csrf_checks=True)
    await client.aforce_login(await User.objects.acreate(username="ada"))
    token = _get_new_csrf_string()
    client.cookies["csrftoken"] = token
    headers = {"X-CSRFToken": token, "Content-Type": "application/octet-stream"}
    assert await answer_to(headers, client) == (200, b'{"size":3}')
    status, text = await answer_to({"Content-Type": "application/octet-stream"}, client)
    assert status == 403
    assert b"CSRF" in text


async def test_somebody_else_is_refused_by_the_framework():
    status, _ = await answer_to({}, StreamClient())
    assert status == 403
