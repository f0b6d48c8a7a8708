from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from vodstack_contracts.errors import MissingOutputError
from vodstack_contracts.outputs import LAYERS, ServicesOutputs, contract_of, decode, document, exports, names, read


class Known:
    """An output as Pulumi's, of a value that is known."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def apply(self, func: Callable[[Any], Any], /) -> Any:
        return func(self.value)


class Stack:
    """A stack reference as Pulumi's: it answers for each output that the stack exports, and None for others."""

    name = Known("organization/vodstack/dev")

    def __init__(self, outputs: dict[str, str]) -> None:
        self.outputs = outputs

    def get_output(self, name: str, /) -> Known:
        return Known(self.outputs.get(name))


SERVICES = {"namespace": "vodstack", "apiUrl": "http://api", "apiRoleArn": "arn:api", "workerRoleArn": "arn:worker"}


def test_what_a_stack_exports_is_what_its_consumers_read():
    outputs = read(ServicesOutputs[str], Stack(SERVICES))
    assert exports(outputs) == SERVICES
    assert outputs.api_url == "http://api"


@pytest.mark.parametrize("lacking", [{}, {"namespace": "vodstack"}])
def test_a_stack_without_the_layer_is_told_by_name_and_with_what_to_do(lacking):
    with pytest.raises(MissingOutputError) as told:
        read(ServicesOutputs[str], Stack(lacking))
    for word in ("organization/vodstack/dev", "services/v1", "vodstack:layers hold 'services'", "`pulumi up`"):
        assert word in str(told.value)


def test_the_document_in_ssm_reads_back():
    outputs = read(ServicesOutputs[str], Stack(SERVICES))
    assert decode(ServicesOutputs[str], msgspec.json.encode(outputs)) == outputs


def test_the_document_names_its_contract_beside_the_exports():
    outputs = read(ServicesOutputs[str], Stack(SERVICES))
    assert document(outputs) == {"contract": "services/v1", **SERVICES}


def test_names_are_those_of_the_exports():
    assert set(names(ServicesOutputs)) == SERVICES.keys()


@pytest.mark.parametrize("text", [b"{}", b'{"contract":"services/v1"}', b'{"contract":"services/v2"}'])
def test_a_document_of_another_contract_is_refused_by_name(text):
    with pytest.raises(MissingOutputError, match="services/v1"):
        decode(ServicesOutputs[str], text)


def test_each_layer_names_its_version():
    assert all(contract_of(layer).endswith("/v1") for layer in LAYERS)


def test_no_two_layers_export_the_same_name():
    names = [info.encode_name for layer in LAYERS for info in msgspec.structs.fields(layer)]
    assert len(names) == len(set(names))
