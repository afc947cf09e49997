"""What the node computes."""


def darker(image):
    return [value / 2 for value in image]
