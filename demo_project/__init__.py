"""A project, and its one app, that shows what django_streams does."""
