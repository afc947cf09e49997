"""The command ``manage.py livepatch``."""
