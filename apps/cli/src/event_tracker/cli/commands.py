"""The command `tracker`: each command's name and module. A module is imported only when its command is used."""

from importlib import import_module, metadata

import click

from event_tracker.cli.command_group import Group

COMMANDS = {
    "up": "event_tracker.cli.local.up:up",
    "migrate": "event_tracker.cli.database.migrate:migrate",
    "maintain": "event_tracker.cli.database.maintain:maintain",
    "lake": "event_tracker.cli.lake.command:lake",
    "source": "event_tracker.cli.admin.sources:source",
    "key": "event_tracker.cli.admin.write_keys:key",
    "schema": "event_tracker.cli.admin.event_schemas:schema",
    "rejections": "event_tracker.cli.admin.rejections:rejections",
    "pages": "event_tracker.cli.admin.pages:pages",
    "links": "event_tracker.cli.admin.links:links",
    "admin": "event_tracker.cli.database.admins:admin",
    "token": "event_tracker.cli.admin.tokens:token",
    "user": "event_tracker.cli.admin.users:user",
    "audit": "event_tracker.cli.admin.audit:audit",
    "apply": "event_tracker.cli.admin.apply:apply",
    "erase": "event_tracker.cli.admin.erase:erase",
    "receipt": "event_tracker.cli.admin.receipt:receipt",
    "send": "event_tracker.cli.ingest.send:send",
    "s3": "event_tracker.cli.ingest.s3.command:s3",
    "simulate": "event_tracker.cli.simulate.simulate:simulate",
    "verify": "event_tracker.cli.simulate.verify:verify",
    "events": "event_tracker.cli.ask.read:events",
    "export": "event_tracker.cli.ask.export:export",
    "live": "event_tracker.cli.ask.live:live",
    "top-types": "event_tracker.cli.ask.read:top_types",
    "sql": "event_tracker.cli.ask.sql:sql",
    "topics": "event_tracker.cli.topics.command:topics",
    "outbox": "event_tracker.cli.outbox.command:outbox",
}


class LazyGroup(Group):
    """Imports a command's module only to run or describe the command: `tracker events` doesn't wait for Faker."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, name = place.split(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(metadata.version("event-tracker-cli"), prog_name="tracker")
def cli() -> None:
    """Event Tracker on the command line."""
