"""The layers over one thing: what lies on it, what is below, and what runs around a call."""
