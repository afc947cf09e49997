"""Looking for a target in here must not import it: the import would be noticed."""

raise AssertionError("imported as a side effect")
