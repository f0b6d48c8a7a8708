"""Variables that look like ours and that nothing reads."""

import pytest

from vodstack_app.settings import Settings as ApiSettings
from vodstack_contracts.environment import Variable
from vodstack_contracts.unknown_variables import describe, unknown_variables
from vodstack_worker.settings import Settings as WorkerSettings


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("VODSTACK_JOB", "VODSTACK_JOBS"),
        ("vodstack_job", "VODSTACK_JOBS"),
        ("VODSTACK_CORS", "VODSTACK_CORS_ORIGINS"),
        ("VODSTACK_WORKTABLE", "VODSTACK_WORK_TABLE"),
        ("VODSTACK_S3_BUCKET", "S3_BUCKET"),
        ("VODSTACK_X", None),
    ],
)
def test_a_variable_that_nothing_reads_is_found_with_the_nearest_that_something_does(name, nearest):
    assert unknown_variables({name: "1", "OTHER": "1"}) == {name: nearest}
    assert describe(name, nearest).startswith(f"{name} is read by nothing")


def test_what_some_program_of_ours_reads_is_known_to_all():
    assert unknown_variables(dict.fromkeys(Variable, "1")) == {}


def test_what_kubernetes_says_of_services_is_passed_over():
    """As a pod gets it beside Services called vodstack-api and vodstack, unless `enableServiceLinks` is false."""
    links = {
        f"{service}_{end}": "1"
        for service in ("VODSTACK_API", "VODSTACK")
        for end in (
            "SERVICE_HOST",
            "SERVICE_PORT",
            "SERVICE_PORT_HTTP",
            "PORT",
            "PORT_8080_TCP",
            "PORT_8080_TCP_PROTO",
            "PORT_8080_TCP_PORT",
            "PORT_8080_TCP_ADDR",
        )
    }
    assert unknown_variables(links) == {}
    alone = {"VODSTACK_API_PORT": "tcp://10.0.0.1:8080"}
    assert list(unknown_variables(alone)) == list(alone)


@pytest.mark.parametrize("settings", [ApiSettings, WorkerSettings])
def test_every_setting_is_a_variable_of_the_contracts(settings):
    names = {str(field.validation_alias or field.alias) for field in settings.model_fields.values()}
    assert names <= set(Variable)
