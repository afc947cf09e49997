"""What it says of itself."""

version = "classic-stand-in"
