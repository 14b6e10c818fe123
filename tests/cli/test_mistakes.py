"""Mistakes of users: one sentence that says what to change, the right exit code, no traceback."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import errno
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import time

import pytest
import trustme

from tests.cli.conftest import WIC
from tests.support.ports import refusing_port, six_free_ports
from wic.client import Account

DOMAIN = "ims.example"


@pytest.fixture
def account(lab, tmp_path):
    """Write an accounts file with alice's account, changed."""

    def write(**changes: object) -> str:
        alice = Account.load("alice", lab.accounts)
        settings = {
            "server": alice.server,
            "impu": alice.impu,
            "impi": alice.impi,
            "auth": "digest",
            "password": alice.password.reveal(),
            "ca": str(alice.ca),
        } | changes
        lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items() if value is not None]
        file = tmp_path / "accounts.toml"
        file.write_text("\n".join(["[accounts.alice]", *lines, ""]))
        file.chmod(0o600)
        return str(file)

    return write


@pytest.fixture
def serve(lab):
    """Run a TCP server beside the command that sends the same bytes to every client."""
    servers = []

    def start(words: bytes = b"", context: ssl.SSLContext | None = None) -> int:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                await reader.read(100)
                writer.write(words)
                await writer.drain()
                writer.close()
                await writer.wait_closed()

        server = lab.do(asyncio.start_server(talk, "127.0.0.1", 0, ssl=context))
        servers.append(server)
        return server.sockets[0].getsockname()[1]

    yield start

    async def stop() -> None:
        for server in servers:
            server.close()
            await server.wait_closed()

    lab.do(stop())


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


# the connection to the network


def test_a_refused_port(account, wic, complaint) -> None:
    with refusing_port() as port:
        file = account(server=f"wss://127.0.0.1:{port}/")
        for words in (("register", "alice", "--once"), ("call", "alice", "bob@ims.example"), ("answer", "alice")):
            result = wic(*words, "--accounts", file, "--json")
            assert complaint(result, code=1) == f"127.0.0.1 refuses connections to port {port}; nothing listens there."


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", f"{'a' * 64}.example", ".invalid"])
def test_an_unknown_host(account, wic, complaint, host) -> None:
    result = wic("register", "alice", "--accounts", account(server=f"wss://{host}/"))
    assert complaint(result, code=1) == f"The host {host} is not known."


def certificate(kind: str, ca: trustme.CA) -> trustme.LeafCert:
    now = datetime.datetime.now(datetime.UTC)
    if kind == "expired":
        old = {"not_before": now - datetime.timedelta(30), "not_after": now - datetime.timedelta(1)}
        return ca.issue_cert("127.0.0.1", **old)
    return ca.issue_cert("other.example" if kind == "for another host" else "127.0.0.1")


@pytest.mark.parametrize(
    ("kind", "told"),
    [("untrusted", "trusted|unknown|self-signed"), ("expired", "expired"), ("for another host", "127[.]0[.]0[.]1")],
)
def test_a_certificate_that_is_not_valid(account, wic, complaint, serve, tmp_path, kind, told) -> None:
    authority = trustme.CA()
    ca = tmp_path / "ca.pem"
    (trustme.CA() if kind == "untrusted" else authority).cert_pem.write_to_path(str(ca))
    port = serve(b"", context_of(certificate(kind, authority)))
    result = wic("register", "alice", "--accounts", account(server=f"wss://127.0.0.1:{port}/", ca=str(ca)))
    sentence = complaint(result, code=1)
    assert re.search(told, sentence), sentence
    assert "certificate" in sentence


@pytest.mark.parametrize(
    "words",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"",
    ],
)
def test_a_server_without_websocket(account, wic, complaint, serve, words) -> None:
    port = serve(words)
    file = account(server=f"ws://127.0.0.1:{port}/", insecure=True, ca=None)
    assert str(port) in complaint(wic("register", "alice", "--accounts", file), code=1)


def test_a_server_without_tls(account, wic, complaint, serve) -> None:
    port = serve(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert "TLS" in complaint(
        wic("register", "alice", "--accounts", account(server=f"wss://127.0.0.1:{port}/")), code=1
    )


def test_a_ca_file_without_a_certificate(account, wic, complaint, tmp_path) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("no certificate")
    for ca in (rubbish, tmp_path / "missing.pem"):
        assert ca.name in complaint(wic("register", "alice", "--accounts", account(ca=str(ca))), code=2)


# accounts


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "There is no accounts file"),
        ("[accounts", "is not valid TOML"),
        ("accounts = 3", "must be a table"),
        ("[accounts.bob]\n", "has no account named 'alice'; it has: bob"),
        ("[accounts.alice]\nserver = 3", "'server' must be a text"),
        ('[accounts.alice]\nserver = "wss://x/"', "needs 'impu'"),
        ('[accounts.alice]\nserver = "http://x/"\nimpu = "sip:a@b"\nimpi = "a"\npassword = "p"', "wss://"),
        ('[accounts.alice]\nserver = "ws://x/"\nimpu = "sip:a@b"\nimpi = "a"\npassword = "p"', "insecure"),
        ('[accounts.alice]\nauth = "aka"', "needs 'k'"),
        (
            '[accounts.alice]\nserver = "wss://x/"\nimpu = "sip:a@b"\nimpi = "a"\nsecret = "p"',
            "unknown settings: secret",
        ),
    ],
)
def test_an_accounts_file_that_cannot_be_used(wic, complaint, tmp_path, content, told) -> None:
    file = tmp_path / "accounts.toml"
    if content is not None:
        file.write_text(content)
        file.chmod(0o600)
    result = wic("register", "alice", "--accounts", file, "--json")
    assert told in complaint(result, code=2)


def test_an_accounts_file_that_cannot_be_read(wic, complaint, tmp_path) -> None:
    assert "Is a directory" in complaint(wic("register", "alice", "--accounts", tmp_path), code=2)
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    assert "is not UTF-8 text" in complaint(wic("register", "alice", "--accounts", tmp_path / "x"), code=2)


def test_a_wrong_password_gets_one_honest_retry(lab, account, wic, complaint) -> None:
    seen: list[bytes] = []
    lab.network.on_message(
        lambda entity, now, direction, data, flow: seen.append(data) if entity == "eP-CSCF" else None
    )
    result = wic("register", "alice", "--accounts", account(password="wrong"), "--json")
    assert "check the private identity and the password" in complaint(result, code=1)
    tried = [data for data in seen if data.startswith(b"REGISTER") and b"Path:" not in data]
    # TS 24.229 §5.1.1.2.2: the first one carries an empty response, and only one more follows.
    assert [b'response=""' in data for data in tried] == [True, False]
    assert "wrong" not in result.stderr


def test_an_unknown_subscriber(account, wic, complaint) -> None:
    file = account(impi=f"unknown@{DOMAIN}", impu=f"sip:unknown@{DOMAIN}")
    assert complaint(wic("register", "alice", "--accounts", file), code=1)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--server", "wss://x/"), "--impu"),
        (("--server", "wss://x/", "--impu", "sip:a@b"), "--password-file"),
        (("--server", "wss://x/", "--impu", "sip:a@b", "--password-file", "missing"), "missing cannot be read"),
        (("--server", "http://x/", "--impu", "sip:a@b"), "'server' must look like wss://host:port/"),
        (("--server", "wss://u:hush@x/", "--impu", "sip:a@b"), "not 'wss://***@x/'"),
        (("--server", "wss://u:hush@x/", "--auth", "bearer", "--set", "pool=anonymous"), "'wss://***@x/'"),
        (("--server", "wss://x/", "--impu", "nonsense", "--auth", "bearer"), "--auth bearer needs"),
        (("alice", "--server", "wss://x/"), "give either ACCOUNT or --server, not both"),
        ((), "expected ACCOUNT"),
        (("alice", "--once", "--for", "3"), "exclude each other"),
    ],
)
def test_options_that_describe_no_account(wic, complaint, tmp_path, monkeypatch, words, told) -> None:
    monkeypatch.chdir(tmp_path)
    result = wic("register", *words)
    assert told in complaint(result, code=2)
    assert "hush" not in result.output


# calls


@pytest.mark.parametrize("target", ["unknown@ims.example", "sip:bob@ims.example", "tel:+1999"])
def test_a_target_that_cannot_be_reached(lab, wic, complaint, target) -> None:
    """One is no subscriber, one is not registered, one is a number without subscriber."""
    result = wic("call", "alice", target, "--accounts", lab.accounts, "--json")
    assert re.search(r"404|480|604", complaint(result, code=1))
    document = json.loads(result.stdout)
    assert document["outcome"] == "rejected"
    assert document["status"] in (404, 480, 604)


@pytest.mark.parametrize("target", ["", "bob", "http://bob@x", "sip:", "sip:b\nob@x", "\udcff@x"])
def test_a_target_that_is_no_uri(lab, wic, complaint, target) -> None:
    result = wic("call", "alice", target, "--accounts", lab.accounts, "--json")
    assert "write sip:user@domain" in complaint(result, code=2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("call",), "expected ACCOUNT TARGET"),
        (("call", "alice"), "expected ACCOUNT TARGET"),
        (("answer",), "expected ACCOUNT"),
        (("answer", "alice", "--echo", "--reject", "486"), "exclude each other"),
        (("call", "alice", "bob@x", "--duration", "-1"), "--duration"),
        (("call", "alice", "bob@x", "--duration", "long"), "write a number of at least 0, not 'long'."),
        (("call", "alice", "bob@x", "--duration", "nan"), "write a number of at least 0, not 'nan'."),
        (("answer", "alice", "--calls", "1.5"), "write a whole number of at least 1, not '1.5'."),
        (("answer", "alice", "--calls", "-1"), "'--calls': write a whole number of at least 1, not '-1'."),
        (("answer", "alice", "--after", "-0.5"), "'--after': write a number of at least 0"),
        (("network", "up", "--guests", "-5"), "'--guests': write a whole number from 0 to 1000, not '-5'."),
        (("network", "up", "--port-base", "0"), "from 1 to 65530, not '0'."),
        (("answer", "alice", "--reject", "200"), "--reject"),
        (
            ("register", "alice", "--trace", "raw"),
            "Unexpected argument 'raw': expected ACCOUNT; --trace takes no value.",
        ),
        (
            ("register", "--trace", "raw", "--json", "alice"),
            "'alice': expected ACCOUNT; --json and --trace take no value.",
        ),
        (("network", "up", "--trace", "raw"), "Unexpected argument 'raw'; --trace takes no value."),
        (("register", "alice", "--trace=raw"), "Option '--trace' does not take a value."),
        (("demo", "a", "b"), "Unexpected argument 'a b'."),
        (("register", "alice", "wss://u:hush@x/"), "Unexpected argument 'wss://***@x/'"),
        (("register", "--accounts"), "requires an argument"),
        (("registry",), "No such command"),
    ],
)
def test_missing_and_wrong_arguments(wic, complaint, words, told) -> None:
    assert told in complaint(wic(*words), code=2)


def test_a_wav_file_that_cannot_be_played(lab, wic, complaint, tmp_path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF\x00\x00rubbish")
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "folder.wav").mkdir()
    for name in ("broken.wav", "empty.wav", "folder.wav", "missing.wav"):
        for words in (("call", "alice", "bob@ims.example"), ("answer", "alice")):
            result = wic(*words, "--accounts", lab.accounts, "--play", tmp_path / name, "--json")
            assert name in complaint(result, code=2)


@pytest.mark.parametrize("option", ["--record", "--pcap"])
def test_a_file_that_cannot_be_written(lab, wic, complaint, tmp_path, option) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "missing" / "x", tmp_path / "file" / "x"):
        for words in (("call", "alice", "bob@ims.example"), ("answer", "alice")):
            result = wic(*words, "--accounts", lab.accounts, option, place)
            assert str(place) in complaint(result, code=2).replace("\n", "")


# the network


def test_a_taken_port(wic, complaint, tmp_path) -> None:
    port = six_free_ports()
    with socket.create_server(("127.0.0.1", port)):
        result = wic("network", "up", "--port-base", port, "--dir", tmp_path / "ims", "--json")
    assert f"Port {port} on 127.0.0.1 is taken" in complaint(result, code=2)


def test_a_directory_that_cannot_be_used(wic, complaint, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        assert str(place) in complaint(wic("network", "up", "--dir", place), code=2)


@pytest.mark.parametrize(
    ("name", "content"), [("ca.pem", "x"), ("hss.sqlite", "no database " * 99), ("accounts.toml", "[")]
)
def test_a_directory_with_broken_files(wic, complaint, tmp_path, name, content) -> None:
    (tmp_path / "ca.key").write_text("x")
    (tmp_path / name).write_text(content)
    if name != "ca.pem":
        (tmp_path / "ca.key").unlink()
    assert complaint(wic("network", "up", "--dir", tmp_path), code=2)


def test_a_core_or_host_that_cannot_be_used(wic, complaint) -> None:
    assert "sip:HOST:PORT" in complaint(wic("network", "up", "--core", "nonsense"), code=2)
    assert complaint(wic("network", "up", "--host", "192.0.2.1"), code=2)
    assert "'ims..example'" in complaint(wic("network", "up", "--core", "sip:ims..example"), code=2)


@pytest.mark.parametrize("option", ["--domain", "--name", "--host"])
@pytest.mark.parametrize("name", ["ims example", "", "bücher.example", "ims..example", "a" * 64])
def test_a_domain_or_host_name_that_cannot_be_one(wic, complaint, option, name) -> None:
    assert f"{name!r} is not a" in complaint(wic("network", "up", option, name), code=2)


def test_an_address_with_a_port_is_none(wic, complaint) -> None:
    assert "'127.0.0.1:80' is not an address" in complaint(wic("network", "up", "--host", "127.0.0.1:80"), code=2)


def test_a_name_that_no_certificate_can_have(wic, complaint) -> None:
    assert "No certificate can name" in complaint(wic("network", "up", "--name", "_ims.example"), code=2)


@pytest.mark.parametrize(
    "origin", ["https://wwsf.example/", "wwsf.example", "https://WWSF.example", "https://a..b", "https://u@x", "*", ""]
)
def test_an_origin_in_another_form_than_browsers_send(wic, complaint, origin) -> None:
    assert "https://HOST:PORT" in complaint(wic("network", "up", "--origin", origin), code=2)


@pytest.mark.parametrize(
    "issuer",
    ["http://waf.example", "https://a..b", "https://u:p@waf.example", "https://a?b", "https://a#", "waf.example", ""],
)
@pytest.mark.parametrize(
    "words",
    [
        ("network", "up", "--third-party-waf"),
        ("network", "subscriber", "add", "zoe", "--dir", "LAB", "--allow-waf"),
        ("network", "subscriber", "add", "zoe", "--dir", "LAB", "--bar-waf"),
    ],
    ids=" ".join,
)
def test_a_third_party_waf_that_cannot_be_one(lab, wic, complaint, words, issuer) -> None:
    words = [str(lab.directory) if word == "LAB" else word for word in words]
    assert "write https://HOST" in complaint(wic(*words, issuer), code=2)


def test_an_agw_that_this_version_lacks(wic) -> None:
    result = wic("network", "up", "--agw", "rtpengine:127.0.0.1:2223")
    assert result.exit_code == 2
    assert "embedded" in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("list",), "Missing option '--dir'"),
        (("list", "--dir", "missing"), "does not exist"),
        (("list", "--dir", "."), "holds no network yet"),
        (("add", "--dir", "."), "Give either NAME or --csv FILE"),
    ],
)
def test_subscribers_of_no_network(wic, complaint, tmp_path, monkeypatch, words, told) -> None:
    monkeypatch.chdir(tmp_path)
    assert told in complaint(wic("network", "subscriber", *words), code=2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("deregister", "bob", "--retry-after", "30"), "--retry-after goes with --reason probation"),
        (("remove", "mallory"), "The network has no subscriber mallory@ims.example; it has"),
        (("add", "b ob"), "'b ob' is not a name: write letters, digits, '.', '-', '_' and '+'"),
        (("add", ""), "'' is not a name: write letters"),
        (("add", "%41"), "'%41' is not a name: write letters"),
        (("add", "@ims.example"), "'@ims.example' is not a name: write letters"),
        (("add", "zoe@ims.example"), "of a whole identity, write zoe only"),
        (("add", "sip:zoe@ims.example"), "of a whole identity, write zoe only"),
        (("add", "zoe", "--impu", "sip:x@ims.example:28101"), "write sip:x@ims.example"),
        (("add", "zoe", "--impu", "sip:x:y@ims.example"), "write sip:x@ims.example"),
        (("add", "zoe", "--impu", "sip:x@ims.example;lr"), "write sip:x@ims.example"),
        (("add", "zoe", "--impu", "sip:x@ims.example?a=b"), "write sip:x@ims.example"),
        (("add", "zoe", "--impu", "sip:ims.example"), "write sip:user@domain"),
        (("add", "zoe", "--impu", "tel:+49;ext=1"), "write tel:+49"),
        (("add", "zoe", "--impu", "sip:x@y", "--separate", "sip:x@y"), "either by itself or with others"),
        (("add", "zoe", "--tel", "nonsense"), "nonsense"),
        (
            ("add", "zoe", "--tel", "tel:123"),
            "'tel:123' is not a public identity: write sip:user@domain or tel:+number",
        ),
        (("add", "zoe", "--impu", "tel:abc"), "'tel:abc' is not a public identity"),
        (("add", "zoe", "--separate", "tel:+"), "'tel:+' is not a public identity"),
        (
            ("add", "zoe", "--impu", "sip:%61lice@IMS.example."),
            "sip:alice@ims.example is an identity of the subscriber",
        ),
        (("add", "zoe", "--password-file", "missing"), "missing cannot be read"),
    ],
)
def test_a_subscriber_that_cannot_be_made(lab, wic, complaint, words, told) -> None:
    assert told in complaint(wic("network", "subscriber", *words, "--dir", lab.directory), code=2)


# the outermost frame


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            RuntimeError("unheard of"),
            "unheard of (RuntimeError): this is a fault in wic; --log-level debug shows where.",
        ),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files; allow more with `ulimit -n`."),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "Cannot allocate memory."),
        (OSError(errno.ENOSPC, "No space left on device", "/tmp/x"), "/tmp/x: No space left on device."),
        (FileNotFoundError("No usable temporary directory found"), "No usable temporary directory found."),
        (TimeoutError(), "No answer came in time."),
    ],
    ids=["fault", "descriptors", "memory", "disk", "no number", "time"],
)
def test_an_unexpected_error_is_one_sentence_too(monkeypatch, capsys, caplog, error, told) -> None:
    from wic_cli import app

    def broken(**_: object) -> None:
        raise error

    caplog.set_level("DEBUG", "wic_cli.app")
    monkeypatch.setattr(app, "cli", broken)
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"Error: {told}\n"
    assert [each.exc_info[1] for each in caplog.records] == [error]  # the debug log shows where


@pytest.mark.parametrize("words", [("register", "alice"), ("--help",)])
@pytest.mark.parametrize("error", [KeyboardInterrupt, EOFError])
def test_ctrl_c_before_the_command_begins(wic, monkeypatch, error, words) -> None:
    """Commands are imported on demand, and ask for passwords, before they handle signals themselves."""

    def interrupted(*_: object) -> None:
        raise error

    monkeypatch.setattr("wic_cli.app.import_module", interrupted)
    result = wic(*words)
    assert (result.exit_code, result.stdout, result.stderr.strip()) == (3, "", "")


def test_a_closed_pipe(start_wic) -> None:
    process = start_wic("register", "--help")
    process.stdout.close()
    assert process.wait(15) in (0, 1)
    assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize("more", ["", "--json"])
def test_a_stream_that_is_closed_from_the_start(lab, closed, more) -> None:
    command = f"exec {WIC} network subscriber list --dir {lab.directory} {more} {closed}"
    ended = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 0
    assert "Error" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_standard_streams_that_are_all_closed_get_descriptors_of_their_own() -> None:
    """Else the next socket would be the standard error of a C library or of the browser."""
    shown = "sys.exit(sum(os.fstat(number).st_rdev == os.stat(os.devnull).st_rdev for number in range(3)))"
    code = f"import os, sys; from wic_cli import app; app.cli = lambda **_: {shown}; app.main()"
    ended = subprocess.run(["/bin/sh", "-c", f'"{sys.executable}" -c "{code}" <&- >&- 2>&-'], timeout=30, check=False)
    assert ended.returncode == 3


# processes that are ended from outside


def ready(process) -> dict[str, str]:
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return json.loads(line)


def test_a_network_that_is_killed_comes_back(start_wic, lab, tmp_path, wic) -> None:
    directory = tmp_path / "ims"
    words = ("network", "up", "--dir", directory, "--json")
    first = start_wic(*words, "--port-base", six_free_ports())
    before = ready(first)
    wic("network", "subscriber", "add", "zoe", "--dir", directory)
    staying = start_wic("register", "zoe", "--accounts", before["accounts"], "--json")
    assert ready(staying)["state"] == "registered"

    first.kill()
    first.wait(10)
    after = ready(start_wic(*words))
    assert after["wss"] == before["wss"]
    rows = json.loads(wic("network", "subscriber", "list", "--dir", directory, "--json").stdout)
    zoe = next(row for row in rows if row["impi"] == "zoe@ims.example")
    assert len(zoe["contacts"]) == 1
    said = next(line for line in staying.stderr if "was lost" in line)
    assert "next attempt" in said or "retrying" in said  # the wait is random
    staying.send_signal(signal.SIGINT)  # while it waits or reconnects
    assert staying.wait(15) == 3
    assert "Traceback" not in staying.stderr.read()
    assert wic("register", "zoe", "--accounts", after["accounts"], "--once").exit_code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_registration_ends_with_its_process(start_wic, lab, number) -> None:
    process = start_wic("register", "carol", "--accounts", lab.accounts, "--json")
    assert ready(process)["state"] == "registered"
    assert len(lab.contacts("carol")) == 1
    process.send_signal(number)
    assert process.wait(15) == 3
    assert lab.contacts("carol") == []
    assert "Traceback" not in process.stderr.read()


def test_a_call_ends_with_its_process(start_wic, lab) -> None:
    """Both sides are interrupted, the caller first: each prints its report, and deregisters."""
    called = start_wic("answer", "dave", "--accounts", lab.accounts, "--json")
    lab.do(lab.registered("dave"))
    calling = start_wic("call", "eve", "sip:dave@ims.example", "--accounts", lab.accounts, "--json")
    deadline = time.monotonic() + 15
    while lab.network.agw.contexts < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    calling.send_signal(signal.SIGINT)
    code = calling.wait(15)
    assert code == {"completed": 0, "cancelled": 3}[json.loads(calling.stdout.read())["outcome"]]
    assert ready(called)["direction"] == "incoming"
    called.send_signal(signal.SIGINT)
    assert called.wait(15) == 3
    assert lab.contacts("dave") == lab.contacts("eve") == []
    assert lab.network.agw.contexts == 0


def test_a_pipe_gets_plain_text(start_wic, lab) -> None:
    process = start_wic("register", "carol", "--accounts", lab.accounts, "--once")
    out, err = process.communicate(timeout=15)
    assert process.returncode == 0, err
    assert "\x1b" not in out + err
    assert "Registered sip:carol@ims.example" in out
