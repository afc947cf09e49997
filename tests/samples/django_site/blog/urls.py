"""The blog's URLs."""

from django.urls import path

from . import views

app_name = "blog"
urlpatterns = [
    path("", views.index, name="index"),
    path("write/", views.write, name="write"),
    path("slow/", views.slow, name="slow"),
    path("async/", views.asynchronous, name="asynchronous"),
]
