"""The policy pack of Pulumi's CLI. Its packages are its own, for pulumi-policy wants an older protobuf than ours."""  # noqa: INP001

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

# The rules need nothing but Python, so they are read from where they lie.
sys.path.insert(0, str(Path(__file__).parents[1] / "components"))

from vodstack_platform.rules import RULES, Candidate, Rule

policy = cast("Any", importlib.import_module("pulumi_policy"))


def _validate(rule: Rule) -> Callable[[Any, Callable[[str], None]], None]:
    def validate(args: Any, report: Callable[[str], None]) -> None:
        stack = str(args.urn).split("::")[0].rpartition(":")[2]
        for sentence in rule.offences(Candidate(args.resource_type, args.props, stack)):
            report(sentence)

    return validate


policy.PolicyPack(
    name="vodstack",
    enforcement_level=policy.EnforcementLevel.MANDATORY,
    policies=[
        policy.ResourceValidationPolicy(name=rule.name, description=rule.description, validate=_validate(rule))
        for rule in RULES
    ],
)
