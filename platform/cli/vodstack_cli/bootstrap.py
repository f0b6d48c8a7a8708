"""`vodstack bootstrap`: where Pulumi keeps its state, made before Pulumi can make anything."""

import os
import re
from functools import partial
from typing import Any, cast

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from vodstack_cli.errors import CommandError
from vodstack_cli.state_bucket import ensure_bucket
from vodstack_cli.state_key import OBJECTS, Place, ensure_key, secrets_of
from vodstack_contracts.state import is_reserved, secrets_alias

# What is printed is meant for a shell, so nothing in it may mean anything to one.
REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-[0-9]")
STACK = re.compile(r"[A-Za-z0-9_.-]{1,100}")
FOLDER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
REFUSALS = ("AccessDenied", "AccessDeniedException", "AllAccessDisabled", "UnauthorizedOperation")


@click.command()
@click.option("--region", help="AWS region of the state.", show_default="that of your AWS profile")
@click.option("--stack", default="dev", show_default=True, help="Stack that the printed lines create.")
@click.option(
    "--prefix",
    help="Folder of its state in the bucket. Stacks that read one another's outputs share one.",
    show_default="the stack's name",
)
def bootstrap(region: str | None, stack: str, prefix: str | None) -> None:
    """Make the bucket of Pulumi's state and the keys of a stack, and print how to use them. Safe to repeat."""
    folder = prefix or stack
    if not STACK.fullmatch(stack):
        raise CommandError(f"{stack!r} is no name of a stack: letters, digits, '.', '_' and '-', at most 100.")
    if not FOLDER.fullmatch(folder):
        raise CommandError(f"{folder!r} is no folder of a state: letters, digits, '.', '_' and '-', no dot first.")
    if is_reserved(stack):
        raise CommandError(f"No stack may be called {stack!r}: its bucket and key would have the names of the state.")
    session = boto3.session.Session(region_name=region)
    chosen = region or os.environ.get("AWS_REGION") or session.region_name
    if not chosen:
        raise CommandError("No AWS region is set: pass --region, or set AWS_REGION.")
    if not REGION.fullmatch(chosen):
        raise CommandError(f"{chosen!r} is no AWS region: pass one such as us-east-1.")
    try:
        bucket = _ensure_state(session, chosen, stack)
    except NoCredentialsError as error:
        raise CommandError("No AWS credentials were found: run `aws sso login`, or set AWS_PROFILE.") from error
    except ClientError as error:
        raise CommandError(_sentence(error)) from error
    except BotoCoreError as error:
        raise CommandError(f"AWS was not reached: {error} Nothing made so far is lost: run this again.") from error
    click.echo(f"pulumi login 's3://{bucket}/{folder}?region={chosen}&awssdk=v2'")
    click.echo(f"pulumi stack init {stack} --secrets-provider='awskms://{secrets_alias(stack)}?region={chosen}'")


def _ensure_state(session: boto3.session.Session, region: str, stack: str) -> str:
    changes: list[str] = []

    def tell(change: str) -> None:
        changes.append(change)
        click.echo(change, err=True)

    client: Any = partial(cast("Any", session).client, region_name=region)
    identity = client("sts").get_caller_identity()
    place = Place(partition=identity["Arn"].split(":")[1], account=identity["Account"], region=region)
    kms = client("kms")
    key_arn = ensure_key(kms, place, OBJECTS, tell)
    bucket = ensure_bucket(client("s3"), place, key_arn, tell)
    ensure_key(kms, place, secrets_of(stack), tell)
    if not changes:
        names = f"{OBJECTS.alias}, {secrets_alias(stack)} and bucket {bucket}"
        click.echo(f"Nothing to do: {names} are as they should be.", err=True)
    return bucket


def _sentence(error: ClientError) -> str:
    details = error.response.get("Error", {})
    code, message = details.get("Code", "an error"), details.get("Message", "")
    if code in REFUSALS:
        return (
            f"AWS does not let you call {error.operation_name}: {message} "
            "Run this as somebody who may administer S3 buckets and KMS keys. What was made so far stays and is used."
        )
    return f"AWS answered {error.operation_name} with {code}: {message} What was made so far stays: run this again."
