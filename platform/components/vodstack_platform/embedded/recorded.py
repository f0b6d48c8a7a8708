"""What a provider would compute for each resource type that the project uses, when nothing makes it.

A type that no table holds is an error: an echo of the inputs would let a program pass that AWS refuses.
"""

from collections.abc import Callable
from typing import Final

from vodstack_platform.embedded.creation import Creation, Outputs
from vodstack_platform.embedded.errors import UnknownTypeError
from vodstack_platform.embedded.recorded_data import DATA
from vodstack_platform.embedded.recorded_kubernetes import is_kubernetes, kubernetes_outputs
from vodstack_platform.embedded.recorded_network import NETWORK
from vodstack_platform.embedded.recorded_platform import PLATFORM
from vodstack_platform.embedded.wire import holds_unknown

RECORDED: Final[dict[str, Callable[[Creation], Outputs]]] = DATA | NETWORK | PLATFORM


def outputs_of(creation: Creation) -> Outputs:
    """The outputs, and under `id` the id. Raises UnknownTypeError."""
    _require_known(creation.type)
    compute = kubernetes_outputs if is_kubernetes(creation.type) else RECORDED[creation.type]
    outputs = compute(creation)
    if creation.type.startswith("aws:"):
        outputs.setdefault("region", creation.region)
        outputs.setdefault("tagsAll", creation.tags)
    return outputs


def check(creation: Creation) -> None:
    """What a preview checks. Raises UnknownTypeError, and ManifestError where an object is known in full."""
    _require_known(creation.type)
    if is_kubernetes(creation.type) and not holds_unknown(creation.inputs):
        kubernetes_outputs(creation)


def _require_known(resource_type: str) -> None:
    if resource_type not in RECORDED and not is_kubernetes(resource_type):
        raise UnknownTypeError(
            f"the embedded engine does not know {resource_type}: add what its provider computes to a table in "
            "vodstack_platform/embedded/recorded_*.py, and to live_*.py if moto has it and a service of ours needs it"
        )
