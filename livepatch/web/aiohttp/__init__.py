"""The live stack of an aiohttp app (ComfyUI's server is one), and what makes it known here."""
