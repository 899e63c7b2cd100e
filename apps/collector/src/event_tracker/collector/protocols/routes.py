"""The routes of the protocols that are on."""

from collections.abc import Callable, Collection

from event_tracker.collector.post_event import Intake
from event_tracker.collector.protocols.amplitude.protocol import amplitude_routes
from event_tracker.collector.protocols.cloudevents.routes import cloudevents_routes
from event_tracker.collector.protocols.mixpanel.protocol import mixpanel_routes
from event_tracker.collector.protocols.otlp.routes import otlp_routes
from event_tracker.collector.protocols.posthog import posthog_routes
from event_tracker.collector.protocols.segment_routes import segment_routes
from event_tracker.collector.protocols.snowplow.protocol import snowplow_routes
from event_tracker.core.http.routes import Route

MAKERS: dict[str, Callable[[Intake], list[Route]]] = {
    "segment": segment_routes,
    "posthog": posthog_routes,
    "amplitude": amplitude_routes,
    "mixpanel": mixpanel_routes,
    "snowplow": snowplow_routes,
    "cloudevents": cloudevents_routes,
    "opentelemetry": otlp_routes,
}
"""The routes of each value of PROTOCOLS."""


def protocol_routes(intake: Intake, names: Collection[str]) -> list[Route]:
    """The routes of these protocols."""
    return [route for name in MAKERS if name in names for route in MAKERS[name](intake)]
