"""Looks at the webui and changes nothing: where a thing lies, and who else changed what."""
