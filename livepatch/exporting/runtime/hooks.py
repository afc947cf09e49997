"""Hooks of other extensions that are muted."""

from __future__ import annotations

from dataclasses import dataclass

from livepatch.engine.naming.modules import loaded_module

from .changes import ApplyContext, Change, Skipped, Undo


@dataclass(frozen=True)
class Hook(Change):
    """A function of another extension's module that is not called while this one is on."""

    module: str
    name: str

    @property
    def about(self) -> str:
        """Module and name."""
        return f"mute {self.module}.{self.name}"

    @property
    def awaited(self) -> str:
        """The function."""
        return f"{self.module}.{self.name}"

    def apply(self, context: ApplyContext) -> Undo:  # noqa: ARG002
        """Take it out of the module."""
        module = loaded_module(self.module)
        if module is None or self.name not in vars(module):
            raise Skipped(f"{self.module} has no {self.name}")
        taken = vars(module)[self.name]
        delattr(module, self.name)

        def undo() -> None:
            if self.name not in vars(module):
                setattr(module, self.name, taken)

        return undo
