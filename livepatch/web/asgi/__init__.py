"""The live stack of a Starlette or FastAPI app, a router, a mount or a route."""
