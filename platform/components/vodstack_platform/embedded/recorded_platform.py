"""What runs the services: the cluster, its add-ons and identities, images, and the pieces beside them.

`eks:index:*` are remote components: Pulumi makes their children out of this engine's sight.
"""

import json
from collections.abc import Callable
from typing import Any, Final, cast

from vodstack_platform.embedded.creation import Creation, Outputs
from vodstack_platform.embedded.emulator import ACCOUNT_ID


def cluster(creation: Creation) -> Outputs:
    name = creation.physical_name()
    host = f"https://{creation.suffix}.gr7.{creation.region}.eks.amazonaws.com"
    issuer = f"oidc.eks.{creation.region}.amazonaws.com/id/{creation.suffix.upper()}"
    kubeconfig = _kubeconfig(name, host)
    return {
        "kubeconfig": kubeconfig,
        "kubeconfigJson": json.dumps(kubeconfig),
        "oidcProviderArn": creation.arn("iam", f"oidc-provider/{issuer}", regional=False),
        "oidcProviderUrl": f"https://{issuer}",
        "oidcIssuer": issuer,
        "clusterSecurityGroupId": creation.identifier("sg"),
        "nodeSecurityGroupId": creation.identifier("sg"),
        "autoModeNodeRoleName": "",
        "clusterIngressRuleId": creation.identifier("sgr"),
        "core": {"endpoint": host, "version": creation.inputs.get("version"), "subnetIds": _subnets(creation)},
    }


def _kubeconfig(name: str, host: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": host}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
        "users": [{"name": name, "user": {"exec": {"command": "aws"}}}],
    }


def _subnets(creation: Creation) -> list[Any]:
    return cast("list[Any]", creation.inputs.get("subnetIds") or creation.inputs.get("privateSubnetIds") or [])


def node_group(creation: Creation) -> Outputs:
    # Its `nodeGroup` output is a resource, which this engine never sees.
    return {"id": creation.physical_name("nodeGroupName")}


def remote_addon(_creation: Creation) -> Outputs:
    return {}


def pod_identity(creation: Creation) -> Outputs:
    association = creation.identifier("a")
    cluster_name = creation.inputs["clusterName"]
    arn = creation.arn("eks", f"podidentityassociation/{cluster_name}/{association}")
    return {"id": association, "associationId": association, "associationArn": arn}


def _of_cluster(path: str, key: str) -> Callable[[Creation], Outputs]:
    def compute(creation: Creation) -> Outputs:
        cluster_name, name = creation.inputs["clusterName"], creation.inputs.get(key) or creation.name
        return {"id": f"{cluster_name}:{name}", "arn": creation.arn("eks", f"{path}/{cluster_name}/{name}")}

    return compute


def log_group(creation: Creation) -> Outputs:
    name = creation.physical_name()
    return {"id": name, "name": name, "arn": creation.arn("logs", f"log-group:{name}")}


def event_rule(creation: Creation) -> Outputs:
    name = creation.physical_name()
    return {"id": name, "name": name, "arn": creation.arn("events", f"rule/{name}")}


def event_target(creation: Creation) -> Outputs:
    target = str(creation.inputs.get("targetId") or creation.name)
    return {"id": f"{creation.inputs['rule']}-{target}", "targetId": target}


def instance_profile(creation: Creation) -> Outputs:
    name = creation.physical_name()
    return {"id": name, "name": name, "arn": creation.arn("iam", f"instance-profile/{name}", regional=False)}


def image(creation: Creation) -> Outputs:
    tags = cast("list[str]", creation.inputs.get("tags") or [f"{creation.name}:latest"])
    digest = f"sha256:{creation.suffix:0<64}"
    return {"id": digest, "digest": digest, "ref": f"{tags[0].rpartition(':')[0]}@{digest}"}


def random_text(creation: Creation) -> Outputs:
    length = int(creation.inputs.get("length") or 16)
    text = (creation.suffix * (length // len(creation.suffix) + 1))[:length]
    return {"id": "none", "result": text, "bcryptHash": f"$2b$10${text}"}


def web_acl(creation: Creation) -> Outputs:
    name = creation.physical_name()
    arn = creation.arn("wafv2", f"regional/webacl/{name}/{creation.suffix}")
    return {"id": creation.suffix, "name": name, "arn": arn}


def topic(creation: Creation) -> Outputs:
    name = creation.physical_name()
    arn = creation.arn("sns", name)
    return {"id": arn, "arn": arn, "name": name, "owner": ACCOUNT_ID}


def of_topic(creation: Creation) -> Outputs:
    return {"id": str(creation.inputs.get("arn") or f"{creation.inputs['topic']}:{creation.suffix}")}


def metric_alarm(creation: Creation) -> Outputs:
    name = creation.physical_name()
    return {"id": name, "name": name, "arn": creation.arn("cloudwatch", f"alarm:{name}")}


def budget(creation: Creation) -> Outputs:
    name = creation.physical_name()
    arn = creation.arn("budgets", f"budget/{name}", regional=False)
    return {"id": f"{ACCOUNT_ID}:{name}", "name": name, "accountId": ACCOUNT_ID, "arn": arn}


PLATFORM: Final[dict[str, Callable[[Creation], Outputs]]] = {
    "eks:index:Cluster": cluster,
    "eks:index:ManagedNodeGroup": node_group,
    "eks:index:Addon": remote_addon,
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": pod_identity,
    "aws:eks/addon:Addon": _of_cluster("addon", "addonName"),
    "aws:eks/accessEntry:AccessEntry": _of_cluster("access-entry", "principalArn"),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": _of_cluster("access-policy", "policyArn"),
    "aws:cloudwatch/logGroup:LogGroup": log_group,
    "aws:cloudwatch/eventRule:EventRule": event_rule,
    "aws:cloudwatch/eventTarget:EventTarget": event_target,
    "aws:iam/instanceProfile:InstanceProfile": instance_profile,
    "aws:wafv2/webAcl:WebAcl": web_acl,
    "aws:sns/topic:Topic": topic,
    "aws:sns/topicPolicy:TopicPolicy": of_topic,
    "aws:sns/topicSubscription:TopicSubscription": of_topic,
    "aws:cloudwatch/metricAlarm:MetricAlarm": metric_alarm,
    "aws:budgets/budget:Budget": budget,
    "docker-build:index:Image": image,
    "random:index/randomPassword:RandomPassword": random_text,
    "random:index/randomString:RandomString": random_text,
}
