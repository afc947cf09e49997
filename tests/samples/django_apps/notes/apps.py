"""The app's configuration."""

from django.apps import AppConfig
from django.core.checks import Info, register
from django.db.models.signals import post_save


def check_notes(app_configs, **kwargs):
    return [Info("notes are here", id="notes.I001")]


class NotesConfig(AppConfig):
    """Notes of users."""

    name = "notes"
    url_prefix = "notes/"
    middleware = ["notes.middleware.Stamp"]

    def ready(self):
        from . import lookups, receivers

        register(check_notes)
        lookups.register()
        post_save.connect(receivers.note_saved_post, sender="blog.Post")
