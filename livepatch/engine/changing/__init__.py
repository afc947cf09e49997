"""The protocol of a change: prepare, commit, revert; all of several or none; who is told."""
