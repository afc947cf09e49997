"""The events of a running Gradio page: seen, and changed while pages are open."""
