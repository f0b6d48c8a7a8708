"""The worker with all that it needs: a part of the services layer, and a component for other programs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import pulumi

from vodstack_contracts.environment import Variable
from vodstack_contracts.outputs import FoundationOutputs
from vodstack_platform.access import scaler_statements, worker_statements
from vodstack_platform.config.services import WorkerSettings
from vodstack_platform.keda import Keda, KedaArgs
from vodstack_platform.labels import labels
from vodstack_platform.pod_policy import PodPolicy, PodPolicyArgs
from vodstack_platform.queue_scaling import QueueScaling, QueueScalingArgs
from vodstack_platform.settings_map import SettingsMap, SettingsMapArgs, shared_variables
from vodstack_platform.workload import METRICS_PORT_NAME, SCRATCH_PATH, Workload, WorkloadArgs
from vodstack_platform.workload_identity import WorkloadIdentity, WorkloadIdentityArgs

Foundation = FoundationOutputs[pulumi.Output[str]]

USABLE_BYTES_PER_GIB = 1024**3 * 95 // 100


@dataclass(frozen=True, kw_only=True)
class VideoWorkerArgs:
    """Whose videos are processed, where, and by which image."""

    data: Foundation
    """What holds the videos: `VideoData.outputs`, or those of a stack's foundation layer."""
    cluster_name: pulumi.Input[str]
    """EKS name of the cluster, to which the worker's identity is tied."""
    namespace: pulumi.Input[str]
    """Kubernetes namespace; `ServiceNamespace` makes one whose standard the worker's pods keep."""
    image: pulumi.Input[str]
    """Reference of the worker's image, best by digest."""
    settings: WorkerSettings = field(default_factory=WorkerSettings)
    """Replicas, scaling, jobs at a time, resources, scratch in GiB, grace period in seconds."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe log lines that it writes."""
    log_format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for people."""
    watchers: Sequence[str] = ("monitoring",)
    """Namespaces whose pods may read its metrics. Nothing else reaches its pods."""
    permissions_boundary: pulumi.Input[str] | None = None
    """ARN of the policy that bounds what its roles may do, whatever they are given. None: nothing bounds them."""


class VideoWorker(pulumi.ComponentResource):
    """Workers of a program that is not ours: as many as asked for, or as the queue wants, behind a network policy."""

    role_arn: pulumi.Output[str]
    deployment_name: pulumi.Output[str]

    def __init__(self, name: str, args: VideoWorkerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:VideoWorker", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        full_name = f"{name}-worker"
        variables = shared_variables(args.data, log_format=args.log_format, log_level=args.log_level)
        shared = SettingsMapArgs(namespace=args.namespace, labels=labels(full_name), variables=variables)
        made = run_worker(args, SettingsMap(full_name, shared, child), child, name=full_name)
        policy = PodPolicyArgs(
            namespace=args.namespace,
            labels=labels(full_name),
            port=args.settings.metrics_port,
            watchers=args.watchers,
        )
        PodPolicy(full_name, policy, child)
        self.role_arn, self.deployment_name = made.role_arn, made.deployment_name
        self.register_outputs({"role_arn": self.role_arn, "deployment_name": self.deployment_name})


@dataclass(frozen=True)
class RunningWorker:
    """Who the worker is to AWS, and what runs it."""

    role_arn: pulumi.Output[str]
    deployment_name: pulumi.Output[str]


def run_worker(
    args: VideoWorkerArgs, shared: SettingsMap, opts: pulumi.ResourceOptions, *, name: str = "worker"
) -> RunningWorker:
    """The parts, below the parent of `opts`; the network policy is left to the caller, who knows the namespace."""
    identity = WorkloadIdentityArgs(
        cluster_name=args.cluster_name,
        namespace=args.namespace,
        service_account=name,
        labels=labels(name),
        statements=worker_statements(args.data),
        permissions_boundary=args.permissions_boundary,
    )
    made = WorkloadIdentity(name, identity, opts)
    workload = Workload(name, _workload(args, shared, made.service_account, name), opts)
    _scale(args, workload.deployment_name, opts, name)
    return RunningWorker(made.role_arn, workload.deployment_name)


def _workload(
    args: VideoWorkerArgs, shared: SettingsMap, service_account: pulumi.Output[str], name: str
) -> WorkloadArgs:
    worker = args.settings
    environment: dict[str, pulumi.Input[str]] = {
        Variable.CHUNKS_QUEUE_URL: args.data.chunks_queue_url,
        Variable.METRICS_PORT: str(worker.metrics_port),
        Variable.SCRATCH_DIRECTORY: SCRATCH_PATH,
        # A pod that fills its share of the disk is evicted, so the worker must stop before.
        Variable.SCRATCH_BYTES: str(worker.scratch_gib * USABLE_BYTES_PER_GIB // worker.jobs),
        Variable.VISIBILITY_TIMEOUT: args.data.arrivals_visibility_seconds,
        Variable.JOBS: str(worker.jobs),
        Variable.SANDBOX: worker.cage,
        Variable.MEDIA_MEMORY: str(worker.media_bytes),
        Variable.CHUNK_SECONDS: str(worker.chunk_seconds),
        Variable.MAX_DURATION: str(worker.max_duration_seconds),
        Variable.MAX_FRAMES: str(worker.max_frames),
        Variable.JOBS_PER_OWNER: str(worker.jobs_per_owner or 0),
        Variable.ENCODED_MINUTES: str(worker.encoded_minutes_per_day or 0),
    }
    return WorkloadArgs(
        namespace=args.namespace,
        labels=labels(name),
        service_account=service_account,
        image=args.image,
        replicas=None if worker.scaling else worker.replicas,
        settings=shared,
        environment=environment,
        port_name=METRICS_PORT_NAME,
        port=worker.metrics_port,
        resources=worker.resources,
        scratch=f"{worker.scratch_gib}Gi",
        grace_period_seconds=worker.grace_period_seconds,
        stays=True,
        runtime_class=worker.runtime_class,
    )


def _scale(args: VideoWorkerArgs, deployment: pulumi.Output[str], opts: pulumi.ResourceOptions, name: str) -> None:
    scaling = args.settings.scaling
    if scaling is None:
        return
    operator = None
    if scaling.install_keda:
        keda = KedaArgs(
            cluster_name=args.cluster_name,
            statements=scaler_statements(args.data),
            permissions_boundary=args.permissions_boundary,
        )
        operator = Keda("keda", keda, opts).release
    scaled = QueueScalingArgs(
        namespace=args.namespace,
        deployment=deployment,
        queue_urls=[args.data.arrivals_queue_url, args.data.chunks_queue_url],
        waiting_table=args.data.work_table_name if args.settings.jobs_per_owner else None,
        region=args.data.region,
        messages_per_pod=args.settings.jobs,
        min_replicas=args.settings.replicas,
        max_replicas=scaling.max_replicas,
        operator=operator,
    )
    QueueScaling(name, scaled, opts)
