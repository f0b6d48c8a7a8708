"""Metrics and probes on a port of their own: what a load balancer leads to shows no figures."""

import re
import signal
from collections.abc import Callable

import httpx
import pytest
from tests.app.conftest import ApiProcess, environment_of
from tests.conftest import Foundation

from vodstack_app.settings import SettingsError, read_settings


def test_metrics_are_on_their_port_alone_and_probes_on_both(start_process: Callable[..., ApiProcess]):
    api = start_process(VODSTACK_METRICS_PORT="0")
    found = re.search(r'"metrics_port": (\d+)', api.log.read_text())
    assert found
    with httpx.Client(base_url=f"http://127.0.0.1:{found[1]}") as watcher:
        assert api.client.get("/metrics").status_code == 404
        assert "myapp_http_requests_total" in watcher.get("/metrics").text
        assert watcher.get("/metrics").headers["x-content-type-options"] == "nosniff"
        for path in ("/livez", "/readyz"):
            assert (api.client.get(path).status_code, watcher.get(path).status_code) == (200, 200)
        assert watcher.get("/videos").status_code == 404
    api.process.send_signal(signal.SIGTERM)
    assert api.process.wait(30) == 0


def test_one_port_cannot_serve_both(foundation: Foundation, monkeypatch: pytest.MonkeyPatch):
    for name, value in environment_of(foundation, PORT="8081", VODSTACK_METRICS_PORT="8081").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="must differ"):
        read_settings()
