"""What nodes of the third version are made of."""

from abc import ABC, abstractmethod

from . import io as io


class ComfyExtension(ABC):
    async def on_load(self):
        return None

    @abstractmethod
    async def get_node_list(self):
        pass
