"""The app's views."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from .models import Note

GREETING = "notes"


def index(request):
    note = Note.objects.create(text="seen")
    Note.objects.filter(pk__lt=note.pk - 20).delete()
    page = render(request, "notes/index.html", {"greeting": GREETING, "user": note.user})
    page["X-Reversed"] = reverse("notes:numbered", args=[7])
    return page


def numbered(request, number):
    return HttpResponse(f"number {number}")
