"""What Forge loads models with."""
