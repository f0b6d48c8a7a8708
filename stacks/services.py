from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_docker_build as docker_build

from cluster import ClusterTarget
from vodstack_contracts.environment import Variable
from vodstack_contracts.outputs import FoundationOutputs, ServicesOutputs
from vodstack_platform.access import api_statements, worker_statements
from vodstack_platform.api_address import ApiAddress, ApiAddressArgs
from vodstack_platform.config import LayerName, StackSettings
from vodstack_platform.config.services import ImageSettings, ServicesSettings
from vodstack_platform.keda import Keda, KedaArgs
from vodstack_platform.labels import labels
from vodstack_platform.layer import Layer
from vodstack_platform.load_scaling import LoadScaling, LoadScalingArgs
from vodstack_platform.network_policies import NetworkPolicies, NetworkPoliciesArgs
from vodstack_platform.policy import Statement
from vodstack_platform.queue_scaling import QueueScaling, QueueScalingArgs
from vodstack_platform.service_image import ServiceImage, ServiceImageArgs
from vodstack_platform.service_namespace import ServiceNamespace, ServiceNamespaceArgs
from vodstack_platform.settings_map import SettingsMap, SettingsMapArgs
from vodstack_platform.workload import SCRATCH_PATH, Workload, WorkloadArgs
from vodstack_platform.workload_identity import WorkloadIdentity, WorkloadIdentityArgs

Foundation = FoundationOutputs[pulumi.Output[str]]
Variables = Mapping[str, pulumi.Input[str]]

API_DRAIN_SECONDS = 5
SHUTDOWN_MARGIN_SECONDS = 5
USABLE_BYTES_PER_GIB = 1024**3 * 95 // 100
# The root of the repository, as seen from this folder, in which Pulumi runs the program and its providers.
BUILD_CONTEXT = ".."
FOLDERS = {"api": "app", "worker": "worker"}


def build(everything: StackSettings, data: Foundation, cluster: ClusterTarget, provider: aws.Provider) -> None:
    settings = everything.services
    builders = [docker_build.Provider("docker-build")] if settings.images.build else []
    layer = Layer(LayerName.SERVICES, [provider, cluster.provider, *builders])
    opts = pulumi.ResourceOptions(parent=layer)
    namespace = ServiceNamespace("vodstack", ServiceNamespaceArgs(namespace=settings.namespace), opts).namespace
    shared = SettingsMapArgs(namespace=namespace, labels=labels("settings"), variables=_shared(settings, data))
    place = _Place(cluster.name, namespace, SettingsMap("settings", shared, opts), opts)
    api, worker = place.identity("api", api_statements(data)), place.identity("worker", worker_statements(data))
    _scale_api(settings, place, Workload("api", _api(settings, data, place, api), opts))
    _scale_worker(settings, data, place, Workload("worker", _worker(settings, data, place, worker), opts))
    NetworkPolicies("network", _policies(settings, everything.monitoring.namespace, namespace), opts)
    address = ApiAddress("api", _address(settings, namespace), opts)
    layer.publish(
        ServicesOutputs(
            namespace=namespace, api_url=address.url, api_role_arn=api.role_arn, worker_role_arn=worker.role_arn
        )
    )


@dataclass(frozen=True)
class _Place:
    cluster: pulumi.Input[str]
    namespace: pulumi.Output[str]
    settings: SettingsMap
    opts: pulumi.ResourceOptions

    def identity(self, name: str, statements: list[Statement]) -> WorkloadIdentity:
        args = WorkloadIdentityArgs(
            cluster_name=self.cluster,
            namespace=self.namespace,
            service_account=name,
            labels=labels(name),
            statements=statements,
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


def _shared(settings: ServicesSettings, data: Foundation) -> Variables:
    return {
        Variable.AWS_REGION: data.region,
        Variable.S3_BUCKET: data.bucket_name,
        Variable.DYNAMODB_TABLE: data.videos_table_name,
        Variable.WORK_TABLE: data.work_table_name,
        Variable.SQS_QUEUE_URL: data.arrivals_queue_url,
        Variable.LOG_FORMAT: settings.log_format,
        Variable.LOG_LEVEL: settings.log_level,
    }


def _api(settings: ServicesSettings, data: Foundation, place: _Place, identity: WorkloadIdentity) -> WorkloadArgs:
    environment: dict[str, pulumi.Input[str]] = {
        Variable.PORT: str(settings.api.port),
        Variable.MAX_UPLOAD_BYTES: str(settings.api.max_upload_bytes),
        Variable.MAX_UPLOADS: str(settings.api.max_uploads),
        Variable.SHUTDOWN_GRACE: str(settings.api.grace_period_seconds - API_DRAIN_SECONDS - SHUTDOWN_MARGIN_SECONDS),
    }
    environment |= _auth(settings)
    return WorkloadArgs(
        namespace=place.namespace,
        labels=labels("api"),
        service_account=identity.service_account,
        image=place.image("api", settings.images, settings.images.api, data.api_repository_url),
        replicas=None if settings.api.scaling else settings.api.replicas,
        settings=place.settings,
        environment=environment,
        port_name="http",
        port=settings.api.port,
        resources=settings.api.resources,
        grace_period_seconds=settings.api.grace_period_seconds,
        drain_seconds=API_DRAIN_SECONDS,
    )


def _auth(settings: ServicesSettings) -> dict[str, pulumi.Input[str]]:
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


def _policies(settings: ServicesSettings, watcher: str, namespace: pulumi.Output[str]) -> NetworkPoliciesArgs:
    return NetworkPoliciesArgs(
        namespace=namespace,
        watcher_namespace=watcher,
        api_port=settings.api.port,
        metrics_port=settings.worker.metrics_port,
        callers=settings.exposure.source_ranges if settings.exposure.mode == "load-balancer" else (),
    )


def _address(settings: ServicesSettings, namespace: pulumi.Output[str]) -> ApiAddressArgs:
    return ApiAddressArgs(namespace=namespace, labels=labels("api"), port_name="http", exposure=settings.exposure)


def _worker(settings: ServicesSettings, data: Foundation, place: _Place, identity: WorkloadIdentity) -> WorkloadArgs:
    worker = settings.worker
    environment: dict[str, pulumi.Input[str]] = {
        Variable.METRICS_PORT: str(worker.metrics_port),
        Variable.SCRATCH_DIRECTORY: SCRATCH_PATH,
        # A pod that fills its share of the disk is evicted, so the worker must stop before.
        Variable.SCRATCH_BYTES: str(worker.scratch_gib * USABLE_BYTES_PER_GIB // worker.jobs),
        Variable.VISIBILITY_TIMEOUT: data.arrivals_visibility_seconds,
        Variable.JOBS: str(worker.jobs),
    }
    return WorkloadArgs(
        namespace=place.namespace,
        labels=labels("worker"),
        service_account=identity.service_account,
        image=place.image("worker", settings.images, settings.images.worker, data.worker_repository_url),
        replicas=None if worker.scaling else worker.replicas,
        settings=place.settings,
        environment=environment,
        port_name="metrics",
        port=worker.metrics_port,
        resources=worker.resources,
        scratch=f"{worker.scratch_gib}Gi",
        grace_period_seconds=worker.grace_period_seconds,
        stays=True,
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


def _scale_worker(settings: ServicesSettings, data: Foundation, place: _Place, workload: Workload) -> None:
    scaling = settings.worker.scaling
    if scaling is None:
        return
    keda = KedaArgs(cluster_name=place.cluster, queue_arns=[data.arrivals_queue_arn])
    args = QueueScalingArgs(
        namespace=place.namespace,
        deployment=workload.deployment_name,
        queue_urls=[data.arrivals_queue_url],
        region=data.region,
        messages_per_pod=settings.worker.jobs,
        min_replicas=settings.worker.replicas,
        max_replicas=scaling.max_replicas,
        operator=Keda("keda", keda, place.opts).release if scaling.install_keda else None,
    )
    QueueScaling("worker", args, place.opts)
