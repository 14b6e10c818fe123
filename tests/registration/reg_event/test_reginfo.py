from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.registration.reg_event.reginfo import (
    MAX_SIZE,
    AorState,
    ContactEvent,
    ContactInfo,
    ContactState,
    RegInfo,
    RegistrationInfo,
    TemporaryGruu,
    parse_reginfo,
)
from wic.sip.errors import MalformedBody

# In the shape of TS 34.229-1 A.1.6, condition A4: an implicit set of a SIP and a tel URI, with GRUUs.
OF_TS_34_229 = b"""<?xml version="1.0" encoding="UTF-8"?>
<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo" version="0" state="full">
  <registration aor="sip:user@home1.net" id="a100" state="active">
    <contact id="980" state="active" event="registered" callid="apb03a0s09dkjdfglkj49111" cseq="43">
      <uri>sip:[5555::aaa:bbb:ccc:ddd]:1357;comp=sigcomp</uri>
      <unknown-param name="+sip.instance">"&lt;urn:gsma:imei:90420156-025763-0&gt;"</unknown-param>
      <gr:pub-gruu uri="sip:user@home1.net;gr=urn:gsma:imei:90420156-025763-0"/>
      <gr:temp-gruu uri="sip:tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5@home1.net;gr" first-cseq="42"/>
    </contact>
  </registration>
  <registration aor="tel:+358504821437" id="a101" state="active">
    <contact id="981" state="active" event="created">
      <uri>sip:[5555::aaa:bbb:ccc:ddd]:1357;comp=sigcomp</uri>
    </contact>
  </registration>
</reginfo>
"""

# By the rules of RFC 3680 §5, with an element of 3GPP that is not known here.
PARTIAL = b"""<?xml version="1.0"?>
<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:e="urn:3gpp:ns:extRegExp:1.0" version="1" state="partial">
  <registration aor="sip:joe@example.com" id="as9" state="active">
    <contact id="76" state="active" event="registered" duration-registered="7322" q="0.8">
      <uri>sip:joe@pc887.example.com</uri>
      <display-name xml:lang="en">Joe &amp; friends</display-name>
      <e:wildcardedIdentity><e:x>sip:!.*!@x</e:x></e:wildcardedIdentity>
    </contact>
    <contact id="77" state="terminated" event="probation" expires="0" retry-after="500">
      <uri>sip:joe@university.edu</uri>
      <unknown-param name="reg-id">2</unknown-param>
    </contact>
  </registration>
</reginfo>
"""


def test_the_document_of_ts_34_229() -> None:
    document = parse_reginfo(OF_TS_34_229)
    assert (document.version, document.full) == (0, True)
    first, second = document.registrations
    assert (first.aor, first.id, first.state) == ("sip:user@home1.net", "a100", AorState.ACTIVE)
    (contact,) = first.contacts
    assert (contact.callid, contact.cseq) == ("apb03a0s09dkjdfglkj49111", 43)
    assert contact.param("+sip.instance") == "<urn:gsma:imei:90420156-025763-0>"
    assert contact.param("reg-id") is None
    assert contact.pub_gruu == "sip:user@home1.net;gr=urn:gsma:imei:90420156-025763-0"
    assert contact.temp_gruu is not None
    assert contact.temp_gruu.first_cseq == 42
    assert second.contacts[0].event is ContactEvent.CREATED
    assert second.contacts[0].pub_gruu is None


def test_a_partial_document() -> None:
    document = parse_reginfo(PARTIAL)
    assert (document.version, document.full) == (1, False)
    one, other = document.registrations[0].contacts
    assert (one.duration_registered, one.q, one.display_name) == (7322, "0.8", "Joe & friends")
    assert (other.state, other.event) == (ContactState.TERMINATED, ContactEvent.PROBATION)
    assert (other.expires, other.retry_after, other.param("reg-id")) == (0, 500, "2")
    assert [event.terminates for event in (one.event, other.event)] == [False, True]


@pytest.mark.parametrize("data", [OF_TS_34_229, PARTIAL])
def test_documents_come_back_as_they_were(data: bytes) -> None:
    document = parse_reginfo(data)
    written = document.to_xml()
    assert parse_reginfo(written) == document
    assert parse_reginfo(written).to_xml() == written


def test_what_is_written() -> None:
    contact = ContactInfo(
        id="c1",
        uri="sip:a@b;x=<&>",
        state=ContactState.ACTIVE,
        event=ContactEvent.REGISTERED,
        expires=60,
        callid='a"b',
        cseq=1,
        display_name="A\0",
        unknown_params=(("+sip.instance", '"<urn:x:y>"'),),
        pub_gruu="sip:a@b;gr",
        temp_gruu=TemporaryGruu("sip:t@b;gr", 7),
    )
    registration = RegistrationInfo(aor="sip:a@b", id="r1", state=AorState.ACTIVE, contacts=(contact,))
    assert RegInfo(version=3, full=True, registrations=(registration,)).to_xml().decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo"'
        ' version="3" state="full">\n'
        '  <registration aor="sip:a@b" id="r1" state="active">\n'
        '    <contact id="c1" state="active" event="registered" expires="60" callid="a&quot;b" cseq="1">\n'
        "      <uri>sip:a@b;x=&lt;&amp;&gt;</uri>\n"
        "      <display-name>A\ufffd</display-name>\n"
        '      <unknown-param name="+sip.instance">&quot;&lt;urn:x:y&gt;&quot;</unknown-param>\n'
        '      <gr:pub-gruu uri="sip:a@b;gr"/>\n'
        '      <gr:temp-gruu uri="sip:t@b;gr" first-cseq="7"/>\n'
        "    </contact>\n"
        "  </registration>\n"
        "</reginfo>\n"
    )
    empty = RegistrationInfo(aor="sip:a@b", id="r1", state=AorState.INIT)
    assert b"gruuinfo" not in RegInfo(version=0, full=False, registrations=(empty,)).to_xml()


def document(body: str = "", attributes: str = 'version="0" state="full"') -> bytes:
    return f'<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" {attributes}>{body}</reginfo>'.encode()


REGISTRATION = '<registration aor="sip:a@b" id="1" state="active">{}</registration>'
CONTACT = '<contact id="{}" state="active" event="registered"><uri>sip:a@b</uri></contact>'
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "nothing": b"",
    "no XML": b"reginfo",
    "billion laughs": f'<!DOCTYPE r [<!ENTITY l0 "ha">{LAUGHS}]><r>&l9;</r>'.encode(),
    "external entity": b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + document("&x;"),
    "external DTD": b'<!DOCTYPE r SYSTEM "http://example.com/x.dtd">' + document(),
    "undeclared entity": document("&x;"),
    "100 MB": b"<r>" + b" " * 100_000_000,
    "a little too much": document(" " * MAX_SIZE),
    "deep": document("<x>" * 5_000 + "</x>" * 5_000),
    "many": document("<x/>" * 9_000),
    "no namespace": document().replace(b' xmlns="urn:ietf:params:xml:ns:reginfo"', b""),
    "another namespace": document().replace(b"reginfo", b"presence"),
    "another root": document().replace(b"<reginfo", b"<info").replace(b"</reginfo", b"</info"),
    "no version": document(attributes='state="full"'),
    "a version that is none": document(attributes='version="-1" state="full"'),
    "a long version": document(attributes=f'version="{"1" * 4000}" state="full"'),
    "another state": document(attributes='version="0" state="some"'),
    "no aor": document('<registration id="1" state="active"/>'),
    "no id": document('<registration aor="sip:a@b" state="active"/>'),
    "state of nothing": document('<registration aor="sip:a@b" id="1" state="x"/>'),
    "two registrations": document(REGISTRATION * 2),
    "two contacts": document(REGISTRATION.format(CONTACT.format(1) * 2)),
    "no uri": document(REGISTRATION.format('<contact id="1" state="active" event="registered"/>')),
    "no such event": document(REGISTRATION.format(CONTACT.format(1).replace("registered", "moved"))),
    "no such contact state": document(REGISTRATION.format(CONTACT.format(1).replace("active", "init"))),
    "expires": document(REGISTRATION.format(CONTACT.format(1).replace(">", ' expires="x">', 1))),
    "nameless parameter": document(REGISTRATION.format(CONTACT.format(1).replace("<uri>", "<unknown-param/><uri>"))),
    "UTF-16 that is none": document().replace(b"<reginfo", b'<?xml version="1.0" encoding="UTF-16"?><reginfo'),
    "no such encoding": b'<?xml version="1.0" encoding="x-y"?>' + document(),
}  # fmt: skip


TOO_LARGE = {"100 MB", "a little too much", "deep", "many"}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents(name: str) -> None:
    with pytest.raises(MalformedBody) as refused:
        parse_reginfo(HOSTILE[name])
    assert refused.value.status_hint == (413 if name in TOO_LARGE else 400)


def test_numbers_are_bounded() -> None:
    assert parse_reginfo(document(attributes='version=" 9999999999 " state="full"')).version == 2**32 - 1


text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30).map(str.strip)
numbers = st.none() | st.integers(0, 2**32 - 1)
contacts = st.builds(
    ContactInfo,
    id=text,
    uri=text,
    state=st.sampled_from(ContactState),
    event=st.sampled_from(ContactEvent),
    expires=numbers,
    retry_after=numbers,
    duration_registered=numbers,
    q=st.none() | text,
    callid=st.none() | text,
    cseq=numbers,
    display_name=st.none() | text,
    unknown_params=st.lists(st.tuples(text, text), max_size=3).map(tuple),
    pub_gruu=st.none() | text,
    temp_gruu=st.none() | st.builds(TemporaryGruu, text, st.integers(0, 2**32 - 1)),
)
registrations = st.builds(
    RegistrationInfo,
    aor=text,
    id=text,
    state=st.sampled_from(AorState),
    contacts=st.lists(contacts, max_size=3, unique_by=lambda each: each.id).map(tuple),
)


@given(
    st.builds(
        RegInfo,
        version=st.integers(0, 2**32 - 1),
        full=st.booleans(),
        registrations=st.lists(registrations, max_size=3, unique_by=lambda each: each.id).map(tuple),
    )
)
def test_every_document_comes_back(info: RegInfo) -> None:
    assert parse_reginfo(info.to_xml()) == info


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda middle: PARTIAL[:200] + middle + PARTIAL[210:]))
def test_any_octets_are_read_or_refused(data: bytes) -> None:
    try:
        info = parse_reginfo(data)
    except MalformedBody:
        return
    assert parse_reginfo(info.to_xml()) == info
