"""The rules of extensions: read from the source by parsers, never by regular expressions."""
