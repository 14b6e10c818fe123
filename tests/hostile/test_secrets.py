"""Secrets stay out of output, logs, traces, captures and reprs, in every scenario of registration."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import html
import http.cookiejar
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import tomllib
import traceback
import urllib.parse
import urllib.request
from base64 import b64decode, b64encode, urlsafe_b64encode
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from wic.auth import make_functions
from wic.client import Account, Client
from wic.errors import WicError
from wic.network import ImsNetwork

pytestmark = pytest.mark.timeout(90)  # for the record, on a busy machine

WIC = Path(sys.executable).with_name("wic")
JWT = re.compile(r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}")
LOUD = ("--log-level", "debug", "--trace")
ACCOUNTS = ("alice", "bob", "carol", "guest")


def forms_of(secret: str) -> set[str]:
    """Return the ways in which a secret may be written."""
    forms = {secret, urllib.parse.quote(secret), urllib.parse.quote_plus(secret), b64encode(secret.encode()).decode()}
    if re.fullmatch(r"([0-9a-fA-F]{2}){8,}", secret):
        octets = bytes.fromhex(secret)
        forms |= {secret.upper(), repr(octets)[2:-1], b64encode(octets).decode(), octets.decode("latin-1")}
        forms.add(str(list(octets)))
    return forms


def keys_of(account: dict[str, object], nonces: set[str]) -> dict[str, str]:
    """Return RES, CK, IK and AK of every challenge."""
    functions = make_functions("milenage", bytes.fromhex(str(account["k"])), opc=bytes.fromhex(str(account["opc"])))
    found = {}
    for nonce in nonces:
        values = functions.f2345(b64decode(nonce)[:16])
        found |= {f"{name} of {nonce}": value.hex() for name, value in zip(("RES", "CK", "IK"), values, strict=False)}
    return found


def secrets_of_accounts(directory: Path) -> dict[str, str]:
    """Return the secrets of an accounts file."""
    document = tomllib.loads((directory / "accounts.toml").read_text())
    return {
        f"{kind}.{name}.{key}": str(value)
        for kind, tables in document.items()
        for name, table in tables.items()
        for key, value in table.items()
        if key in ("password", "k", "op", "opc", "client_secret")
    }


def stored_tokens(state: Path) -> dict[str, str]:
    """Return the tokens that a client has stored."""
    return {
        f"{file.name}: {token[:6]}": token
        for file in state.rglob("*")
        if file.is_file()
        for token in re.findall(r'_token": "([^"]{20,})"', file.read_text(errors="replace"))
    }


@dataclass
class Browser:
    """A user's browser that signs in, and collects the secrets it meets."""

    ca: str
    password: str
    secrets: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.ca)),
            urllib.request.HTTPCookieProcessor(self._jar),
        )

    def open(self, url: str, **form: str) -> tuple[str, str]:
        data = urllib.parse.urlencode(form).encode() if form else None
        request = urllib.request.Request(url, data, headers={"Referer": url, "Origin": "null"} if form else {})
        request.remove_header("Origin")
        with self._opener.open(request, timeout=10) as answer:
            text, arrived = answer.read().decode(), answer.url
        for cookie in self._jar:
            if len(cookie.value or "") >= 16:
                self.secrets[f"cookie {cookie.name}"] = cookie.value or ""
        for value in (
            self.fields(text).get("csrf", ""),
            *urllib.parse.parse_qs(urllib.parse.urlsplit(arrived).query).get("code", []),
        ):
            if value:
                self.secrets[value] = value
        return text, arrived

    @staticmethod
    def fields(page: str) -> dict[str, str]:
        tags = re.findall(r"<input[^>]*>", page)
        pairs = [(re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)) for tag in tags]
        return {name[1]: html.unescape(value[1]) for name, value in pairs if name and value}

    def approve(self, url: str) -> None:
        """Sign in as carol, and approve every request for consent."""
        page, arrived = self.open(url)
        if 'name="password"' in page:
            page, arrived = self.open(arrived, **self.fields(page) | {"username": "carol", "password": self.password})
        if "user_code" in page:  # which the link has filled in
            page, arrived = self.open(arrived, **self.fields(page))
        if "decision" in page:
            self.open(arrived, **self.fields(page) | {"decision": "approve"})


@dataclass
class Record:
    """Output of all commands, and the secrets that must not be in it."""

    output: dict[str, bytes] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    challenges: set[str] = field(default_factory=set)
    """PKCE code challenges."""
    directory: Path = Path()
    state: Path = Path()


def wic(record: Record, name: str, folder: Path, *words: object) -> subprocess.Popen[str]:
    """Start a command with its output in files."""
    command = [str(WIC), *map(str, words), *LOUD, "--json"]
    if words[0] in ("register", "network"):
        command += ["--pcap", str(folder / f"{name}.pcapng")]
    environment = os.environ | {"XDG_STATE_HOME": str(record.state), "PYTHONASYNCIODEBUG": "1"}
    with (folder / f"{name}.out").open("wb") as out, (folder / f"{name}.err").open("wb") as err:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment)  # type: ignore[return-value]


def line_of(file: Path, process: subprocess.Popen[str]) -> dict[str, str]:
    """Wait for the first JSON line."""
    while b"\n" not in (data := file.read_bytes()):
        assert process.poll() is None, file.with_suffix(".err").read_text()
        time.sleep(0.02)
    return json.loads(data.partition(b"\n")[0])


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A network on the command line, and every way to register at it."""
    folder = tmp_path_factory.mktemp("secrets")
    record = Record(directory=folder / "ims", state=folder / "state")
    network = wic(record, "network", folder, "network", "up", "--dir", record.directory)
    try:
        ready = line_of(folder / "network.out", network)
        record.secrets |= secrets_of_accounts(record.directory)
        accounts = tomllib.loads((record.directory / "accounts.toml").read_text())
        browser = Browser(ready["ca"], accounts["web_users"]["carol"]["password"])
        in_person = ("carol-in-person", "--accounts", ready["accounts"])
        # Both at once, for the one with a device code waits for its polling interval.
        ways = ("--no-browser", "--device")
        logins = {way: wic(record, f"login{way}", folder, "login", *in_person, way) for way in ways}
        visits: dict[str, subprocess.Popen[str]] = {}
        for way, login in logins.items():
            asked = line_of(folder / f"login{way}.out", login)
            browser.approve(asked.get("url_with_code") or asked["url"])
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(asked["url"]).query)
            record.challenges |= {*query.get("code_challenge", [])}
            if not visits:
                visits |= {
                    name: wic(record, name, folder, "register", name, "--accounts", ready["accounts"], "--once")
                    for name in ACCOUNTS
                }
            assert login.wait(20) == 0, (folder / f"login{way}.err").read_text()
            record.secrets |= stored_tokens(record.state)
        visits["person"] = wic(record, "person", folder, "register", *in_person, "--once")
        for name, visit in visits.items():
            assert visit.wait(20) == 0, (folder / f"{name}.err").read_text()
        record.secrets |= stored_tokens(record.state) | browser.secrets
        network.send_signal(signal.SIGINT)
        network.wait(15)
    finally:
        network.kill()
        network.wait()
    record.output = {
        file.name: file.read_bytes() for file in folder.iterdir() if file.suffix in (".out", ".err", ".pcapng")
    }
    text = "\n".join(each.decode("latin-1") for each in record.output.values())
    nonces = {
        each for each in re.findall(r'nonce="([A-Za-z0-9+/]{43,44}=*)"', text) if len(b64decode(each + "==")) == 32
    }
    assert nonces, "alice got no challenge"
    record.secrets |= keys_of(accounts["accounts"]["alice"], nonces)
    return record


def test_the_record_is_complete(record: Record) -> None:
    kinds = " ".join(record.secrets)
    for each in ("alice.k", "alice.opc", "bob.password", "carol.client_secret", "cookie", "RES", "CK", "IK"):
        assert each in kinds
    assert stored_tokens(record.state)
    assert record.challenges
    assert b"Bearer ***" in record.output["carol.err"]
    assert all(len(each) > 1000 for name, each in record.output.items() if name.endswith((".err", ".pcapng")))


def test_no_secret_in_the_output(record: Record) -> None:
    found = {
        f"{name} in {file}"
        for file, data in record.output.items()
        for name, secret in record.secrets.items()
        for form in forms_of(secret)
        if form.encode("utf-8") in data or form.encode("latin-1", "replace") in data
    }
    assert not found


def test_no_token_in_the_output(record: Record) -> None:
    tokens = {file: JWT.findall(data.decode("latin-1")) for file, data in record.output.items()}
    assert not {file: found for file, found in tokens.items() if found}


def test_no_pkce_verifier_in_the_output(record: Record) -> None:
    for file, data in record.output.items():
        for word in {*re.findall(rb"[A-Za-z0-9._~-]{43,128}", data)}:
            challenge = urlsafe_b64encode(hashlib.sha256(word).digest()).decode().rstrip("=")
            assert challenge not in record.challenges, file


def test_no_error_in_the_output(record: Record) -> None:
    for file, data in record.output.items():
        assert not re.search(rb"(?m)^(ERROR|CRITICAL) |Handling failed|never retrieved", data), file


def test_files_are_for_their_owner(record: Record) -> None:
    """Only the certificate of the CA, which is public, is readable by others."""
    files = [path for root in (record.directory, record.state) for path in root.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"accounts.toml", "ca.key", "hss.sqlite", "waf.sqlite"}
    assert {path.name for path in files if path.stat().st_mode & 0o077} <= {"ca.pem"}
    assert record.directory.stat().st_mode & 0o077 == 0


async def test_no_secret_in_a_repr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No living object shows a secret in its repr while four clients are registered."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with ImsNetwork() as ims:
        seen: list[str] = []
        ims.on_message(lambda entity, now, direction, data, flow: seen.append(data.decode()))
        clients = [Client(Account.load(name, path=ims.accounts_path)) for name in ACCOUNTS]
        for client in clients:
            await client.__aenter__()
        secrets = secrets_of_accounts(ims.accounts_path.parent)
        text = "\n".join(seen)
        secrets |= {f"token {number}": token for number, token in enumerate({*JWT.findall(text)})}
        secrets |= {f"key {number}": key for number, key in enumerate({*re.findall(r'[ic]k="([0-9a-f]{32})"', text)})}
        assert {"token 0", "token 1", "key 0", "key 1"} <= secrets.keys()
        forms = {form for secret in secrets.values() for form in forms_of(secret)}
        found = set()
        looked_at = 0
        for each in gc.get_objects():
            if str(getattr(type(each), "__module__", "")).startswith("wic") and not isinstance(each, type):
                looked_at += 1
                shown = f"{each!r} {each!s}" if not isinstance(each, str) else repr(each)
                found |= {type(each).__name__ for form in forms if form in shown}
        assert looked_at > 500
        assert not found
        await asyncio.gather(*(client.__aexit__(None, None, None) for client in clients))


def test_errors_about_an_account_quote_no_secret(tmp_path: Path) -> None:
    """Errors and their causes name settings, and never quote their values."""
    secret = "5ec2e7-0f-alice"
    file = tmp_path / "accounts.toml"
    for line in (
        f'auth = "aka"\nk = "{secret}"\nopc = "{secret}"',
        f'auth = "aka"\nk = "{"ab" * 16}"\nop = "{secret}"',
        f'auth = "digest"\nk = "{secret}"\npassword = "{secret}"',
        f'auth = "bearer"\ntoken = "{secret} {secret}"\nwaf = "https://waf.example"',
        f'auth = "bearer"\nclient_secret = "{secret}"\nwaf = "nonsense"',
        f'password = ["{secret}"]',
        f'password = "{secret}',
        f"password = {secret}",
    ):
        file.touch(mode=0o600)
        file.write_text(f'[accounts.x]\nserver = "wss://x.example/"\nimpu = "sip:x@x.example"\nimpi = "x@x"\n{line}\n')
        with pytest.raises(WicError) as caught:
            Account.load("x", path=file)
        told = "".join(traceback.format_exception(caught.value, chain=True))
        # A traceback quotes lines of code, never of the file.
        assert secret not in told, line
