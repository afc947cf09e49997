"""The dialect of A1111, its forks and the demo: callbacks by event, scripts, extension folders."""
