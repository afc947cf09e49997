"""What the older fork loads models with."""
