"""`tracker up`: run PostgreSQL, the collector, the query service and the dashboard on this machine, until Ctrl-C."""

import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from event_tracker.cli.command_group import Command
from event_tracker.cli.database.migrate import bring_up_to_date
from event_tracker.cli.local.data_folder import data_option, locked_folder
from event_tracker.cli.local.demo import start_traffic
from event_tracker.cli.local.embedded import embedded_postgres
from event_tracker.cli.local.first_access import prepare_access
from event_tracker.cli.local.process import Process
from event_tracker.cli.local.running import announce_urls, find_shadowed
from event_tracker.cli.local.secret_files import load_or_create_secret, make_signing_key
from event_tracker.cli.local.services import HOST, dashboard, service, url_in_role, wait_until_ready
from event_tracker.cli.local.upkeep import Upkeep
from event_tracker.cli.settings import UpSettings, read_settings

WATCH_SECONDS = 0.2

EVENT = '{"user_id": "ann", "event_type": "page_view", "properties": {"page": "/"}}'

INTRODUCTION = """
Collector  {collector}  (documents: {collector}/docs)
Query      {query}  (documents: {query}/docs)
Dashboard  {dashboard}
Data       {data}  (logs: {data}/logs)
Sign in    {sign_in}

Send an event, read it, count:

  curl {send_options}-H 'Content-Type: application/json' -d '{event}' {collector}/events
  curl {query_options}'{query}/events?user_id=ann'
  curl {query_options}'{query}/stats/top-types'

Ctrl-C stops everything."""

PORT = click.IntRange(1, 65535)

LOOPBACK_ORIGINS = ",".join(
    f"{scheme}://{host}{port}"
    for scheme in ("http", "https")
    for host in ("localhost", "127.0.0.1", "[::1]")
    for port in ("", ":*")
)
"""The origins that may send events if no key is required: pages served by this machine, so that users can try their own site."""


@click.command(cls=Command)
@data_option
@click.option("--collector-port", type=PORT, default=8000, show_default=True, help="Port of the collector.")
@click.option("--query-port", type=PORT, default=8001, show_default=True, help="Port of the query service.")
@click.option("--dashboard-port", type=PORT, default=8501, show_default=True, help="Port of the dashboard.")
@click.option("--demo", is_flag=True, help="With simulated events: some at once, and more as time goes by.")
@click.option(
    "--kafka",
    "with_kafka",
    is_flag=True,
    help="Events go through Kafka: a broker and a storer run, too. Needs Java and Maven.",
)
@click.option(
    "--publish",
    "with_publisher",
    is_flag=True,
    help="With --kafka: a publisher runs, too, which puts stored events into topics: into `analytics.stored`, and what else "
    "PUBLISH_TOPIC, PUBLISH_FILTERED and PUBLISH_FROM in the environment say.  [PUBLISH_FROM: earliest]",
)
@click.option("--kafka-port", type=PORT, default=9092, show_default=True, help="With --kafka: port of the broker.")
@click.option(
    "--auth",
    type=click.Choice(["open", "required"]),
    default="open",
    envvar="AUTH",
    show_default=True,
    show_envvar=True,
    help="Whether one gets in without a key or a token, which only programs and people on this machine could.",
)
def up(
    data: Path,
    collector_port: int,
    query_port: int,
    dashboard_port: int,
    demo: bool,
    with_kafka: bool,
    with_publisher: bool,
    kafka_port: int,
    auth: str,
) -> None:
    """Run everything on this machine: PostgreSQL, the collector, the query service, the dashboard.

    PostgreSQL is embedded and keeps its data in --data. With DATABASE_URL set (or DATABASE_URL_FILE) the server that it
    names is used instead, as the database's owner: migrations are applied to it. The services listen on 127.0.0.1 and
    take their other settings from the environment. In the database they have the roles `collector`, `query` and
    `control`, or those that COLLECTOR_DATABASE_URL, QUERY_DATABASE_URL and CONTROL_DATABASE_URL name.

    With the embedded server people may ask in SQL, unless SQL=off is set.

    At the start and then every hour it does what `tracker maintain` does (without --keep), in the background: the log is
    upkeep.log.

    Each start prints a password with which one may sign in once, as `admin`, until that admin has set one. With --auth
    required a write key and a token are made once and kept in --data, readable by its owner.

    Ctrl-C, SIGTERM or closing the terminal stops it all; the exit code is then 0. It is 1 if something can't start or
    stops by itself.
    """
    if with_publisher and not with_kafka:
        raise click.UsageError("--publish needs --kafka: a publisher writes to Kafka.")
    settings = read_settings(UpSettings)
    above = find_shadowed(data)
    if above:
        folder, other = above
        click.echo(
            f"`tracker up` already runs on {folder} (collector {other.collector}, query service {other.query}), and commands "
            f"here find it. This is another one, with data of its own in {data}.",
            err=True,
        )
    ports = {"collector": collector_port, "query": query_port, "dashboard": dashboard_port}
    _interrupt_on_signals()
    try:
        with locked_folder(data), ExitStack() as stack:
            try:
                _require_free(ports | ({"kafka": kafka_port} if with_kafka else {}))
                processes, owner_url = _start_database(stack, settings, data)
                access = prepare_access(owner_url, data, required=auth == "required", may_ask_in_sql=_is_own(settings))
                service_settings = _settings_of_services(settings, owner_url, data, auth)
                if with_kafka:
                    publishing_url = owner_url if with_publisher else None
                    processes += _start_kafka(stack, service_settings["collector"], data, kafka_port, publishing_url)
                services = _start_services(stack, service_settings, data / "logs", ports)
                processes += services
                urls = {name: f"http://{HOST}:{port}" for name, port in ports.items()}
                if demo:
                    collector = urls["collector"]
                    processes.append(start_traffic(stack, collector, owner_url, data, processes, access.write_key))
                stack.enter_context(announce_urls(data, urls))
                upkeep = stack.enter_context(Upkeep(owner_url, data))
                # At the end ask all services to stop at once, since each takes a second or two. PostgreSQL stops after them.
                for process in services:
                    stack.callback(process.ask_to_stop)
                stack.callback(upkeep.ask_to_stop)
                click.echo(INTRODUCTION.format(data=data, event=EVENT, **urls, **access._asdict()))
                _watch(processes, upkeep)
            except KeyboardInterrupt:
                click.echo("\nStopping …")
                raise
    except KeyboardInterrupt:
        click.echo("Stopped.")


def _interrupt_on_signals() -> None:
    """Make SIGTERM and a closed terminal act like Ctrl-C. Only the first signal counts, so that nothing interrupts the stop."""
    stopping = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        stopping.append(signal.SIGHUP)

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        for number in stopping:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in stopping:
        signal.signal(number, interrupt)


def _require_free(ports: dict[str, int]) -> None:
    """Check that the ports are free before anything is started."""
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise click.ClickException(
                    f"port {port} can't be used: {error.strerror} (--{name}-port chooses another)"
                ) from None
    if len(set(ports.values())) < len(ports):
        raise click.ClickException(f"{', '.join(f'--{name}-port' for name in ports)} must differ")


def _start_database(stack: ExitStack, settings: UpSettings, data: Path) -> tuple[list[Process], str]:
    """Start the embedded server, unless DATABASE_URL names another, and apply migrations.

    Returns:
        The processes, which the stack stops, and the owner's URL.
    """
    processes = []
    owner_url = settings.database_url
    if not owner_url:
        server, owner_url = stack.enter_context(embedded_postgres(data))
        processes.append(server)
    for line in bring_up_to_date(owner_url, settings.migrations_dir):
        click.echo(line)
    return processes, owner_url


def _start_kafka(
    stack: ExitStack, collector: dict[str, str], data: Path, port: int, publishing_url: str | None
) -> list[Process]:
    """Start a broker and a storer, and let the collector use them: its settings are added to.

    Args:
        publishing_url: the owner's URL, if a publisher is to run, too.
    """
    from event_tracker.cli.local import kafka  # needs the extra `kafka`, and Java

    click.echo("Starting Kafka …")
    publishing = kafka.publishing_settings()
    topics = kafka.published_topics(publishing) if publishing_url else []
    broker, settings = kafka.start_kafka(stack, data, port, topics)
    copies = data / "sources"
    copies.mkdir(mode=0o700, exist_ok=True)
    collector |= {**settings, "SOURCE_COPY_FOLDER": str(copies)}
    started = [broker, stack.enter_context(kafka.storer(data / "logs", collector["DATABASE_URL"], settings))]
    if publishing_url:
        started.append(stack.enter_context(kafka.publisher(data / "logs", publishing_url, settings | publishing)))
    return started


def _is_own(settings: UpSettings) -> bool:
    """Whether the data is that of whoever started this, who may try SQL then. A server that is named may be others' as well."""
    return not (settings.database_url or settings.query_database_url)


def _settings_of_services(settings: UpSettings, owner_url: str, data: Path, auth: str) -> dict[str, dict[str, str]]:
    """The settings of each service, except host and port."""
    collector = {"DATABASE_URL": settings.collector_database_url or url_in_role(owner_url, "collector")}
    query = {
        "DATABASE_URL": settings.query_database_url or url_in_role(owner_url, "query"),
        "CONTROL_DATABASE_URL": settings.control_database_url or url_in_role(owner_url, "control"),
        "CACHE_FOLDER": os.environ.get("CACHE_FOLDER") or str(data / "cache"),
        "SIGNING_KEY": settings.signing_key or load_or_create_secret(data / "signing-key.pem", make_signing_key),
    }
    if _is_own(settings) and not (os.environ.get("SQL") or os.environ.get("SQL_FILE")):
        query["SQL"] = "on"
    if auth == "open" and not os.environ.get("CORS_ORIGINS"):
        collector["CORS_ORIGINS"] = LOOPBACK_ORIGINS
    return {"collector": {**collector, "AUTH": auth}, "query": {**query, "AUTH": auth}}


def _start_services(
    stack: ExitStack, service_settings: dict[str, dict[str, str]], logs: Path, ports: dict[str, int]
) -> list[Process]:
    """Start the services and the dashboard, and wait until they are ready."""
    processes = [
        stack.enter_context(service(name, logs, ports[name], settings)) for name, settings in service_settings.items()
    ]
    query, collector = (f"http://{HOST}:{ports[name]}" for name in ("query", "collector"))
    processes.append(stack.enter_context(dashboard(logs, query, collector, ports["dashboard"])))
    for name, port in ports.items():
        wait_until_ready(port, processes, "/_stcore/health" if name == "dashboard" else "/readyz")
    return processes


def _watch(processes: Sequence[Process], upkeep: Upkeep) -> NoReturn:
    """Do the upkeep until a signal comes. Raise an error if a process ends by itself."""
    while True:
        upkeep.run_if_due()
        for process in processes:
            process.require_running()
        time.sleep(WATCH_SECONDS)
