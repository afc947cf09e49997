"""The webui we live in: which one it is, and its middleware, routes, callbacks and extensions."""
