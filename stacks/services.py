from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi
import pulumi_docker_build as docker_build

import edge
from cluster import ClusterTarget, Surroundings
from vodstack_contracts.environment import Variable
from vodstack_contracts.outputs import FoundationOutputs, ServicesOutputs
from vodstack_platform.access import api_statements
from vodstack_platform.api_address import ApiAddress, ApiAddressArgs
from vodstack_platform.config import LayerName, StackSettings
from vodstack_platform.config.exposure import ExposureSettings
from vodstack_platform.config.services import INGRESS_DRAIN_SECONDS, ImageSettings, ServicesSettings
from vodstack_platform.labels import labels
from vodstack_platform.layer import Layer
from vodstack_platform.load_scaling import LoadScaling, LoadScalingArgs
from vodstack_platform.network_policies import Callers, NetworkPolicies, NetworkPoliciesArgs
from vodstack_platform.policy import Statement
from vodstack_platform.role_boundaries import Reach
from vodstack_platform.service_image import ServiceImage, ServiceImageArgs
from vodstack_platform.service_namespace import ServiceNamespace, ServiceNamespaceArgs
from vodstack_platform.settings_map import SettingsMap, SettingsMapArgs, shared_variables
from vodstack_platform.video_worker import VideoWorkerArgs, run_worker
from vodstack_platform.workload import API_PORT_NAME, METRICS_PORT_NAME, Workload, WorkloadArgs
from vodstack_platform.workload_identity import WorkloadIdentity, WorkloadIdentityArgs

Foundation = FoundationOutputs[pulumi.Output[str]]

API_DRAIN_SECONDS = 5
SHUTDOWN_MARGIN_SECONDS = 5
# The root of the repository, as seen from this folder, in which Pulumi runs the program and its providers.
BUILD_CONTEXT = ".."
FOLDERS = {"api": "app", "worker": "worker"}


def build(everything: StackSettings, data: Foundation, cluster: ClusterTarget, around: Surroundings) -> None:
    settings = everything.services.with_owners_limits()
    builders = [docker_build.Provider("docker-build")] if settings.images.build else []
    layer = Layer(LayerName.SERVICES, [around.provider, cluster.provider, *builders])
    opts = pulumi.ResourceOptions(parent=layer)
    namespace = ServiceNamespace("vodstack", ServiceNamespaceArgs(namespace=settings.namespace), opts).namespace
    variables = shared_variables(data, log_format=settings.log_format, log_level=settings.log_level)
    if settings.traces_endpoint:
        variables = {**variables, Variable.OTLP_ENDPOINT: settings.traces_endpoint}
    shared = SettingsMapArgs(namespace=namespace, labels=labels("settings"), variables=variables)
    place = _Place(cluster.name, namespace, SettingsMap("settings", shared, opts), around.boundary(Reach.DATA), opts)
    callers = _callers(settings.exposure, data, opts)
    api = place.identity("api", api_statements(data))
    _scale_api(settings, place, Workload("api", _api(settings, data, place, api, callers), opts))
    worker = run_worker(_worker(settings, data, place), place.settings, opts)
    NetworkPolicies("network", _policies(settings, everything.monitoring.namespace, namespace, callers), opts)
    address = ApiAddress("api", _address(settings, namespace), opts)
    ingress = settings.exposure.mode == "ingress"
    url = edge.build(everything, data, cluster, address, around, opts=opts) if ingress else address.url
    layer.publish(
        ServicesOutputs(namespace=namespace, api_url=url, api_role_arn=api.role_arn, worker_role_arn=worker.role_arn)
    )


@dataclass(frozen=True)
class _Place:
    cluster: pulumi.Input[str]
    namespace: pulumi.Output[str]
    settings: SettingsMap
    permissions_boundary: pulumi.Input[str] | None
    opts: pulumi.ResourceOptions

    def identity(self, name: str, statements: list[Statement]) -> WorkloadIdentity:
        args = WorkloadIdentityArgs(
            cluster_name=self.cluster,
            namespace=self.namespace,
            service_account=name,
            labels=labels(name),
            statements=statements,
            permissions_boundary=self.permissions_boundary,
        )
        return WorkloadIdentity(name, args, self.opts)

    def image(
        self, name: str, settings: ImageSettings, given: str | None, repository: pulumi.Output[str]
    ) -> pulumi.Input[str]:
        if given:
            return given
        if not settings.build:
            return pulumi.Output.concat(repository, ":", settings.tag or "")
        args = ServiceImageArgs(
            repository_url=repository,
            context=BUILD_CONTEXT,
            dockerfile=f"{BUILD_CONTEXT}/{FOLDERS[name]}/Dockerfile",
            platforms=settings.platforms,
        )
        return ServiceImage(name, args, self.opts).reference


def _api(
    settings: ServicesSettings, data: Foundation, place: _Place, identity: WorkloadIdentity, callers: Callers
) -> WorkloadArgs:
    drain = INGRESS_DRAIN_SECONDS if settings.exposure.mode == "ingress" else API_DRAIN_SECONDS
    environment: dict[str, pulumi.Input[str]] = {
        Variable.PORT: str(settings.api.port),
        Variable.MAX_UPLOAD_BYTES: str(settings.api.max_upload_bytes),
        Variable.MAX_UPLOADS: str(settings.api.max_uploads),
        Variable.MAX_CONNECTIONS: str(settings.api.max_connections),
        Variable.SHUTDOWN_GRACE: str(settings.api.grace_period_seconds - drain - SHUTDOWN_MARGIN_SECONDS),
    }
    if settings.exposure.public_url:
        environment[Variable.PUBLIC_URL] = settings.exposure.public_url
    if settings.api.cors_origins:
        environment[Variable.CORS_ORIGINS] = ",".join(settings.api.cors_origins)
    environment |= _auth(settings, data) | _limits(settings) | edge.trust(callers)
    return WorkloadArgs(
        namespace=place.namespace,
        labels=labels("api"),
        service_account=identity.service_account,
        image=place.image("api", settings.images, settings.images.api, data.api_repository_url),
        replicas=None if settings.api.scaling else settings.api.replicas,
        settings=place.settings,
        environment=environment,
        port_name=API_PORT_NAME,
        port=settings.api.port,
        probed_port=_metrics_port(settings),
        resources=settings.api.resources,
        grace_period_seconds=settings.api.grace_period_seconds,
        drain_seconds=drain,
    )


def _metrics_port(settings: ServicesSettings) -> tuple[str, int] | None:
    """The name and the number of the port of metrics and probes, where it is one of its own."""
    return (METRICS_PORT_NAME, settings.api.metrics_port) if settings.api.metrics_port else None


def _limits(settings: ServicesSettings) -> dict[str, pulumi.Input[str]]:
    clients = settings.api.clients
    limits = {
        Variable.MAX_UPLOADS_OF_ONE: clients.uploads,
        Variable.MAX_WATCHES_OF_ONE: clients.watches,
        Variable.MAX_CONNECTIONS_OF_ONE: clients.connections,
        Variable.LEAST_RATE: clients.least_bytes_per_second,
        Variable.METRICS_PORT: settings.api.metrics_port,
        Variable.REQUESTS_PER_MINUTE: settings.api.requests_per_minute,
        Variable.STORED_BYTES: settings.api.stored_bytes,
        Variable.ENCODED_MINUTES: settings.worker.encoded_minutes_per_day,
    }
    return {name: str(limit) for name, limit in limits.items() if limit is not None}


def _auth(settings: ServicesSettings, data: Foundation) -> dict[str, pulumi.Input[str]]:
    if settings.auth == "cognito":
        # Cognito's access tokens name no audience, so its clients are what is checked.
        return {
            Variable.AUTH: "oidc",
            Variable.OIDC_ISSUER: data.token_issuer.apply(_made),
            Variable.OIDC_CLIENT_IDS: data.token_client_ids,
            Variable.OIDC_SCOPE_PREFIX: data.token_scope_prefix,
        }
    oidc = settings.oidc
    if oidc is None:
        return {Variable.AUTH: settings.auth} if settings.auth else {}
    return {
        Variable.AUTH: "oidc",
        Variable.OIDC_ISSUER: oidc.issuer,
        Variable.OIDC_AUDIENCE: oidc.audience,
        Variable.OIDC_CLIENT_IDS: ",".join(oidc.client_ids),
        Variable.OIDC_SCOPE_PREFIX: oidc.scope_prefix,
        Variable.OIDC_LEEWAY: str(oidc.leeway_seconds),
    }


def _made(issuer: str) -> str:
    if not issuer:
        raise pulumi.RunError(
            "vodstack:services.auth is cognito, yet the foundation has no pool: set foundation.cognito in its stack"
        )
    return issuer


def _callers(exposure: ExposureSettings, data: Foundation, opts: pulumi.ResourceOptions) -> Callers:
    match exposure.mode:
        case "internal":
            return ()
        case "load-balancer":
            return exposure.source_ranges
        case "ingress":
            return edge.callers(exposure, data, opts)


def _port_of(address: str) -> int:
    parts = urlsplit(address)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _policies(
    settings: ServicesSettings, watcher: str, namespace: pulumi.Output[str], callers: Callers
) -> NetworkPoliciesArgs:
    return NetworkPoliciesArgs(
        collector_port=_port_of(settings.traces_endpoint) if settings.traces_endpoint else None,
        namespace=namespace,
        watcher_namespace=watcher,
        api_port=settings.api.port,
        api_metrics_port=settings.api.metrics_port or settings.api.port,
        metrics_port=settings.worker.metrics_port,
        callers=callers,
    )


def _address(settings: ServicesSettings, namespace: pulumi.Output[str]) -> ApiAddressArgs:
    return ApiAddressArgs(
        namespace=namespace, labels=labels("api"), port_name=API_PORT_NAME, exposure=settings.exposure
    )


def _worker(settings: ServicesSettings, data: Foundation, place: _Place) -> VideoWorkerArgs:
    return VideoWorkerArgs(
        data=data,
        cluster_name=place.cluster,
        namespace=place.namespace,
        image=place.image("worker", settings.images, settings.images.worker, data.worker_repository_url),
        settings=settings.worker,
        permissions_boundary=place.permissions_boundary,
    )


def _scale_api(settings: ServicesSettings, place: _Place, workload: Workload) -> None:
    if scaling := settings.api.scaling:
        args = LoadScalingArgs(
            namespace=place.namespace,
            deployment=workload.deployment_name,
            cpu_percent=scaling.cpu_percent,
            min_replicas=settings.api.replicas,
            max_replicas=scaling.max_replicas,
        )
        LoadScaling("api", args, place.opts)
