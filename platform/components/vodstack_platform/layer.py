import pulumi
import pulumi_aws as aws
from msgspec import Struct

from vodstack_contracts import outputs as contract
from vodstack_platform.config import LayerName


class Layer(pulumi.ComponentResource):
    """The root of a layer's resources: gives them their providers, and publishes the layer's outputs."""

    def __init__(self, layer: LayerName, providers: list[pulumi.ProviderResource]) -> None:
        super().__init__("vodstack:platform:Layer", layer, None, pulumi.ResourceOptions(providers=providers))
        self._layer = layer

    def publish(self, outputs: Struct) -> None:
        """Export the layer's outputs, and put them into SSM for readers without Pulumi."""
        exported = contract.exports(outputs)
        for name, value in exported.items():
            pulumi.export(name, value)
        aws.ssm.Parameter(
            f"{self._layer}-outputs",
            name=parameter_name(pulumi.get_stack(), outputs),
            type=aws.ssm.ParameterType.STRING,
            description=f"Outputs of vodstack's {self._layer} layer, version v1 of their contract",
            value=pulumi.Output.json_dumps(contract.document(outputs), sort_keys=True, separators=(",", ":")),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs(exported)


def parameter_name(stack: str, outputs: Struct) -> str:
    """Where a layer's document lies in SSM, as in `/vodstack/dev/foundation/v1`."""
    return f"/vodstack/{stack}/{contract.contract_of(type(outputs))}"
