"""Posts."""

from django.conf import settings
from django.db import models


class Post(models.Model):
    """A post."""

    title = models.CharField(max_length=100)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)

    def __str__(self):
        return self.title
