"""The live stack and the routes of an aiohttp app (ComfyUI's server is one)."""
