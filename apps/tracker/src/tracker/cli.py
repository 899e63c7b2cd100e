"""The command `tracker`: a name for each command, and where it is. A command's module is imported when it is asked for."""

from importlib import import_module, metadata

import click

from tracker.groups import Group

COMMANDS = {
    "up": "tracker.up:up",
    "migrate": "tracker.migrate:migrate",
    "maintain": "tracker.maintain:maintain",
    "source": "tracker.sources:source",
    "key": "tracker.write_keys:key",
    "schema": "tracker.event_schemas:schema",
    "rejections": "tracker.rejections:rejections",
    "admin": "tracker.admins:admin",
    "token": "tracker.tokens:token",
    "user": "tracker.people:user",
    "audit": "tracker.audit:audit",
    "apply": "tracker.apply:apply",
    "erase": "tracker.erase:erase",
    "receipt": "tracker.receipt:receipt",
    "send": "tracker.send:send",
    "simulate": "tracker.simulate:simulate",
    "check-truth": "tracker.check_truth:check_truth",
    "events": "tracker.read:events",
    "export": "tracker.export:export",
    "live": "tracker.live:live",
    "top-types": "tracker.read:top_types",
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
