"""An extension of the user's: two parameters."""

params = {"display_name": "Whisper", "is_tab": False}


def output_modifier(string, state):
    return string.lower()
