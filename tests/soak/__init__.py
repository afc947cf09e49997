"""Long runs: not collected with the suite, which has them in a reduced form.

Run them with ``python -m pytest tests/soak``; the environment gives their length:
``LIVEPATCH_SOAK_CYCLES`` (threads, 10,000), ``LIVEPATCH_SOAK_GROWTH`` (memory, 100,000) and
``LIVEPATCH_SOAK_STEPS`` (the state machine, 10,000).
"""
