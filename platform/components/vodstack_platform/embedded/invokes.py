"""Answers to the functions that a program asks its providers: who am I, where am I."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, cast

from vodstack_platform.embedded.emulator import ACCOUNT_ID
from vodstack_platform.embedded.errors import UnknownTypeError

_ZONES: Final = "abc"


def answer(token: str, arguments: Mapping[str, Any], region: str) -> dict[str, Any]:
    """Raises UnknownTypeError for a function that nobody has taught the engine."""
    try:
        function = _FUNCTIONS[token]
    except KeyError:
        raise UnknownTypeError(
            f"the embedded engine does not know the function {token}: add its answer to "
            "vodstack_platform/embedded/invokes.py"
        ) from None
    return {"id": region, "region": region, **function(_Question(arguments, region))}


class _Question(NamedTuple):
    arguments: Mapping[str, Any]
    region: str


def _caller(_asked: _Question) -> dict[str, Any]:
    return {"accountId": ACCOUNT_ID, "arn": f"arn:aws:iam::{ACCOUNT_ID}:root", "userId": ACCOUNT_ID, "id": ACCOUNT_ID}


def _region(asked: _Question) -> dict[str, Any]:
    return {"name": asked.region, "endpoint": f"ec2.{asked.region}.amazonaws.com", "description": asked.region}


def _partition(_asked: _Question) -> dict[str, Any]:
    return {"id": "aws", "partition": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}


def _zones(asked: _Question) -> dict[str, Any]:
    names = [f"{asked.region}{letter}" for letter in _ZONES]
    return {"names": names, "zoneIds": [f"{asked.region}-az{number}" for number in range(1, len(_ZONES) + 1)]}


def _subnets(_asked: _Question) -> dict[str, Any]:
    return {"ids": [f"subnet-{letter * 17}" for letter in _ZONES]}


def _subnet(asked: _Question) -> dict[str, Any]:
    zone = f"{asked.region}{str(asked.arguments.get('id', 'a'))[-1]}"
    block = f"10.0.{hashlib.sha256(str(asked.arguments.get('id')).encode()).digest()[0]}.0/24"
    return {
        "id": asked.arguments.get("id"),
        "availabilityZone": zone,
        "vpcId": asked.arguments.get("vpcId"),
        "cidrBlock": block,
    }


def _vpc(asked: _Question) -> dict[str, Any]:
    return {"id": asked.arguments.get("id"), "cidrBlock": "10.0.0.0/16", "mainRouteTableId": "rtb-0123456789abcdef0"}


def _prefix_list(asked: _Question) -> dict[str, Any]:
    return {"id": "pl-0123456789abcdef0", "name": asked.arguments.get("name")}


def _registry_token(asked: _Question) -> dict[str, Any]:
    address = f"https://{ACCOUNT_ID}.dkr.ecr.{asked.region}.amazonaws.com"
    return {
        "userName": "AWS",
        "password": "a-token",
        "proxyEndpoint": address,
        "expiresAt": "",
        "authorizationToken": "",
    }


def _policy_document(asked: _Question) -> dict[str, Any]:
    statements = cast("list[Mapping[str, Any]]", asked.arguments.get("statements") or [])
    document = {"Version": "2012-10-17", "Statement": [_statement(statement) for statement in statements]}
    text = json.dumps(document, separators=(",", ":"))
    return {"json": text, "minifiedJson": text}


def _statement(given: Mapping[str, Any]) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": given.get("effect", "Allow")}
    for name in ("sid", "actions", "notActions", "resources", "notResources"):
        if given.get(name):
            statement[name[0].upper() + name[1:].removesuffix("s")] = given[name]
    if principals := cast("list[dict[str, Any]]", given.get("principals") or []):
        statement["Principal"] = {principal["type"]: principal["identifiers"] for principal in principals}
    for condition in cast("list[dict[str, Any]]", given.get("conditions") or []):
        tests = statement.setdefault("Condition", {}).setdefault(condition["test"], {})
        tests[condition["variable"]] = condition["values"]
    return statement


_FUNCTIONS: Final[Mapping[str, Callable[[_Question], dict[str, Any]]]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": _registry_token,
    "aws:iam/getPolicyDocument:getPolicyDocument": _policy_document,
    "aws:ec2/getSubnets:getSubnets": _subnets,
    "aws:ec2/getSubnet:getSubnet": _subnet,
    "aws:ec2/getVpc:getVpc": _vpc,
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": _prefix_list,
    "aws:ec2/getPrefixList:getPrefixList": _prefix_list,
}
