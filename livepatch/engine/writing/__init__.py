"""From a source text or a callable to a function that fits the place of its target."""
