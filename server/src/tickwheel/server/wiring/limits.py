"""The operator's limits, from the settings to the scheduler's own words."""

from tickwheel.server.scheduler.throttle import DispatchLimits
from tickwheel.server.settings import Settings


def dispatch_limits(settings: Settings) -> DispatchLimits:
    """What the settings allow over many jobs."""
    return DispatchLimits(
        in_flight_per_user=settings.max_in_flight_per_user,
        in_flight_per_topic=settings.max_in_flight_per_topic,
        rate_per_topic=settings.dispatch_rate_per_topic,
    )
