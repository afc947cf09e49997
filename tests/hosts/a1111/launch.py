"""Starts the stand-in: `python launch.py`."""

from modules import webui

if __name__ == "__main__":
    webui.main()
