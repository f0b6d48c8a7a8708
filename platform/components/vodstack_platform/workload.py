from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import apps, policy
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

from vodstack_platform.config.services import ResourceSettings
from vodstack_platform.settings_map import SettingsMap

USER_ID = 65_532  # "nonroot" of the distroless images
SCRATCH_PATH = "/scratch"
API_PORT_NAME = "http"
METRICS_PORT_NAME = "metrics"
CHECKSUM_ANNOTATION = "vodstack/settings-checksum"
STAYS_ANNOTATION = "karpenter.sh/do-not-disrupt"
_SCRATCH_VOLUME = "scratch"
_STARTUP_ATTEMPTS = 30
_SPREAD_OVER = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")


@dataclass(frozen=True, kw_only=True)
class WorkloadArgs:
    """One of our services."""

    namespace: pulumi.Input[str]
    """Kubernetes namespace of all of it."""
    labels: dict[str, str]
    """Labels of the pods."""
    service_account: pulumi.Input[str]
    """Whose identity the pods have."""
    image: pulumi.Input[str]
    """Reference of the image."""
    replicas: int | None
    """Pods. None: an autoscaler decides on their number."""
    settings: SettingsMap
    """Variables that services share."""
    environment: Mapping[str, pulumi.Input[str]]
    """Variables of this one."""
    port_name: str
    """Name of the port."""
    port: int
    """Port of whatever it serves, and of probes unless `probed_port` names another."""
    probed_port: tuple[str, int] | None = None
    """Name and number of a port for probes and metrics alone."""
    resources: ResourceSettings
    """CPU in cores, and memory."""
    scratch: str | None = None
    """Size of its scratch disk, as in `20Gi`. None: no disk to write on."""
    grace_period_seconds: int
    """Seconds that a stopping pod gets."""
    drain_seconds: int = 0
    """Seconds that a stopping pod still serves in, while its address is withdrawn."""
    runtime_class: str | None = None
    """Name of the RuntimeClass that runs the pods. None: the cluster's default."""
    stays: bool = False
    """Keep Karpenter from moving a pod at work to a cheaper node; from one that is old or taken away it goes anyway."""


class Workload(pulumi.ComponentResource):
    """A Deployment that the restricted pod security standard admits."""

    deployment_name: pulumi.Output[str]

    def __init__(self, name: str, args: WorkloadArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:Workload", name, None, opts)
        deployment = apps.v1.Deployment(
            name,
            metadata=meta.ObjectMetaArgs(name=name, namespace=args.namespace, labels=args.labels),
            spec=apps.v1.DeploymentSpecArgs(
                replicas=args.replicas,
                revision_history_limit=3,
                selector=meta.LabelSelectorArgs(match_labels=args.labels),
                strategy=apps.v1.DeploymentStrategyArgs(
                    type="RollingUpdate",
                    rolling_update=apps.v1.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0),
                ),
                template=core.PodTemplateSpecArgs(
                    metadata=meta.ObjectMetaArgs(labels=args.labels, annotations=_annotations(args)),
                    spec=_pod(name, args),
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        policy.v1.PodDisruptionBudget(
            name,
            metadata=meta.ObjectMetaArgs(name=name, namespace=args.namespace, labels=args.labels),
            spec=policy.v1.PodDisruptionBudgetSpecArgs(
                max_unavailable=1,
                selector=meta.LabelSelectorArgs(match_labels=args.labels),
                # A pod that never becomes ready must not hold up the emptying of its node.
                unhealthy_pod_eviction_policy="AlwaysAllow",
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.deployment_name = deployment.metadata.name
        self.register_outputs({"deployment_name": self.deployment_name})


def _annotations(args: WorkloadArgs) -> dict[str, pulumi.Input[str]]:
    checksum: dict[str, pulumi.Input[str]] = {CHECKSUM_ANNOTATION: args.settings.checksum}
    return {**checksum, STAYS_ANNOTATION: "true"} if args.stays else checksum


def _pod(name: str, args: WorkloadArgs) -> core.PodSpecArgs:
    scratch = core.EmptyDirVolumeSourceArgs(size_limit=args.scratch)
    return core.PodSpecArgs(
        service_account_name=args.service_account,
        runtime_class_name=args.runtime_class,
        automount_service_account_token=False,
        enable_service_links=False,
        termination_grace_period_seconds=args.grace_period_seconds,
        security_context=core.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=USER_ID,
            run_as_group=USER_ID,
            fs_group=USER_ID,
            seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        topology_spread_constraints=[_spread(key, args.labels) for key in _SPREAD_OVER],
        containers=[_container(name, args)],
        volumes=[core.VolumeArgs(name=_SCRATCH_VOLUME, empty_dir=scratch)] if args.scratch else None,
    )


def _spread(topology_key: str, labels: dict[str, str]) -> core.TopologySpreadConstraintArgs:
    """A wish, not a demand: a pod beside its twin is better than none while spot capacity is short."""
    return core.TopologySpreadConstraintArgs(
        topology_key=topology_key,
        max_skew=1,
        when_unsatisfiable="ScheduleAnyway",
        label_selector=meta.LabelSelectorArgs(match_labels=labels),
        match_label_keys=["pod-template-hash"],
    )


def _container(name: str, args: WorkloadArgs) -> core.ContainerArgs:
    requests = {"cpu": args.resources.cpu, "memory": args.resources.memory}
    limits = {"memory": args.resources.memory}
    if args.scratch:
        requests["ephemeral-storage"] = limits["ephemeral-storage"] = args.scratch
    ports = [(args.port_name, args.port), *([args.probed_port] if args.probed_port else [])]
    probed = ports[-1][0]
    drain = core.LifecycleHandlerArgs(sleep=core.SleepActionArgs(seconds=args.drain_seconds))
    return core.ContainerArgs(
        name=name,
        image=args.image,
        env_from=[core.EnvFromSourceArgs(config_map_ref=core.ConfigMapEnvSourceArgs(name=args.settings.map_name))],
        env=[core.EnvVarArgs(name=key, value=value) for key, value in sorted(args.environment.items())],
        ports=[core.ContainerPortArgs(name=port_name, container_port=port) for port_name, port in ports],
        startup_probe=_probe("/livez", probed, period_seconds=2, failure_threshold=_STARTUP_ATTEMPTS),
        liveness_probe=_probe("/livez", probed, period_seconds=10, failure_threshold=3),
        readiness_probe=_probe("/readyz", probed, period_seconds=5, failure_threshold=2),
        lifecycle=core.LifecycleArgs(pre_stop=drain) if args.drain_seconds else None,
        resources=core.ResourceRequirementsArgs(requests=requests, limits=limits),
        security_context=core.SecurityContextArgs(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=core.CapabilitiesArgs(drop=["ALL"]),
        ),
        volume_mounts=[core.VolumeMountArgs(name=_SCRATCH_VOLUME, mount_path=SCRATCH_PATH)] if args.scratch else None,
    )


def _probe(path: str, port_name: str, *, period_seconds: int, failure_threshold: int) -> core.ProbeArgs:
    return core.ProbeArgs(
        http_get=core.HTTPGetActionArgs(path=path, port=port_name),
        period_seconds=period_seconds,
        timeout_seconds=3,
        failure_threshold=failure_threshold,
    )
