"""Where the webui and its extensions lie: SD.Next has relative paths there."""

import os

data_path = os.environ.get("STAND_IN_DATA") or ""
extensions_dir = os.path.join(data_path, "extensions")
extensions_builtin_dir = "extensions-builtin"
