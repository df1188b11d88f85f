"""No views: a test that needs some names a module of its own by `pytest.mark.urls`."""

urlpatterns: list = []
