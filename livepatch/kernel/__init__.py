"""A real IPython kernel in a daemon thread of a webui.

IPython and ipykernel are imported when a kernel starts, not before.
"""

from .context import current_shell, in_cell
from .running import RunningKernel, running_kernel, start_kernel

__all__ = ["RunningKernel", "current_shell", "in_cell", "running_kernel", "start_kernel"]
