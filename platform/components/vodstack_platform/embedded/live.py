"""The types that come to life in moto, and who makes each."""

from collections.abc import Callable
from typing import Final

from vodstack_platform.embedded.creation import Creation, Outputs
from vodstack_platform.embedded.live_access import ACCESS
from vodstack_platform.embedded.live_messages import MESSAGES
from vodstack_platform.embedded.live_network import NETWORK
from vodstack_platform.embedded.live_objects import OBJECTS
from vodstack_platform.embedded.live_records import RECORDS

LIVE: Final[dict[str, Callable[[Creation], Outputs]]] = OBJECTS | MESSAGES | RECORDS | ACCESS | NETWORK
