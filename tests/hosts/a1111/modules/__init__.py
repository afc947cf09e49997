"""A stand-in for the `modules` of AUTOMATIC1111's webui, written from its documented behaviour.

The same names, data structures, orders and caches; no code of the webui. The contract suite asserts
each structure, here and in a real checkout. A1111 itself (1.10.1) was not run against it; Forge
f2.0.1, whose registry is the same, was.
"""

import pkgutil

__path__ = pkgutil.extend_path(__path__, __name__)  # the forks put modules of their own before
