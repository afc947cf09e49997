"""What a handler of Django is to the rest of livepatch: it has a middleware stack and routes."""

from __future__ import annotations

from livepatch.web.kinds import AppKind

from .routes import django_list_of
from .stack import DjangoStack, django_handler, is_django_handler

DJANGO = AppKind(
    "a handler of Django", is_django_handler, DjangoStack, django_list_of, django_handler
)
