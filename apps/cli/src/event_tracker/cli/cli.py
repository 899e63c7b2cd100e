"""The command `tracker`: a name for each command, and where it is. A command's module is imported when it is asked for."""

from importlib import import_module, metadata

import click

from event_tracker.cli.groups import Group

COMMANDS = {
    "up": "event_tracker.cli.up:up",
    "migrate": "event_tracker.cli.migrate:migrate",
    "maintain": "event_tracker.cli.maintain:maintain",
    "source": "event_tracker.cli.sources:source",
    "key": "event_tracker.cli.write_keys:key",
    "schema": "event_tracker.cli.event_schemas:schema",
    "rejections": "event_tracker.cli.rejections:rejections",
    "admin": "event_tracker.cli.admins:admin",
    "token": "event_tracker.cli.tokens:token",
    "user": "event_tracker.cli.people:user",
    "audit": "event_tracker.cli.audit:audit",
    "apply": "event_tracker.cli.apply:apply",
    "erase": "event_tracker.cli.erase:erase",
    "receipt": "event_tracker.cli.receipt:receipt",
    "send": "event_tracker.cli.send:send",
    "simulate": "event_tracker.cli.simulate:simulate",
    "check-truth": "event_tracker.cli.check_truth:check_truth",
    "events": "event_tracker.cli.read:events",
    "export": "event_tracker.cli.export:export",
    "live": "event_tracker.cli.live:live",
    "top-types": "event_tracker.cli.read:top_types",
}


class LazyGroup(Group):
    """Imports a command's module only when it is run or described: `tracker events` needn't wait for Faker."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(metadata.version("event-tracker-cli"), prog_name="tracker")
def cli() -> None:
    """Event Tracker on the command line."""
