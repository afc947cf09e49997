"""Finding and reaching webuis: runtime files, attaching, running, the clients' side."""
