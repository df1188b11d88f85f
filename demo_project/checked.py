"""A mixin for views whose requests say what they want: a form checks it before anything streams."""

from typing import Any

from django import forms
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase


class CheckedMixin:
    """Gives the view `options`, the cleaned data of `form_class`; answers 400 if it is not valid.

    What the request does not mention has the `initial` value of the form's field.
    """

    form_class: type[forms.Form]
    options: dict[str, Any]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        fields = self.form_class.base_fields.items()
        defaults = {name: field.initial for name, field in fields}
        asked = request.POST if request.method == "POST" else request.GET
        form = self.form_class(defaults | asked.dict())
        if not form.is_valid():
            return JsonResponse({"errors": form.errors.get_json_data()}, status=400)
        self.options = form.cleaned_data
        return super().get(request, *args, **kwargs)

    post = get
