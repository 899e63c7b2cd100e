"""Commands with commands below them, such as `tracker` itself and `tracker key`."""

from difflib import get_close_matches

import click


class Group(click.Group):
    """A Click group that suggests a command for a misspelt one, and lists its commands with complete descriptions."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest a similar command where there is no such one: Click does so for options only."""
        names = self.list_commands(ctx)
        if self.get_command(ctx, args[0]) is None and (near := get_close_matches(args[0], names, 1)):
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands. Unlike Click, continue a long description on the next line instead of cutting it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._describe(ctx, name)) for name in self.list_commands(ctx)])

    def _describe(self, ctx: click.Context, name: str) -> str:
        command = self.get_command(ctx, name)
        assert command
        return command.get_short_help_str(limit=1000)
