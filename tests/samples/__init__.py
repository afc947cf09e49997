"""Small modules that tests patch: each stands for a part of a webui."""
