"""The protocol of changes: prepare, commit, revert; transactions; and who is told."""
