"""Creates the database of the server processes: `python -m tests.serverproject.prepare`."""

import os

import django
from django.conf import settings
from django.core.management import call_command


class NoMigrations:
    """Says of every app that it has none: tables are made from the models, in half a second."""

    def __contains__(self, app):
        return True

    def __getitem__(self, app):
        return None


def main():
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.serverproject.settings"
    settings.MIGRATION_MODULES = NoMigrations()
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)

    from django.contrib.auth.models import User

    from tests.kennel.models import Dog
    from tests.serverproject.views import PASSWORD, USERS

    Dog.objects.bulk_create(
        Dog(name=name) for name in ["first", "second", *(f"dog {n}" for n in range(5000))]
    )
    for name in USERS:
        User.objects.create_user(name, password=PASSWORD)


if __name__ == "__main__":
    main()
