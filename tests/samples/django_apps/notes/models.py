"""Notes."""

from django.conf import settings
from django.db import models


class Tag(models.Model):
    """A tag."""

    name = models.CharField(max_length=50)


class Note(models.Model):
    """A note of a user."""

    text = models.CharField(max_length=100)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    tags = models.ManyToManyField(Tag)
    # more fields

    def __str__(self):
        return self.text
