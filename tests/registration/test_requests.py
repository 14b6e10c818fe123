from __future__ import annotations

from typing import TYPE_CHECKING

from wic.registration import RegistrationOptions
from wic.registration.requests import Series
from wic.sip.random_source import CountingSource

if TYPE_CHECKING:
    from wic.registration import Identity


def test_a_register_without_outbound(identity: Identity) -> None:
    """RFC 5626 §4.2: no reg-id where the flow is the only one."""
    options = RegistrationOptions(outbound=False)
    request = Series(identity, options, options.terms, random_source=CountingSource()).register()
    assert request.supported == ("path", "gruu")
    assert "reg-id" not in request.contacts[0].params
    assert "+sip.instance" in request.contacts[0].params


def test_a_series_goes_on_with_other_terms(identity: Identity) -> None:
    options = RegistrationOptions()
    series = Series(identity, options, options.terms, random_source=CountingSource())
    first = series.register()
    series.agree(identity, options.terms.without(("path", "gruu", "outbound")).lasting(7))
    second = series.register()
    assert "Supported" not in second.headers
    assert (second.expires, second.contacts[0].params.get("reg-id")) == (7, None)
    assert (second.call_id, second.from_.tag, second.cseq.number) == (first.call_id, first.from_.tag, 2)
