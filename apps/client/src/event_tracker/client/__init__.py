"""Sends events to a collector of Event Tracker: docs/clients/python.md."""

from event_tracker.client.client import Client
from event_tracker.client.context import use_context
from event_tracker.client.delivery import Stats
from event_tracker.client.logging_handler import EventHandler
from event_tracker.client.undelivered import UndeliveredEvent

__all__ = ["Client", "EventHandler", "Stats", "UndeliveredEvent", "use_context"]
