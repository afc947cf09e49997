"""From what is live to an extension that other webuis load."""
