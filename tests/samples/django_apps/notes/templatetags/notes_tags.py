"""Filters of the app."""

from django import template

register = template.Library()


@register.filter
def backwards(text):
    return text[::-1]
