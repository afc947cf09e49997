"""The layers on one thing: their stacks, what lies below, and what runs around a call."""
