"""A group of commands that does something by itself: `tollgate call ID`, `tollgate backup`."""

from typing import Any, ClassVar

from typer.core import TyperGroup


class WithDefault(TyperGroup):
    """What is no name of a command is an argument of the one that is meant."""

    invoked_by_itself: ClassVar[str]
    without_arguments: ClassVar[bool] = False  # else the group's help is shown then

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        is_named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        if not is_named and (args or self.without_arguments):
            args = [self.invoked_by_itself, *args]
        return super().parse_args(ctx, args)
