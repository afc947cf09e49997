"""What goes wrong in extensions is printed and swallowed."""

import sys
import traceback


def report(message, *, exc_info=False):
    print("***", message, file=sys.stderr)
    if exc_info:
        traceback.print_exc()
