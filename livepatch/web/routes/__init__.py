"""The routes of a running app: seen, and changed while requests run."""
