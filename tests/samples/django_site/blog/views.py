"""The blog's views."""

import threading

from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from .models import Post

slow_began = threading.Event()
slow_may_end = threading.Event()


def index(request):
    """The newest posts."""
    return render(request, "blog/index.html", {"posts": Post.objects.order_by("-pk")[:3]})


@csrf_exempt
def write(request):
    """One more post, and one less."""
    with transaction.atomic():
        Post.objects.create(title="written")
        oldest = Post.objects.order_by("pk").first()
        Post.objects.filter(pk__lt=oldest.pk).delete()
    return HttpResponse(reverse("blog:index"))


def slow(request):
    """Takes as long as the test wants."""
    began, may_end = slow_began, slow_may_end
    began.set()
    may_end.wait(60)
    return HttpResponse(reverse("blog:index"))


async def asynchronous(request):
    """A view on the event loop."""
    return HttpResponse(f"{await Post.objects.acount()} posts")
