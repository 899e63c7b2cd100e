"""The route table of the query service: the tables of all subjects."""

from typing import Any

from event_tracker.core.http.routes import Route
from event_tracker.query.admin.management import Management
from event_tracker.query.admin.routes import ADMIN, PROPOSALS
from event_tracker.query.admin.sources.schema_proposals import Proposals
from event_tracker.query.auth.routes import ACCESS, Access
from event_tracker.query.events.routes import EVENTS, EXPORTS, LIVE, Events
from event_tracker.query.events.streams.export import Exports
from event_tracker.query.events.streams.live import Live
from event_tracker.query.sql.routes import SAVED_QUERIES, SQL, Sql
from event_tracker.query.sql.saved import SavedQueries
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.routes import STATS
from event_tracker.query.users.routes import USER_DATA, UserData

TABLES: dict[type[Any], list[Route]] = {
    Events: EVENTS,
    Stats: STATS,
    Sql: SQL,
    SavedQueries: SAVED_QUERIES,
    Exports: EXPORTS,
    Live: LIVE,
    Access: ACCESS,
    Management: ADMIN,
    Proposals: PROPOSALS,
    UserData: USER_DATA,
}
"""What the routes of a table work with → the table."""
