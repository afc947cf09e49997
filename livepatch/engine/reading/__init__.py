"""What can be read from a running program: nothing is computed, imported or changed."""
