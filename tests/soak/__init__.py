"""What takes long for a reason: storms, kills, browsers, JupyterLab and servers, full loads.

Not collected with the suite. CI runs all of it in a reduced form, and by hand it is
``LIVEPATCH_SOAK=reduced python -m pytest -n 2 tests/soak``; without that variable each run has its
full length, or what the environment gives as its own (``LIVEPATCH_SOAK_CYCLES=100``, see
``sizes.py`` and the files that use it).
"""
