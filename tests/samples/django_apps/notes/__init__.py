"""An app with one of everything that Django lets an app bring."""

__version__ = "1.0"
