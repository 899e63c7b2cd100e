"""Commands that suggest what was meant: groups, such as `tracker` itself and `tracker key`, and single commands."""

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


class Command(click.Command):
    """A Click command that suggests every option with the end of an unknown one: `--port` may be any of three."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            end = "-" + error.option_name.lstrip("-")
            names = sorted(name for option in self.params for name in option.opts if name.endswith(end))
            if not names:
                raise
            raise click.NoSuchOption(
                error.option_name, f"{error.message} There are {', '.join(names)}.", ctx=ctx
            ) from None
