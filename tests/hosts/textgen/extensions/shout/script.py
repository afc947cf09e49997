"""An extension that came along: one parameter, as the older ones have."""

params = {"mark": "!"}


def input_modifier(string):
    return string + params["mark"]
