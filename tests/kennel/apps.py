from django.apps import AppConfig


class KennelConfig(AppConfig):
    name = "tests.kennel"
    default_auto_field = "django.db.models.BigAutoField"
