"""Every command in this process, against a network in another thread."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import wave

import pytest

from wic import __version__
from wic.errors import ConfigurationError, LocalProtocolError, MediaFailed
from wic.media import DataChannel

CALL_KEYS = {"outcome", "status", "reason", "call_id", "timings", "media", "channels", "emergency"}
MEDIA_KEYS = {"kind", "codec", "sent", "received", "lost", "jitter_ms", "mos"}


def test_the_version_and_the_commands(wic) -> None:
    assert wic("--version").stdout.strip() == f"wic, version {__version__}"
    text = wic("-h").stdout
    for command in ("demo", "network", "register", "call", "answer"):
        assert f"  {command} " in text
        assert "--help" in wic(command, "--help").stdout


@pytest.fixture
def ringing(lab):
    """Register a subscriber whose calls ring until the test ends."""
    clients = []

    def start(name):
        client = lab.client(name)
        lab.do(client.__aenter__())
        clients.append(client)

    yield start
    for client in clients:
        lab.do(client.__aexit__(None, None, None))


# register


def test_register_once(lab, wic) -> None:
    result = wic("register", "alice", "--accounts", lab.accounts, "--once", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert set(document) == {
        "state", "impu", "impi", "scheme", "algorithm", "expires", "service_route", "associated_uris", "pub_gruu", "timings", "messages_dropped",
    }  # fmt: skip
    assert (document["state"], document["impu"], document["scheme"]) == (
        "registered",
        "sip:alice@ims.example",
        "digest",
    )
    assert document["algorithm"] == "SHA-512-256"
    assert document["expires"] > 0
    assert set(document["timings"]) == {"connect_ms", "register_ms"}
    assert "deregistered" in result.stderr
    assert lab.contacts("alice") == []


def test_register_for_a_while_turns_calls_away(lab, wic) -> None:
    caller = lab.start(lab.call("bob", "alice"))
    result = wic("register", "alice", "--accounts", lab.accounts, "--for", "1.5")
    report, _ = caller.result(15)
    assert result.exit_code == 0, result.output
    assert "Registered sip:alice@ims.example" in result.stdout
    assert report.status == 480


def test_register_until_interrupted(lab, wic) -> None:
    watching = lab.start(lab.interrupt_when(lambda: bool(lab.network.hss.bindings("alice@ims.example", now=0)), 2))
    result = wic("register", "alice", "--accounts", lab.accounts)
    watching.result(10)
    assert result.exit_code == 3, result.output
    assert lab.contacts("alice") == []


def test_register_by_options(lab, wic, tmp_path) -> None:
    account = lab.client("alice").account
    secret = tmp_path / "secret"
    secret.write_text(account.password.reveal())
    secret.chmod(0o600)
    words = ("--server", account.server, "--impu", account.impu, "--ca", account.ca, "--password-file", secret)
    result = wic("register", *words, "--once", "--json", "--trace")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["impi"] == account.impi
    assert "REGISTER sip:ims.example SIP/2.0" in result.stderr
    assert account.password.reveal() not in result.output


# call


def test_call(lab, wic, answering, tmp_path, make_wav) -> None:
    bob = answering("bob")
    played = make_wav(tmp_path / "played.wav", 440, seconds=0.6)
    words = ("--play", played, "--record", tmp_path / "heard.wav", "--send", "hello", "--pcap", tmp_path / "x.pcapng")
    result = wic("call", "alice", "bob@ims.example", "--accounts", lab.accounts, "--json", *words)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert set(document) >= CALL_KEYS
    assert set(document["media"][0]) >= MEDIA_KEYS
    assert document["outcome"] == "completed"
    assert document["status"] == 200
    assert document["channels"] == [{"label": "chat", "protocol": "", "sent": 1, "received": 1}]
    assert "chat: hello yourself" in result.stderr
    assert bob.result(10).media[0].received > 10
    with wave.open(str(tmp_path / "heard.wav")) as heard:
        assert heard.getnframes() > 0
    capture = (tmp_path / "x.pcapng").read_bytes()
    for protocol in (b"sip", b"rtp", b"rtcp", b"sctp"):
        assert protocol in capture


def test_call_prints_text(lab, wic, answering) -> None:
    bob = answering("bob", seconds=0.3)
    result = wic("call", "alice", "sip:bob@ims.example", "--accounts", lab.accounts, "--duration", "20")
    assert result.exit_code == 0, result.output
    assert "Call with sip:bob@ims.example: completed (200): the other side hung up" in result.stdout
    assert "invite to first media" in result.stdout
    assert bob.result(10).outcome == "completed"


def test_a_rejected_call(lab, wic, answering, complaint) -> None:
    bob = answering("bob", reject=486)
    result = wic("call", "alice", "sip:bob@ims.example", "--accounts", lab.accounts, "--json")
    bob.result(10)
    assert "486" in complaint(result, code=1)
    assert json.loads(result.stdout)["outcome"] == "rejected"
    assert json.loads(result.stdout)["status"] == 486


def test_the_reason_of_a_failed_call_is_printed_once(lab, wic, complaint) -> None:
    result = wic("call", "alice", "unknown@ims.example", "--accounts", lab.accounts)
    assert result.stdout.splitlines() == ["Call with sip:unknown@ims.example: rejected (404)"]
    assert result.stderr.splitlines() == ["Error: The called user is not known (404 Not Found)."]
    assert result.exit_code == 1


@pytest.mark.parametrize(("options", "lines"), [((), 0), (("--channel", "x"), 1), (("--send", "hello"), 1)])
def test_a_data_channel_is_offered_only_if_it_is_asked_for(lab, wic, options, lines) -> None:
    result = wic("call", "alice", "unknown@ims.example", "--accounts", lab.accounts, "--trace", *options)
    assert result.stderr.count("\nm=audio ") == 1
    assert result.stderr.count("\nm=application ") == lines


def test_a_call_without_an_answer(lab, wic, complaint, ringing) -> None:
    ringing("bob")
    result = wic("call", "alice", "sip:bob@ims.example", "--accounts", lab.accounts, "--json", "--timeout", "1")
    assert "sip:bob@ims.example is ringing." in result.stderr
    assert "The call was not answered within 1 s" in complaint(result, code=1)
    document = json.loads(result.stdout)
    assert (document["outcome"], document["reason"]) == ("cancelled", "the call was not answered within 1 s")


def test_a_data_channel_that_cannot_be_used(lab, wic, answering, monkeypatch) -> None:
    from wic.client.channels import ChannelOpening
    from wic.errors import MediaFailed

    async def fail(self):
        raise MediaFailed("the peer is gone")

    bob = answering("bob")
    monkeypatch.setattr(ChannelOpening, "__aenter__", fail)
    result = wic(
        "call", "alice", "sip:bob@ims.example", "--accounts", lab.accounts, "--duration", "0.3", "--channel", "x"
    )
    bob.result(10)
    assert "The data channel x could not be used: the peer is gone." in result.stderr
    assert result.exit_code == 1


def test_a_text_that_the_other_side_does_not_take(lab, wic, answering, complaint, monkeypatch) -> None:
    async def refuse(self, message):
        raise LocalProtocolError("the peer takes 1 octet")

    bob = answering("bob")
    monkeypatch.setattr(DataChannel, "send", refuse)
    words = ("--send", "a", "--duration", "0.3", "--json")
    result = wic("call", "alice", "sip:bob@ims.example", "--accounts", lab.accounts, *words)
    bob.result(10)
    assert complaint(result, code=1) == "The data channel chat could not be used: the peer takes 1 octet."
    assert json.loads(result.stdout)["error"] == "MediaFailed"


def test_texts_that_the_end_of_the_call_left_unsent(lab, wic, answering, complaint, monkeypatch) -> None:
    from wic.client.channels import ChannelOpening

    async def wait(self):
        await asyncio.Event().wait()

    bob = answering("bob", seconds=0.2)
    monkeypatch.setattr(ChannelOpening, "__aenter__", wait)
    words = ("--send", "a", "--send", "b", "--json")
    result = wic("call", "alice", "sip:bob@ims.example", "--accounts", lab.accounts, *words)
    bob.result(10)
    assert complaint(result, code=1) == "2 of 2 texts were not sent before the call ended."
    document = json.loads(result.stdout)
    assert (document["outcome"], document["status"], document["error"]) == ("failed", 200, "MediaFailed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_answered_call_that_is_interrupted_ended_as_it_should(lab, wic, answering, number) -> None:
    bob = answering("bob")
    talking = lab.start(lab.interrupt_when(lab.talking.is_set, number))
    result = wic("call", "alice", "sip:bob@ims.example", "--accounts", lab.accounts, "--json")
    talking.result(10)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["outcome"] == "completed"
    bob.result(10)
    assert lab.contacts("alice") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_ringing_call_that_is_interrupted_is_given_up(lab, wic, ringing, number) -> None:
    ringing("bob")
    waiting = lab.start(lab.interrupt_when(lambda: lab.network.agw.contexts == 2, number))
    result = wic("call", "alice", "sip:bob@ims.example", "--accounts", lab.accounts, "--json")
    waiting.result(10)
    assert result.exit_code == 3, result.output
    document = json.loads(result.stdout)
    assert (document["outcome"], document["error"]) == ("cancelled", "CallCancelled")
    assert lab.contacts("alice") == []


# answer


def test_answer(lab, wic, tmp_path) -> None:
    async def twice():
        first = await lab.call("alice", "bob", text="hi")
        return first, await lab.call("alice", "bob", text="again")

    caller = lab.start(twice())
    words = ("--calls", "2", "--echo", "--record", tmp_path / "heard.wav")
    result = wic("answer", "bob", "--accounts", lab.accounts, "--json", *words)
    (first, answer), (second, _) = caller.result(15)
    assert result.exit_code == 0, result.output
    documents = [json.loads(line) for line in result.stdout.splitlines()]
    assert [document["outcome"] for document in documents] == ["completed", "completed"]
    assert all(set(document) >= CALL_KEYS for document in documents)
    assert documents[0]["direction"] == "incoming"
    assert answer == "hi"
    assert first.outcome == second.outcome == "completed"
    assert "chat: hi" in result.stderr
    assert (tmp_path / "heard.wav").stat().st_size > 44
    assert (tmp_path / "heard-2.wav").stat().st_size > 44
    assert lab.contacts("bob") == []


@pytest.mark.parametrize("error", [MediaFailed("the channel is closed"), LocalProtocolError("the peer takes 1 octet")])
def test_an_echo_that_the_caller_does_not_take_ends_no_call(lab, wic, monkeypatch, error) -> None:
    send = DataChannel.send

    async def refuse(self: DataChannel, message: str | bytes) -> None:
        if self.received:
            raise error
        await send(self, message)

    async def twice():
        return await asyncio.gather(*(lab.call("alice", "bob", text="hi", echo=False) for _ in range(2)))

    monkeypatch.setattr(DataChannel, "send", refuse)
    caller = lab.start(twice())
    result = wic("answer", "bob", "--accounts", lab.accounts, "--calls", "2", "--echo")
    assert [report.outcome for report, _ in caller.result(15)] == ["completed", "completed"]
    assert result.exit_code == 0, result.output
    assert result.stderr.lower().count(f"error: {error}.") == 2


def test_answer_plays_a_file(lab, wic, tmp_path, make_wav) -> None:
    caller = lab.start(lab.call("alice", "bob", text="hi", echo=False))
    played = make_wav(tmp_path / "played.wav", 440, seconds=0.1)
    result = wic("answer", "bob", "--accounts", lab.accounts, "--calls", "1", "--play", played, "--after", "0.1")
    report, _ = caller.result(15)
    assert result.exit_code == 0, result.output
    assert report.media[0].received > 5
    assert "Call with sip:alice@ims.example: completed (200):" in result.stdout


def test_an_identity_of_the_pool_is_shown(lab, wic) -> None:
    caller = lab.start(lab.call("alice", "guest-1"))
    words = ("--calls", "1", "--reject", "486", "--trace")
    result = wic("answer", "guest", "--accounts", lab.accounts, *words)
    caller.result(15)
    assert "sip:guest-1@ims.example is registered and waiting for calls." in result.stdout
    assert re.search(r"^[0-9-]+ [0-9:.]+ guest \[[0-9a-f]{8}\] >>> ", result.stderr, re.MULTILINE)


def test_answer_rejects_calls(lab, wic) -> None:
    caller = lab.start(lab.call("alice", "bob"))
    result = wic("answer", "bob", "--accounts", lab.accounts, "--calls", "1", "--reject", "486", "--json")
    report, _ = caller.result(15)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["outcome"] == "rejected"
    assert report.status == 486


def test_a_cancelled_call(lab, wic) -> None:
    async def give_up():
        async with lab.client("alice") as client:
            await lab.registered("bob")
            call = await client.call("sip:bob@ims.example")
            await call.ringing()
            await call.hangup()

    caller = lab.start(give_up())
    result = wic("answer", "bob", "--accounts", lab.accounts, "--calls", "1", "--after", "30", "--json")
    caller.result(15)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["outcome"] == "cancelled"


def test_an_answered_call_is_ended_and_reported_when_interrupted(lab, wic) -> None:
    caller = lab.start(lab.call("alice", "bob", seconds=60))
    talking = lab.start(lab.interrupt_when(lambda: lab.network.agw.contexts == 2, signal.SIGINT))
    result = wic("answer", "bob", "--accounts", lab.accounts, "--json")
    talking.result(10)
    caller.cancel()
    assert result.exit_code == 3, result.output
    call, end = map(json.loads, result.stdout.splitlines())
    assert call["outcome"] != "active"
    assert end["outcome"] == "interrupted"
    assert lab.contacts("bob") == []


# demo and network


def test_demo(wic, monkeypatch) -> None:
    monkeypatch.setattr("wic_cli.commands.demo.TALK", 0.5)
    result = wic("demo", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["outcome"] == "done"
    assert set(document["calls"]) == {"alice", "bob"}
    assert [each["impu"] for each in document["registrations"]] == ["sip:alice@ims.example", "sip:bob@ims.example"]
    assert [each["algorithm"] for each in document["registrations"]] == ["AKAv2-SHA-256", "SHA-512-256"]
    for label in ("REGISTER", "401 Unauthorized", "INVITE +SDP", "ACK", "BYE"):
        assert label in result.stderr
    assert "Two WICs registered" in result.stderr


def test_a_demo_without_a_text_from_the_other_side_has_failed(wic, monkeypatch) -> None:
    monkeypatch.setattr("wic_cli.commands.demo.TALK", 0)
    result = wic("demo", "--json")
    assert result.exit_code == 1, result.output
    assert json.loads(result.stdout)["error"] == "CallFailed"
    assert "The demo failed" in result.stderr


def test_network_up(lab, wic, tmp_path) -> None:
    directory = tmp_path / "ims"
    ready = lab.start(lab.interrupt_when((directory / "accounts.toml").exists, signal.SIGTERM))
    result = wic("network", "up", "--dir", directory, "--agw", "embedded", "--json")
    ready.result(10)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert set(document) == {"ready", "wss", "sip", "wwsf", "waf", "accounts", "ca"}
    assert document["ready"] is True
    assert document["wss"].startswith("wss://127.0.0.1:")
    assert document["accounts"] == str(directory / "accounts.toml")
    assert "The IMS network is running" in result.stderr


def test_network_up_accepts_tokens_of_third_party_wafs(wic, monkeypatch) -> None:
    chosen = []

    def network(options):
        chosen.append(options)
        raise ConfigurationError("the options are known")

    monkeypatch.setattr("wic_cli.commands.network.ImsNetwork", network)
    words = (
        "--domain",
        "home.example",
        "--third-party-waf",
        "https://a.example",
        "--third-party-waf",
        "https://b.example",
    )
    assert wic("network", "up", *words).exit_code == 2
    issuers = [(each.issuer, each.audience, each.third_party) for each in chosen[0].issuers]
    assert issuers == [
        ("https://a.example", "sip:home.example", True),
        ("https://b.example", "sip:home.example", True),
    ]


# subscribers


def test_subscribers_are_added_and_removed(lab, wic, tmp_path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("sesame")
    secret.chmod(0o600)
    there = ("--dir", lab.directory, "--json")
    added = wic("network", "subscriber", "add", "zoe", *there, "--tel", "tel:+4930123", "--password-file", secret)
    assert added.exit_code == 0, added.output
    assert json.loads(added.stdout) == {"impi": "zoe@ims.example", "impus": ["sip:zoe@ims.example", "tel:+4930123"]}
    assert "sesame" not in added.output
    # a running network sees the change at once
    assert wic("register", "zoe", "--accounts", lab.accounts, "--once").exit_code == 0
    client = lab.client("zoe")
    lab.do(client.__aenter__())
    rows = json.loads(wic("network", "subscriber", "list", *there).stdout)
    zoe = next(row for row in rows if row["impi"] == "zoe@ims.example")
    assert len(zoe["contacts"]) == 1
    lab.do(client.__aexit__(None, None, None))
    assert "zoe@ims.example" in wic("network", "subscriber", "list", "--dir", lab.directory).stdout
    removed = wic("network", "subscriber", "remove", "zoe", *there)
    assert json.loads(removed.stdout) == {"removed": "zoe@ims.example"}
    assert "zoe@" not in wic("network", "subscriber", "list", "--dir", lab.directory).stdout
