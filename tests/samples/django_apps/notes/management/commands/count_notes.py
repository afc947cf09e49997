"""``manage.py count_notes``."""

from django.core.management.base import BaseCommand

from notes.models import Note


class Command(BaseCommand):
    """Counts the notes."""

    def handle(self, *args, **options):
        self.stdout.write(f"{Note.objects.count()} notes")
