"""The engine's end of the conversation that the Pulumi SDK holds with it: registrations in, outputs back.

The SDK calls it from several threads. Method names are those of Pulumi's protocol.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime import mocks
from pulumi.runtime.proto import resource_pb2

from vodstack_platform.embedded import invokes, recorded
from vodstack_platform.embedded.creation import Creation, Outputs
from vodstack_platform.embedded.deployed import Resource, Standing
from vodstack_platform.embedded.errors import EngineError
from vodstack_platform.embedded.wire import plain, updated

_PROVIDER = "pulumi:providers:"
_STACK_REFERENCE = "pulumi:pulumi:StackReference"

Makers = Mapping[str, Callable[[Creation], Outputs]]


class NoMocks(mocks.Mocks):
    """`set_mocks` demands one; Monitor answers in its place."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        raise NotImplementedError(args.typ)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise NotImplementedError(args.token)


class Monitor(mocks.MockMonitor):
    """Makes or records each resource and keeps what was asked for."""

    def __init__(
        self,
        *,
        region: str,
        endpoint: str | None,
        preview: bool,
        makers: Makers,
        references: Mapping[str, Mapping[str, Any]],
    ) -> None:
        super().__init__(NoMocks())
        self.deployed: dict[str, Resource] = {}
        self._region = region
        self._endpoint = endpoint
        self._preview = preview
        self._makers = makers
        self._references = references
        self._lock = threading.Lock()

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        if request.transforms:
            raise EngineError(f"{urn} has transforms, which the embedded engine does not run")
        inputs, secret = plain(request.object)
        resource = _requested(request, urn, inputs, secret, self._standing(request))
        with self._lock:
            if urn in self.deployed:
                raise EngineError(f"two resources have the URN {urn}: give one of them another name")
            self.deployed[urn] = resource
        outputs = self._provide(resource)
        resource_id = str(outputs.pop("id", "") or "")
        secret |= frozenset(cast("list[str]", request.additionalSecretOutputs)) & outputs.keys()
        answer = updated(request.object, outputs, secret)
        made, _ = plain(answer)
        with self._lock:
            self.deployed[urn] = replace(resource, id=resource_id, outputs=made)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=resource_id, object=answer)

    def RegisterResourceOutputs(self, request: Any) -> empty_pb2.Empty:  # noqa: N802
        outputs, _ = plain(request.outputs)
        with self._lock:
            if component := self.deployed.get(request.urn):
                self.deployed[request.urn] = replace(component, outputs=outputs)
        return empty_pb2.Empty()

    def ReadResource(self, request: Any) -> Any:  # noqa: N802
        if request.type != _STACK_REFERENCE:
            raise EngineError(f"{request.name} reads an existing {request.type}: nothing exists before a run here")
        try:
            outputs = self._references[request.id]
        except KeyError:
            raise EngineError(f"the stack {request.id} is not known here: pass its outputs as `references`") from None
        properties = struct_pb2.Struct()
        properties.update({"name": request.id, "outputs": dict(outputs), "secretOutputNames": []})
        return resource_pb2.ReadResourceResponse(
            urn=self.make_urn(request.parent, request.type, request.name), properties=properties
        )

    def Invoke(self, request: Any) -> Any:  # noqa: N802
        arguments, _ = plain(request.args)
        answer = struct_pb2.Struct()
        answer.update(invokes.answer(request.tok, arguments, self._region_of(arguments, request.provider)))
        members: dict[str, Any] = {"return": answer}  # a word that Python keeps for itself
        return resource_pb2.ResourceInvokeResponse(**members)

    def RegisterStackTransform(self, request: Any) -> empty_pb2.Empty:  # noqa: N802
        raise EngineError(f"the stack transform {request.token} cannot be applied: the embedded engine runs none")

    def GetDeploymentInfo(self, request: Any) -> Any:  # noqa: N802
        # Without resource references the SDK sends a resource as its id, which needs no lookup here.
        info = cast("Any", super()).GetDeploymentInfo(request)
        info.supportedFeatures.remove(resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES)
        return info

    def _standing(self, request: Any) -> Standing:
        if request.type.startswith(_PROVIDER) or not (request.custom or request.remote):
            return Standing.STRUCTURE
        live = self._endpoint is not None and not self._preview and request.type in self._makers
        return Standing.LIVE if live else Standing.RECORDED

    def _provide(self, resource: Resource) -> Outputs:
        if resource.standing is Standing.STRUCTURE:
            return {"id": resource.urn.rpartition("::")[2]} if resource.type.startswith(_PROVIDER) else {}
        creation = self._creation(resource)
        if self._preview:
            recorded.check(creation)
            return {}
        outputs = recorded.outputs_of(creation)
        return outputs | self._makers[resource.type](creation) if resource.standing is Standing.LIVE else outputs

    def _creation(self, resource: Resource) -> Creation:
        return Creation(
            type=resource.type,
            name=resource.name,
            urn=resource.urn,
            inputs=resource.inputs,
            provider_inputs=self._provider_inputs(resource.provider),
            region=self._region_of(resource.inputs, resource.provider),
            endpoint=self._endpoint,
            find=self._find,
        )

    def _region_of(self, inputs: Mapping[str, Any], provider: str) -> str:
        return str(inputs.get("region") or self._provider_inputs(provider).get("region") or self._region)

    def _provider_inputs(self, reference: str) -> dict[str, Any]:
        provider = self.deployed.get(reference.rpartition("::")[0])
        return {name: _parsed(value) for name, value in provider.inputs.items()} if provider else {}

    def _find(self, key: str) -> Mapping[str, Any]:
        with self._lock:
            for urn, resource in self.deployed.items():
                if key and key in (urn, resource.id):
                    return resource.outputs
        return {}


def _requested(request: Any, urn: str, inputs: dict[str, Any], secret: frozenset[str], standing: Standing) -> Resource:
    properties: Mapping[str, Any] = request.propertyDependencies
    return Resource(
        type=request.type,
        name=request.name,
        urn=urn,
        id="",
        standing=standing,
        inputs=inputs,
        outputs=inputs,
        secret_inputs=secret,
        parent=request.parent,
        provider=request.provider,
        dependencies=frozenset(cast("list[str]", request.dependencies)),
        property_dependencies={name: frozenset(cast("list[str]", of.urns)) for name, of in properties.items()},
        protect=bool(request.protect),
        retain_on_delete=bool(request.retainOnDelete),
        delete_before_replace=bool(request.deleteBeforeReplace),
        ignore_changes=tuple(cast("list[str]", request.ignoreChanges)),
        remote=bool(request.remote),
    )


def _parsed(value: object) -> Any:
    """A provider's structured inputs arrive as JSON text."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
