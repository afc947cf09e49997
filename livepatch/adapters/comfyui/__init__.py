"""ComfyUI: nodes with functions, model hooks, and caches that outlive a change of a node."""
