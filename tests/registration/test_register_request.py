from __future__ import annotations

from dataclasses import replace

import pytest

from wic.errors import ConfigurationError
from wic.registration import Identity, RegistrationOptions, websocket_contact
from wic.registration.register_request import RegisterSeries
from wic.sip.random_source import CountingSource


def test_the_contact_of_a_wic(identity: Identity) -> None:
    """RFC 7118 §5: transport=ws for WSS too; TS 24.229 §5.1.1.2.1."""
    assert str(identity.contact_header(1)) == (
        "<sip:alice@x7k2.invalid;transport=ws>;reg-id=1"
        ';+sip.instance="<urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128>"'
        ';+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"'
    )
    assert "icsi-ref" not in str(replace(identity, services=()).contact_header(1))


def test_a_contact_without_a_user() -> None:
    assert str(websocket_contact(None, "x.invalid")) == "sip:x.invalid;transport=ws"


@pytest.mark.parametrize(
    ("name", "value"), [("domain", "a b"), ("domain", ""), ("instance", "urn:x"), ("instance", "<>")]
)
def test_values_that_no_header_can_carry_are_a_configuration_error(name: str, value: str, identity: Identity) -> None:
    with pytest.raises(ConfigurationError, match="write it like"):
        replace(identity, **{name: value})


def test_a_register_without_outbound(identity: Identity) -> None:
    """RFC 5626 §4.2: no reg-id where the flow is the only one."""
    options = RegistrationOptions(outbound=False)
    series = RegisterSeries(identity, options, random_source=CountingSource())
    request = series.next()
    assert request.supported == ("path", "gruu")
    assert "reg-id" not in request.contacts[0].params
    assert "+sip.instance" in request.contacts[0].params


def test_a_series_goes_on_with_other_parameters(identity: Identity) -> None:
    options = RegistrationOptions()
    series = RegisterSeries(identity, options, random_source=CountingSource())
    first = series.next()
    series.change(series.parameters.without(("path", "gruu", "outbound")).lasting(7))
    second = series.next()
    assert "Supported" not in second.headers
    assert (second.expires, second.contacts[0].params.get("reg-id")) == (7, None)
    assert (second.call_id, second.from_.tag, second.cseq.number) == (first.call_id, first.from_.tag, 2)
