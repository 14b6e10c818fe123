"""Recovery: the remedy for every failure, and what is left of it in each phase of a client."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.errors import (
    AuthenticationFailed,
    ChallengeUnsupported,
    ConfigurationError,
    ConnectFailed,
    FlowLost,
    NetworkNotTrusted,
    RegistrationFailed,
    RemoteProtocolError,
    SignInFailed,
    SignInNeeded,
    TokenRefused,
    UsimFailed,
    WicError,
)
from wic.registration import Binding
from wic.registration.recovery import (
    MAX_ROUNDS,
    PHASES,
    REMEDIES,
    TERMINATIONS,
    Cause,
    Phase,
    Purpose,
    Recovery,
    Remedy,
    recover_from_error,
    recover_from_renewal,
    recover_from_response,
    recover_from_silence,
    wait_after_termination,
)
from wic.registration.reg_event.events import RegistrationTerminated, Termination
from wic.registration.register_request import RegisterParameters
from wic.sip.headers import NameAddr
from wic.sip.message import Response
from wic.sip.uri import Uri

PARAMETERS = RegisterParameters(600)
PLAIN = PARAMETERS.without(("outbound",))
RETRY, GIVE_UP = Recovery(Remedy.RETRY), Recovery(Remedy.GIVE_UP)
NEXT_SERVER, REREGISTER = Recovery(Remedy.NEXT_SERVER), Recovery(Remedy.REREGISTER)
RESTORATION = (
    b'<ims-3gpp version="1"><alternative-service><type>restoration</type><reason/>'
    b"<action>initial-registration</action></alternative-service></ims-3gpp>"
)
BINDING = Binding(
    contact=NameAddr.parse("<sip:a@x.invalid>"),
    expires=60,
    expires_at=60.0,
    impu=Uri.parse("sip:alice@ims.example"),
    service_route=(NameAddr.parse("<sip:scscf.example;lr>"),),
    path=(NameAddr.parse("<sip:token@pcscf.example;lr>"),),
)


def recovery(
    status: int,
    *headers: tuple[str, object],
    purpose: Purpose = Purpose.INITIAL,
    parameters: RegisterParameters = PARAMETERS,
    body: bytes = b"",
    rounds: int = 1,
) -> Recovery:
    response = Response.build(status, headers=headers, body=body)
    return recover_from_response(response, purpose, parameters, binding=BINDING, rounds=rounds)


def send_again(parameters: RegisterParameters) -> Recovery:
    return Recovery(Remedy.SEND_AGAIN, parameters=parameters)


def give_up(hint: str) -> Recovery:
    return Recovery(Remedy.GIVE_UP, hint=hint)


# the tables, row by row

RESTORED = (("Content-Type", "application/3gpp-ims+xml"), ("P-Asserted-Identity", "<sip:scscf.example;lr>"))
NOTHING_SAID: tuple[tuple[str, object], ...] = ()
ANSWERS = [
    # cause, status, header fields, body; remedy for an initial REGISTER, a refresh, a removal
    (Cause.REDIRECTED, 302, NOTHING_SAID, b"", "GIVE_UP GIVE_UP GIVE_UP"),
    (Cause.USE_PROXY, 305, NOTHING_SAID, b"", "NEXT_SERVER NEXT_SERVER NEXT_SERVER"),
    (Cause.IN_VAIN, 408, NOTHING_SAID, b"", "RETRY REREGISTER RETRY"),
    (Cause.BAD_EXTENSION, 420, (("Unsupported", "gruu"),), b"", "SEND_AGAIN SEND_AGAIN SEND_AGAIN"),
    (Cause.NOTHING_TO_CHANGE, 420, NOTHING_SAID, b"", "GIVE_UP GIVE_UP GIVE_UP"),
    (Cause.SECURITY_AGREEMENT, 494, NOTHING_SAID, b"", "GIVE_UP GIVE_UP GIVE_UP"),
    (Cause.TOO_BRIEF, 423, (("Min-Expires", 900),), b"", "SEND_AGAIN SEND_AGAIN SEND_AGAIN"),
    (Cause.LACKS_OUTBOUND, 439, NOTHING_SAID, b"", "SEND_AGAIN SEND_AGAIN SEND_AGAIN"),
    (Cause.NO_BINDING, 481, NOTHING_SAID, b"", "GIVE_UP REREGISTER REMOVED"),
    (Cause.UNAVAILABLE, 503, NOTHING_SAID, b"", "NEXT_SERVER NEXT_SERVER NEXT_SERVER"),
    (Cause.LATER, 503, (("Retry-After", 30),), b"", "RETRY RETRY RETRY"),
    (Cause.LOST_BY_S_CSCF, 504, RESTORED, RESTORATION, "RETRY REREGISTER RETRY"),
    (Cause.REFUSED, 403, NOTHING_SAID, b"", "GIVE_UP GIVE_UP GIVE_UP"),
]
ERRORS: list[tuple[Cause, WicError, bool, str]] = [
    # cause, error, whether a token was refused before; remedy
    (Cause.UNANSWERABLE, ChallengeUnsupported("SHA-1024"), False, "GIVE_UP"),
    (Cause.UNANSWERABLE, NetworkNotTrusted("rspauth"), False, "GIVE_UP"),
    (Cause.UNANSWERABLE, AuthenticationFailed("wrong password"), True, "GIVE_UP"),
    (Cause.USIM_AWAY, UsimFailed("no card"), False, "RETRY"),
    (Cause.TOKEN_REFUSED, TokenRefused("invalid_token"), False, "RENEW_TOKEN"),
    (Cause.TOKEN_REFUSED_AGAIN, TokenRefused("invalid_token"), True, "GIVE_UP"),
    (Cause.UNUSABLE, RegistrationFailed("no Contact"), False, "GIVE_UP"),
    (Cause.FLOW_LOST, FlowLost("reset by peer"), False, "RECONNECT"),
    (Cause.NOT_CONNECTED, ConnectFailed("refused"), False, "NEXT_SERVER"),
]
RENEWALS: list[tuple[Cause, WicError, Recovery]] = [
    (Cause.NO_TOKEN, SignInFailed("invalid_grant"), GIVE_UP),
    (Cause.NO_TOKEN, SignInNeeded("run wic login"), GIVE_UP),
    (Cause.NO_TOKEN, RemoteProtocolError("no JSON"), GIVE_UP),
    (Cause.TOKEN_DELAYED, SignInFailed("busy", temporary=True, retry_after=7.0), Recovery(Remedy.AWAIT_TOKEN, 7.0)),
    (Cause.TOKEN_DELAYED, SignInFailed("busy", temporary=True), Recovery(Remedy.AWAIT_TOKEN)),
    (Cause.TOKEN_DELAYED, ConnectFailed("refused"), Recovery(Remedy.AWAIT_TOKEN)),
]


@pytest.mark.parametrize(("cause", "status", "headers", "body", "remedies"), ANSWERS)
def test_the_remedies_for_an_answer(
    cause: Cause, status: int, headers: tuple[tuple[str, object], ...], body: bytes, remedies: str
) -> None:
    found = [recovery(status, *headers, purpose=purpose, body=body).remedy.name for purpose in Purpose]
    assert found == remedies.split()
    assert [REMEDIES[cause].get(purpose).name for purpose in Purpose] == found


def test_the_remedy_for_an_extension_that_is_required() -> None:
    found = [
        recovery(421, ("Require", "outbound"), parameters=PLAIN, purpose=purpose).remedy.name for purpose in Purpose
    ]
    assert found == ["SEND_AGAIN"] * 3
    assert [REMEDIES[Cause.EXTENSION_REQUIRED].get(purpose).name for purpose in Purpose] == found


@pytest.mark.parametrize(("cause", "error", "token_refused", "remedy"), ERRORS)
def test_the_remedy_for_an_error(cause: Cause, error: WicError, token_refused: bool, remedy: str) -> None:
    until_token = cause is Cause.TOKEN_REFUSED_AGAIN  # another identity of the client may bring a better token
    assert recover_from_error(error, token_refused=token_refused) == Recovery(Remedy[remedy], until_token=until_token)
    assert {REMEDIES[cause].get(purpose).name for purpose in Purpose} == {remedy}


@pytest.mark.parametrize(("cause", "error", "expected"), RENEWALS)
def test_the_remedy_for_a_web_server_without_a_token(cause: Cause, error: WicError, expected: Recovery) -> None:
    assert recover_from_renewal(error) == expected
    assert {REMEDIES[cause].get(purpose) for purpose in Purpose} == {expected.remedy}


def test_a_file_that_cannot_be_read_is_no_matter_of_time() -> None:
    assert recover_from_error(ConfigurationError("no CA file")) == GIVE_UP


def test_each_cause_has_a_row_a_clause_and_a_test() -> None:
    tested = {row[0] for row in (*ANSWERS, *ERRORS, *RENEWALS)} | {Cause.EXTENSION_REQUIRED, Cause.SILENCE}
    assert tested == set(REMEDIES) == set(Cause)
    assert all(row.clause for row in REMEDIES.values())


# OPENING, RECONNECTING, IN_SERVICE, ONLY_SERVER, FURTHER, OVER
IN_PHASES = """
RETRY        GIVE_UP      RETRY        RETRY        RETRY        RETRY        GIVE_UP
REREGISTER   REREGISTER   REREGISTER   REREGISTER   REREGISTER   REREGISTER   GIVE_UP
NEXT_SERVER  NEXT_SERVER  NEXT_SERVER  NEXT_SERVER  RETRY        RETRY        GIVE_UP
RECONNECT    NEXT_SERVER  NEXT_SERVER  RECONNECT    RECONNECT    RECONNECT    GIVE_UP
RENEW_TOKEN  RENEW_TOKEN  RENEW_TOKEN  RENEW_TOKEN  RENEW_TOKEN  RENEW_TOKEN  GIVE_UP
AWAIT_TOKEN  GIVE_UP      AWAIT_TOKEN  AWAIT_TOKEN  AWAIT_TOKEN  AWAIT_TOKEN  GIVE_UP
GIVE_UP      GIVE_UP      GIVE_UP      GIVE_UP      GIVE_UP      GIVE_UP      GIVE_UP
"""


def test_remedies_in_each_phase() -> None:
    rows = [line.split() for line in IN_PHASES.strip().splitlines()]
    assert {row[0]: row[1:] for row in rows} == {
        remedy.name: [left[phase].name for phase in Phase] for remedy, left in PHASES.items()
    }


def test_remedies_that_a_registration_takes_by_itself_need_no_phase() -> None:
    """Another REGISTER of the same series, and a removal without a binding: no event tells of them."""
    assert set(Remedy) - set(PHASES) == {Remedy.SEND_AGAIN, Remedy.REMOVED}


@pytest.mark.parametrize(
    ("reason", "named", "wait"),
    [
        (Termination.DEACTIVATED, None, 0.0),
        (Termination.EXPIRED, None, 0.0),
        (Termination.PROBATION, None, 60.0),
        (Termination.PROBATION, 300.0, 300.0),
        (Termination.REJECTED, None, None),
        (Termination.UNREGISTERED, None, None),
    ],
)
def test_waits_after_the_network_has_ended_a_registration(
    reason: Termination, named: float | None, wait: float | None
) -> None:
    """RFC 3680 §4.7.1, TS 24.229 §5.1.1.7."""
    assert wait_after_termination(RegistrationTerminated(reason, named, (), last=True)) == wait
    assert set(TERMINATIONS) == set(Termination)


@pytest.mark.parametrize(("status", "header"), [(420, ("Unsupported", "gruu")), (423, ("Min-Expires", 900))])
def test_a_registrar_that_keeps_asking_for_something_else(status: int, header: tuple[str, object]) -> None:
    assert recovery(status, header, rounds=MAX_ROUNDS - 1).remedy is Remedy.SEND_AGAIN
    assert recovery(status, header, rounds=MAX_ROUNDS) == give_up("it keeps asking for something else")


# answers in detail


@pytest.mark.parametrize("purpose", [Purpose.INITIAL, Purpose.REFRESH])
def test_305_asks_another_server_and_its_contact_is_ignored(purpose: Purpose) -> None:
    """TS 24.229 §5.1.1.2.1."""
    contact = ("Contact", "<sip:evil.example>")
    assert recovery(305, contact, purpose=purpose) == NEXT_SERVER


@pytest.mark.parametrize("status", [300, 301, 302])
def test_redirections_are_not_followed(status: int) -> None:
    assert recovery(status, ("Contact", "<sip:evil.example>")) == give_up("redirections are not followed")


@pytest.mark.parametrize("status", [380, 400, 403, 404, 405, 486, 493, 501, 505, 513, 603, 604, 606])
@pytest.mark.parametrize("purpose", list(Purpose))
def test_refusals_that_time_does_not_heal(status: int, purpose: Purpose) -> None:
    assert recovery(status, ("Retry-After", 5), purpose=purpose) == GIVE_UP


@pytest.mark.parametrize("status", [408, 480, 500, 502, 504, 599, 600, 699])
def test_an_initial_registration_that_may_succeed_later(status: int) -> None:
    assert recovery(status) == RETRY
    assert recovery(status, ("Retry-After", "30 (busy)")) == Recovery(Remedy.RETRY, 30)
    assert recovery(status, ("Retry-After", 10**6)) == Recovery(Remedy.RETRY, 1800)
    assert recovery(status, ("Retry-After", 0)) == Recovery(Remedy.RETRY, 1)
    assert recovery(status, ("Retry-After", "soon")) == RETRY


@pytest.mark.parametrize("status", [408, 500, 504])
def test_a_refresh_in_vain_leads_to_an_initial_registration(status: int) -> None:
    """TS 24.229 §5.1.1.4.1; but not before the network wants it."""
    assert recovery(status, purpose=Purpose.REFRESH) == REREGISTER
    later = recovery(status, ("Retry-After", 5), purpose=Purpose.REFRESH)
    assert later == Recovery(Remedy.RETRY, 5)
    assert recovery(status, purpose=Purpose.REMOVAL) == RETRY


@pytest.mark.parametrize("status", [480, 502, 600])
def test_a_refresh_that_may_succeed_later(status: int) -> None:
    assert recovery(status, purpose=Purpose.REFRESH) == RETRY


def test_silence() -> None:
    """TS 24.229 §5.1.1.2.1, §5.1.1.4.1: Timer F makes another eP-CSCF the next to ask."""
    assert recover_from_silence(Purpose.REFRESH) == REREGISTER
    assert recover_from_silence(Purpose.INITIAL) == NEXT_SERVER
    assert recover_from_silence(Purpose.REMOVAL) == NEXT_SERVER


@pytest.mark.parametrize("purpose", [Purpose.INITIAL, Purpose.REFRESH])
def test_503(purpose: Purpose) -> None:
    """TS 24.229 §5.1.1.2.1: Retry-After is obeyed; without it another eP-CSCF is asked."""
    assert recovery(503, ("Retry-After", 30), purpose=purpose) == Recovery(Remedy.RETRY, 30)
    assert recovery(503, purpose=purpose) == NEXT_SERVER


@pytest.mark.parametrize(
    ("unsupported", "left"),
    [
        ("outbound", ("path", "gruu")),
        ("GRUU , outbound", ("path",)),
        ("gruu, path, outbound", ()),
        ("gruu, nonsense", ("path", "outbound")),
    ],
)
def test_420_does_without_unsupported_extensions(unsupported: str, left: tuple[str, ...]) -> None:
    assert recovery(420, ("Unsupported", unsupported)) == send_again(RegisterParameters(600, left))


@pytest.mark.parametrize("headers", [[], [("Unsupported", "nonsense")], [("Unsupported", ",,")]])
def test_a_420_that_names_no_extension(headers: list[tuple[str, object]]) -> None:
    assert recovery(420, *headers) == give_up("it does not say which extension it means")


def test_421_adds_a_known_extension() -> None:
    assert recovery(421, ("Require", "outbound"), parameters=PLAIN) == send_again(PARAMETERS)


@pytest.mark.parametrize(
    ("headers", "hint"),
    [
        ([("Require", "outbound")], "it requires outbound"),
        ([("Require", "path"), ("Require", "100rel")], "it requires 100rel, path"),
        ([], "it requires an extension without a name"),
    ],
)
def test_421_for_an_extension_that_cannot_be_added(headers: list[tuple[str, object]], hint: str) -> None:
    assert recovery(421, *headers) == give_up(hint)


@pytest.mark.parametrize(("status", "headers"), [(494, []), (421, [("Require", "sec-agree")])])
def test_there_is_no_security_agreement_over_a_websocket(status: int, headers: list[tuple[str, object]]) -> None:
    """TS 24.371 §6.2.1."""
    given = recovery(status, *headers)
    assert "security agreement" in given.hint
    assert given == give_up(given.hint)


def test_423_is_given_the_time_that_it_wants() -> None:
    assert recovery(423, ("Min-Expires", 3600)) == send_again(PARAMETERS.lasting(3600))


@pytest.mark.parametrize("headers", [[], [("Min-Expires", 600)], [("Min-Expires", 2**31)], [("Min-Expires", "x")]])
def test_a_423_without_sense(headers: list[tuple[str, object]]) -> None:
    assert recovery(423, *headers) == give_up("it does not say how long it would be")


def test_439_registers_without_outbound() -> None:
    """RFC 5626 §11.6."""
    assert recovery(439) == send_again(PLAIN)
    assert recovery(439, parameters=PLAIN) == GIVE_UP


def test_481_says_that_there_is_no_binding() -> None:
    assert recovery(481, purpose=Purpose.REMOVAL) == Recovery(Remedy.REMOVED)
    assert recovery(481, purpose=Purpose.REFRESH) == REREGISTER
    assert recovery(481) == GIVE_UP


def test_504_with_a_restoration_body_is_obeyed_at_once() -> None:
    """TS 24.229 §5.1.2A.1.6; a second one in a row has to wait."""
    headers = [
        ("Content-Type", "application/3gpp-ims+xml"),
        ("P-Asserted-Identity", "<sip:scscf.example;lr>"),
        ("Retry-After", 5),
    ]
    assert recovery(504, *headers, purpose=Purpose.REFRESH, body=RESTORATION) == REREGISTER
    again = recovery(504, *headers, body=RESTORATION)
    assert again == Recovery(Remedy.RETRY, 5)


HEADERS = ["Retry-After", "Min-Expires", "Require", "Unsupported", "P-Asserted-Identity", "Content-Type", "Contact"]


@given(
    status=st.integers(300, 699),
    headers=st.lists(st.tuples(st.sampled_from(HEADERS), st.text(max_size=40)), max_size=4),
    body=st.binary(max_size=60),
    purpose=st.sampled_from(Purpose),
)
def test_any_refusal_has_a_recovery(
    status: int, headers: list[tuple[str, object]], body: bytes, purpose: Purpose
) -> None:
    assert isinstance(recovery(status, *headers, purpose=purpose, body=body).remedy, Remedy)
