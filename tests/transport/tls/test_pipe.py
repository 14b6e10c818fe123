from __future__ import annotations

import ssl

import pytest

from wic.transport.tls import TlsPipe


def shake_hands(client: TlsPipe, server: TlsPipe) -> None:
    client.start()
    while not (client.established and server.established):
        assert server.receive(client.outgoing.read()) == b""
        assert client.receive(server.outgoing.read()) == b""


@pytest.fixture
def pipes(server_tls, client_tls):
    client, server = TlsPipe(client_tls, server_hostname="127.0.0.1"), TlsPipe(server_tls)
    shake_hands(client, server)
    return client, server


def test_bytes_pass_both_ways(pipes):
    client, server = pipes
    client.send(b"hello")
    wire = client.outgoing.read()
    assert b"hello" not in wire
    assert server.receive(wire) == b"hello"
    server.send(b"x" * 100_000)
    assert client.receive(server.outgoing.read()) == b"x" * 100_000


def test_bytes_come_in_pieces(pipes):
    client, server = pipes
    client.send(b"hello")
    wire = client.outgoing.read()
    assert b"".join(server.receive(wire[index : index + 1]) for index in range(len(wire))) == b"hello"


def test_an_end_is_heard(pipes):
    client, server = pipes
    client.send(b"last")
    client.finish()
    assert server.receive(client.outgoing.read()) == b"last"
    assert server.peer_closed
    server.send(b"still open this way")
    server.finish()
    client.receive(server.outgoing.read())


def test_an_end_before_the_handshake_is_harmless(client_tls):
    client = TlsPipe(client_tls, server_hostname="127.0.0.1")
    client.finish()
    assert not client.established


def test_tampered_bytes_are_refused(pipes):
    client, server = pipes
    client.send(b"hello")
    wire = bytearray(client.outgoing.read())
    wire[-1] ^= 1
    with pytest.raises(ssl.SSLError):
        server.receive(bytes(wire))


def test_garbage_is_refused(server_tls):
    with pytest.raises(ssl.SSLError):
        TlsPipe(server_tls).receive(b"GET / HTTP/1.1\r\n\r\n")


def test_a_wrong_name_is_refused(server_tls, client_tls):
    client, server = TlsPipe(client_tls, server_hostname="other.example"), TlsPipe(server_tls)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(client, server)
