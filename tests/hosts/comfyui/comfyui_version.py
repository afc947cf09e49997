__version__ = "0.3.64-stand-in"
