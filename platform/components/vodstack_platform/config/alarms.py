from typing import Annotated

from pydantic import Field

from vodstack_platform.config.section import Section

Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)]


class AlarmSettings(Section):
    """Alarms that need no cluster, sent to a topic: dead letters, old messages, throttled tables, and the bill."""

    emails: tuple[Email, ...] = ()
    """Who is told; each has to confirm by a link. Anything else subscribes to the topic itself."""
    oldest_message_minutes: Annotated[int, Field(ge=5, le=10_080)] = 60
    """Minutes that a message may wait in a queue."""
    monthly_budget_usd: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """The account's bill of a month, in US dollars: told at 80 % of it, and once the forecast exceeds it."""
