"""Plans: an order of things, a step from one to another, and how a step is carried over."""
