"""Fair use, as far as API, worker and platform have to agree on it: what lies in the work table, and where.

pk encoded#{owner}, sk {day}   minutes that are encoded of the owner's videos on that day
pk waiting                     jobs that wait though a further worker would begin them, an item each
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from vodstack_contracts.items import to_attribute

WAITING = "waiting"
MINUTES = "minutes"


def encoded_key(owner: str, day: str) -> dict[str, Any]:
    return {"pk": to_attribute(f"encoded#{owner}"), "sk": to_attribute(day)}


def day_of(moment: float) -> str:
    """Return the day in UTC of a moment in epoch seconds."""
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


def end_of_day(moment: float) -> float:
    """Return when that day ends, in epoch seconds."""
    day = datetime.fromtimestamp(moment, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day + timedelta(days=1)).timestamp()
