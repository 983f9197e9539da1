"""Groups of commands that are loaded when one of them is asked for: `canalis --help` need not wait for them."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

AZ_SETTINGS = {"help_option_names": ["--help", "-h"]}  # az has both


class _Later(TyperGroup):
    """A group whose commands stand in a module of their own, as the `typer.Typer` of that name."""

    module: ClassVar[str]
    group: ClassVar[str]
    _is_loaded = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of its commands."""
        self._load()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; None when there is none."""
        self._load()
        return super().get_command(ctx, cmd_name)

    def _load(self) -> None:
        if self._is_loaded:
            return
        found: Any = typer.main.get_command(getattr(importlib.import_module(self.module), self.group))
        self.commands.update(found.commands)
        self._is_loaded = True


def later(app: typer.Typer, name: str, module: str, help: str) -> None:
    """Add to an app the group that is called `name` in a module, without loading that module."""
    kind = type(f"_{name.capitalize()}", (_Later,), {"module": module, "group": name})
    app.add_typer(typer.Typer(cls=kind, help=help, no_args_is_help=True, context_settings=AZ_SETTINGS), name=name)
