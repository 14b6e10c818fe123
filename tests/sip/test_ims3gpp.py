from __future__ import annotations

import pytest

from wic.sip.errors import MalformedBody
from wic.sip.ims3gpp import AlternativeService, read_alternative_service
from wic.sip.message import Response

RESTORATION = AlternativeService("restoration", "initial-registration", "S-CSCF restarted")


def response(body: str, content_type: str | None = "application/3gpp-ims+xml") -> Response:
    headers = [] if content_type is None else [("Content-Type", content_type)]
    return Response.build(504, headers=headers, body=body.encode())


def document(inside: str, root: str = '<ims-3gpp version="1">') -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>{root}<alternative-service>{inside}</alternative-service></ims-3gpp>'


@pytest.mark.parametrize(
    ("inside", "root"),
    [
        (
            "<type>restoration</type><reason>S-CSCF restarted</reason><action>initial-registration</action>",
            '<ims-3gpp version="1">',
        ),
        (
            (
                "<type> restoration </type>\n<reason> S-CSCF\n restarted </reason><more><action>no</action></more>"
                "<action>initial-registration</action>"
            ),
            '<ims-3gpp version="1.2" xmlns="urn:any">',
        ),
        (
            "<type><restoration/></type><reason>S-CSCF restarted</reason><action><initial-registration/></action>",
            '<ims-3gpp version="1">',
        ),
    ],
)
def test_restoration(inside: str, root: str) -> None:
    """TS 24.229 §7.6: the schema, any namespace, and the older document type's empty elements."""
    service = read_alternative_service(response(document(inside, root), 'Application/3gpp-IMS+xml;sv="1,1.1"'))
    assert service == RESTORATION
    assert service.wants_initial_registration


@pytest.mark.parametrize("service", [RESTORATION, AlternativeService("emergency", reason="<112> & co.")])
def test_a_proposal_is_read_as_it_was_written(service: AlternativeService) -> None:
    assert read_alternative_service(response(service.to_xml().decode())) == service


def test_an_emergency_call() -> None:
    service = read_alternative_service(response(document("<type>emergency</type><reason/>")))
    assert service == AlternativeService("emergency")
    assert not service.wants_initial_registration


def test_in_a_multipart() -> None:
    body = document("<type>emergency</type>")
    multipart = f"--b\r\nContent-Type: application/3gpp-ims+xml\r\n\r\n{body}\r\n--b--\r\n"
    service = read_alternative_service(response(multipart, "multipart/mixed;boundary=b"))
    assert service == AlternativeService("emergency")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (document(""), None),
        ("hello", "text/plain"),
        ('<ims-3gpp version="1"><service-info>x</service-info></ims-3gpp>', "application/3gpp-ims+xml"),
    ],
)
def test_none_there(body: str, content_type: str | None) -> None:
    assert read_alternative_service(response(body, content_type)) is None


@pytest.mark.parametrize("body", ["", "<other/>", "<!DOCTYPE ims-3gpp><ims-3gpp/>", document("<type>" + " " * 16_384)])
def test_unusable_documents_are_refused(body: str) -> None:
    with pytest.raises(MalformedBody):
        read_alternative_service(response(body))


def test_a_reason_is_harmless() -> None:
    service = read_alternative_service(response(document("<type>x</type><reason>\u202e" + "y" * 500 + "</reason>")))
    assert service is not None
    assert service.reason == "y" * 200


def test_an_empty_alternative_service() -> None:
    assert read_alternative_service(response(document(""))) == AlternativeService("")
