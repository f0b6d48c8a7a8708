"""The command where it cannot do what it was asked: a sentence, whole, that says what to do."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Never
from urllib.request import proxy_bypass

import pytest
from click.testing import CliRunner

from vodstack_cli.errors import CommandError, LaptopError
from vodstack_cli.laptop import Ports, reach_loopback_past_proxies, running_laptop
from vodstack_cli.main import cli, main

ROOT = Path(__file__).parents[2]
WITHOUT_THE_EXTRA = """
import sys
sys.modules[sys.argv.pop()] = None
from vodstack_cli.main import main
main()
"""


def test_an_error_is_one_line_with_every_character_of_what_it_quotes(monkeypatch, capsys):
    quoted = f"[red] {'x' * 100} [/nothing]"
    monkeypatch.setattr(sys, "argv", ["vodstack", "retry", quoted])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: '{quoted}' is no id")


@pytest.mark.parametrize("command", [["up"], ["demo"], ["render", "manifests"], ["cost"], ["images"]])
def test_outside_of_a_project_a_command_says_where_to_go(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 2
    assert "holds no Pulumi.yaml" in result.output
    assert "--project" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("VODSTACK_CORS_ORIGINS", "set api.corsOrigins of vodstack:services in Pulumi.local.yaml"),
        ("VODSTACK_METRICS_PORT", "METRICS_PORT= to make"),
        ("VODSTACK_PORT", "did you mean PORT? PORT has no effect here: give --port"),
        ("VODSTACK_HOST", "unset it"),
        ("VODSTACK_JOB", "did you mean VODSTACK_JOBS? VODSTACK_JOBS has no effect here"),
        ("VODSTACK_TOKN", "did you mean VODSTACK_TOKEN?"),
    ],
)
def test_a_variable_that_the_command_does_not_read_is_refused_with_what_works(name, words, tmp_path, monkeypatch):
    monkeypatch.setenv(name, "1")
    for command in (["up"], ["demo"], ["render", str(tmp_path / "manifests")], ["upload", __file__]):
        refused = CliRunner().invoke(cli, command)
        assert isinstance(refused.exception, CommandError)
        assert name in str(refused.exception)
        assert words in str(refused.exception)
    assert list(tmp_path.iterdir()) == []


def test_the_code_of_the_command_names_variables_by_the_contracts_alone():
    """One that is spelt out would be refused."""
    sources = (ROOT / "platform" / "cli").rglob("*.py")
    assert [path.name for path in sources if re.search(r"""environ.*["']VODSTACK_""", path.read_text())] == []


def test_variables_of_one_command_may_stand_in_the_shell_for_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VODSTACK_TOKEN", "secret")
    monkeypatch.setenv("VODSTACK_URL", "http://localhost:1")
    monkeypatch.setenv("VODSTACK_STATE_DIR", str(tmp_path))
    result = CliRunner().invoke(cli, ["up"])
    assert "holds no Pulumi.yaml" in result.output


@pytest.mark.parametrize("package", ["imageio_ffmpeg", "vodstack_platform"])
def test_a_client_without_the_laptops_packages_is_told_of_them(package):
    command = [sys.executable, "-c", WITHOUT_THE_EXTRA, "demo", package]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "vodstack-cli[local]" in line
    assert package in line


def test_one_port_for_both_services_is_refused_at_once():
    async def start() -> None:
        async with running_laptop(ROOT, Ports(api=18999, metrics=18999), on_line=lambda _process, _line: None):
            pass

    with pytest.raises(LaptopError, match="cannot both listen on port 18999"):
        asyncio.run(start())


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_what_listens_on_this_machine_is_reached_past_proxies(name, monkeypatch):
    monkeypatch.setattr(os, "environ", {"http_proxy": "http://proxy.example", name: "intern.example"})
    reach_loopback_past_proxies()
    bypassed = [host for host in ("127.0.0.1", "localhost", "intern.example", "aws.example") if proxy_bypass(host)]
    assert bypassed == ["127.0.0.1", "localhost", "intern.example"]


@pytest.mark.parametrize(
    ("command", "gone"), [("up", "what was stored is gone"), ("demo", "nothing was kept")], ids=["up", "demo"]
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_stack_that_is_still_coming_up(command, gone, number):
    arguments = [sys.executable, "-m", "vodstack_cli", command, "--port", "18997", "--metrics-port", "18998"]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout
        while "provisioning" not in (line := running.stdout.readline()):
            assert line, "it ended before it began"
        running.send_signal(number)
        output = running.stdout.read()
    assert running.returncode == 128 + number
    assert output == f"stopping ...\nstopped: everything has ended, and {gone}\n"


def test_ctrl_c_ends_any_command_with_a_word(monkeypatch, capsys):
    def press_ctrl_c(*_arguments: object, **_options: object) -> Never:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
        raise AssertionError

    monkeypatch.setattr("sys.argv", ["vodstack", "--stopped-status", "7", "retry", str(uuid.uuid4())])
    monkeypatch.setattr("boto3.session.Session", press_ctrl_c)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 7
    assert capsys.readouterr().err == "stopped\n"
