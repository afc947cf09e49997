"""From what was tried to an extension that other webuis load: export, and the rules to keep."""
