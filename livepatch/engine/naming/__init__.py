"""From what the user names to the thing itself, and to the place that holds it."""
