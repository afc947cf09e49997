"""Hot reload: what a watched file changes of the webui follows the file, as it is saved."""
