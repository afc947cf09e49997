"""What the blog listens to."""

from django.db.models.signals import post_save
from django.dispatch import receiver

from .models import Post

saved = []


@receiver(post_save, sender=Post)
def note_saved(sender, instance, **kwargs):
    saved.append(instance.title)
