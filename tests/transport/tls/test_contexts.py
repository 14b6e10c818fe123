from __future__ import annotations

import os
import ssl

import pytest

from wic.errors import ConfigurationError
from wic.transport.tls import client_context, explain, server_context


def test_clients_verify(authority):
    context = client_context(ca=authority / "ca.pem")
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_one_context_serves_all_who_ask_for_the_same(authority):
    ca = authority / "renewed.pem"
    ca.write_bytes((authority / "ca.pem").read_bytes())
    os.utime(ca, (1, 1))
    context = client_context(ca=ca)
    assert client_context(ca=ca) is context
    assert client_context() is not context
    os.utime(ca, (2, 2))
    assert client_context(ca=ca) is not context


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda here: client_context(ca=here / "absent.pem"), "absent.pem cannot be read: No such file"),
        (lambda here: client_context(ca=here / "junk.pem"), "junk.pem does not hold PEM certificates"),
        (lambda here: server_context(certificate=here / "absent.pem"), "cannot be read: No such file"),
        (lambda here: server_context(certificate=here / "ca.pem"), "a PEM certificate with its private key"),
        (lambda here: server_context(certificate=here / "junk.pem"), "a PEM certificate with its private key"),
        (
            lambda here: server_context(certificate=here / "server.pem", key=here / "client.pem"),
            "a PEM certificate with its private key",
        ),
    ],
)
def test_unusable_files_are_the_users_mistake(authority, make, words):
    (authority / "junk.pem").write_text("junk")
    with pytest.raises(ConfigurationError, match=words):
        make(authority)


def named(reason: str | None) -> ssl.SSLError:
    error = ssl.SSLError(1, "text")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("WRONG_VERSION_NUMBER", "it does not speak TLS"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "it refused the TLS handshake: handshake failure"),
        ("TLSV1_ALERT_UNKNOWN_CA", "it refused the TLS handshake: unknown ca"),
        ("NO_PROTOCOLS_AVAILABLE", "TLS failed: no protocols available"),
        (None, "TLS failed: unknown error"),
    ],
)
def test_failures_in_words(reason, words):
    assert explain(named(reason)) == words


def test_an_unusual_certificate_fault_keeps_openssls_words():
    error = ssl.SSLCertVerificationError(1, "text")
    error.verify_code, error.verify_message = 24, "invalid CA certificate"
    assert explain(error) == "its certificate is refused: invalid CA certificate"
