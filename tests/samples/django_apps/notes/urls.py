"""The app's URLs."""

from django.urls import path, register_converter

from . import views


class FourDigits:
    """``0042``."""

    regex = "[0-9]{4}"

    def to_python(self, value):
        return int(value)

    def to_url(self, value):
        return f"{value:04d}"


register_converter(FourDigits, "notes_four")

app_name = "notes"
urlpatterns = [
    path("", views.index, name="index"),
    path("<notes_four:number>/", views.numbered, name="numbered"),
]
