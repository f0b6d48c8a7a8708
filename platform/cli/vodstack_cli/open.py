"""`vodstack open`: the API, Grafana or Prometheus of a stack, from this machine, in the browser."""

import asyncio
import os
import sys
import tempfile
import webbrowser
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import click

from vodstack_cli.errors import CommandError
from vodstack_cli.forward import Inside, Kubectl, inside, require_programs
from vodstack_cli.foundation import aws_session, read_layer, stack_option
from vodstack_cli.signals import until_stopped
from vodstack_contracts.outputs import ClusterOutputs, MonitoringOutputs, ServicesOutputs

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


@dataclass(frozen=True)
class _Page:
    """An address inside the cluster or outside, the page of it that is looked at, and who signs in there."""

    url: str
    path: str = ""
    secret: tuple[str, str] | None = None


@click.command("open")
@stack_option
@click.argument("what", type=click.Choice(["api", "grafana", "prometheus"]))
@click.option("--context", help="A context of your own kubeconfig, for a cluster that no stack of vodstack holds.")
@click.option("--port", type=click.IntRange(1024, 65535), help="Port of this machine.  [default: a free one]")
@click.option("--password", is_flag=True, help="Print Grafana's user and password as well.")
def open_page(stack: str, what: str, context: str | None, port: int | None, *, password: bool) -> None:
    """Open the api, grafana or prometheus of a stack in the browser, by a forwarded port until Ctrl-C.

    Without a browser, the address is printed alone.
    """
    session: Any = aws_session()
    page = _page(session, stack, what)
    if password and not page.secret:
        raise click.UsageError("--password is for grafana: nothing else has one.")
    target = inside(page.url)
    if target is None:
        click.echo(page.url + page.path)
        _browse(page.url + page.path)
        return
    kubeconfig = None if context else _kubeconfig(session, stack)
    require_programs(kubeconfig)
    with _kubectl(context, kubeconfig, session.region_name) as kubectl:
        if password and page.secret:
            found = kubectl.secret(*page.secret)
            click.echo(f"user: {found['user']}, password: {found['password']}")
        asyncio.run(_forward(kubectl, target, port, page))


def _page(session: Any, stack: str, what: str) -> _Page:
    if what == "api":
        return _Page(read_layer(session, stack, ServicesOutputs[str]).api_url, "/docs")
    monitoring = read_layer(session, stack, MonitoringOutputs[str])
    if what == "prometheus":
        return _Page(monitoring.prometheus_url)
    return _Page(monitoring.grafana_url, secret=(monitoring.monitoring_namespace, monitoring.grafana_secret))


def _kubeconfig(session: Any, stack: str) -> str:
    try:
        return read_layer(session, stack, ClusterOutputs[str]).kubeconfig
    except CommandError as error:
        raise CommandError(
            f"{error} For a cluster of your own, name your kubeconfig's context by --context."
        ) from error


@contextmanager
def _kubectl(context: str | None, kubeconfig: str | None, region: str | None) -> Generator[Kubectl]:
    # The kubeconfig's `aws eks get-token` names no region.
    environment = {**os.environ, **({"AWS_REGION": region} if region else {})}
    if context:
        yield Kubectl(("--context", context), environment)
        return
    with tempfile.TemporaryDirectory(prefix="vodstack-") as folder:
        path = Path(folder) / "kubeconfig"
        path.write_text(kubeconfig or "", encoding="utf-8")
        path.chmod(0o600)
        yield Kubectl(("--kubeconfig", str(path)), environment)


async def _forward(kubectl: Kubectl, target: Inside, port: int | None, page: _Page) -> None:
    def show(address: str) -> None:
        click.echo(f"{address}{page.path}\nCtrl-C closes it.")
        # Some browsers hold their caller until they are closed.
        Thread(target=_browse, args=[address + page.path], daemon=True).start()

    await until_stopped(
        kubectl.forward(target, port, show), on_signal=lambda: None, message="closed: the port is forwarded no more"
    )


def _browse(address: str) -> None:
    # Without a display, what Python finds would be a browser of text that takes this terminal.
    if not sys.platform.startswith("linux") or any(os.environ.get(name) for name in _DISPLAYS):
        webbrowser.open(address)
