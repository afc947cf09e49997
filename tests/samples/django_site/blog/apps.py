"""The blog, which is there from the start."""

from django.apps import AppConfig


class BlogConfig(AppConfig):
    """The blog."""

    name = "blog"
    version = "1.4"

    def ready(self):
        from . import signals  # noqa: F401
