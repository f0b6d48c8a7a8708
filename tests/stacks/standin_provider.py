"""A stand-in for the providers of AWS, Kubernetes and the rest, so that Pulumi's own engine can run the program.

It makes nothing: it answers as the embedded engine's tables say, and writes down what it was told to do.
`python -m tests.stacks.standin_provider LOG` prints the port that serves every package, until its standard input ends.
Method names are those of Pulumi's protocol.
"""
# ruff: noqa: N802

import asyncio
import json
import sys
import threading
from pathlib import Path
from typing import Any, cast

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.provider import Provider
from pulumi.provider.server import ProviderServicer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc
from tests.stacks.standin_cluster import MADE_BY_COMPONENTS, construct

from vodstack_platform.embedded import invokes, recorded
from vodstack_platform.embedded.creation import Creation, Outputs
from vodstack_platform.embedded.wire import holds_unknown, plain, updated

VERSION = "1000.0.0"  # newer than what any SDK asks for
REGION = "us-east-1"
# What no provider changes in place, of the types that the program uses.
_FIXED = {
    "addonName",
    "availabilityZone",
    "bucket",
    "bucketPrefix",
    "cidrBlock",
    "clusterName",
    "hashKey",
    "name",
    "namePrefix",
    "path",
    "policyArn",
    "principalArn",
    "queueUrl",
    "rangeKey",
    "role",
    "vpcId",
}
_WHICH_CLUSTER = {"kubeconfig", "context", "cluster"}


class Components(Provider):
    """The remote components of pulumi-eks."""

    def __init__(self) -> None:
        super().__init__(VERSION)

    def construct(self, name: str, resource_type: str, inputs: Any, options: Any = None) -> Any:
        return construct(name, resource_type, inputs, options)


class Standin(ProviderServicer):
    """One servicer for all packages: a request's type says which is meant."""

    def __init__(self, log: Path) -> None:
        super().__init__(Components(), [], "")
        self._log = log
        self._known: dict[str, Outputs] = {}
        self._providers: dict[str, dict[str, Any]] = {}

    async def Handshake(self, request: Any, context: Any) -> Any:
        self.engine_address = request.engine_address
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True, accept_outputs=True)

    async def Attach(self, request: Any, context: Any) -> Any:
        self.engine_address = request.address
        return empty_pb2.Empty()

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    async def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    async def DiffConfig(self, request: Any, context: Any) -> Any:
        """A provider of another cluster replaces all objects, and so does one that is not known yet."""
        return _difference(request, _WHICH_CLUSTER)

    async def Configure(self, request: Any, context: Any) -> Any:
        inputs, _ = plain(request.args)
        self._providers[request.type] = {name: _parsed(value) for name, value in inputs.items()}
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=True, acceptOutputs=True
        )

    async def Check(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    async def Diff(self, request: Any, context: Any) -> Any:
        return _difference(request, _FIXED if request.type.startswith("aws:") else set())

    async def Create(self, request: Any, context: Any) -> Any:
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        made = self._answer(request)
        self._write("create", request)
        identity = str(made.pop("id"))
        return provider_pb2.CreateResponse(id=identity, properties=updated(request.properties, made, frozenset()))

    async def Update(self, request: Any, context: Any) -> Any:
        """What a provider computed once stays, as ids and ARNs do."""
        if not request.preview:
            self._write("update", request)
        return provider_pb2.UpdateResponse(properties=_over(request.olds, request.news))

    async def Read(self, request: Any, context: Any) -> Any:
        return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    async def Delete(self, request: Any, context: Any) -> Any:
        self._write("delete", request)
        return empty_pb2.Empty()

    async def Invoke(self, request: Any, context: Any) -> Any:
        answer = struct_pb2.Struct()
        arguments, _ = plain(request.args)
        if request.tok == "aws:eks/getAddonVersion:getAddonVersion":
            answer.update({"id": "a", "version": "v1.0.0-eksbuild.1", **arguments})
        else:
            answer.update(invokes.answer(request.tok, arguments, str(arguments.get("region") or REGION)))
        members: dict[str, Any] = {"return": answer}
        return provider_pb2.InvokeResponse(**members)

    def _answer(self, request: Any) -> Outputs:
        inputs, _ = plain(request.properties)
        if holds_unknown(inputs):
            raise AssertionError(f"{request.urn} would be made of unknown values: {inputs}")
        package = request.type.partition(":")[0]
        creation = Creation(
            type=request.type,
            name=request.name,
            urn=request.urn,
            inputs=inputs,
            provider_inputs=self._providers.get(f"pulumi:providers:{package}", {}),
            region=REGION,
            find=lambda key: self._known.get(key, {}),
        )
        made = MADE_BY_COMPONENTS.get(request.type, recorded.outputs_of)(creation)
        if request.type == "kubernetes:core/v1:Service":
            made["status"] = {"loadBalancer": {}}
        self._known[request.urn] = self._known[str(made["id"])] = inputs | made
        return made

    def _write(self, operation: str, request: Any) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(json.dumps({"operation": operation, "urn": request.urn}) + "\n")


def _difference(request: Any, fixed: set[str]) -> Any:
    olds, _ = plain(request.old_inputs)
    news, _ = plain(request.news)
    changed = sorted(
        name
        for name in olds.keys() | news.keys()
        if not name.startswith("__") and (olds.get(name) != news.get(name) or holds_unknown(news.get(name)))
    )
    answer = provider_pb2.DiffResponse
    return answer(
        changes=answer.DIFF_SOME if changed else answer.DIFF_NONE,
        diffs=changed,
        replaces=[name for name in changed if name in fixed],
    )


def _over(olds: struct_pb2.Struct, news: struct_pb2.Struct) -> struct_pb2.Struct:
    values, secret = plain(news)
    return updated(olds, {name: value for name, value in values.items() if not holds_unknown(value)}, secret)


def _parsed(value: object) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


async def serve(log: Path) -> None:
    server = grpc.aio.server(options=cast("Any", _GRPC_CHANNEL_OPTIONS))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Standin(log), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_end, daemon=True).start()
    await ended.wait()
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
