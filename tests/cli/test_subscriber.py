"""`wic network subscriber`: every way to register, and orders to a running network."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
import tomllib
from pathlib import Path

import pytest

from wic.network import ImsNetwork, NetworkOptions
from wic.network.provisioning import Provisioning

# TS 35.208 §4.3.1
K, OP = "465b5ce8b199b49faa5f0a2ee238a6bc", "cdc202d5123e20f62b6d676ac72cb318"
OPC = "cd63cb71954a9f4e48a5994e37a02baf"


@pytest.fixture
def subscriber(lab, wic):
    """Run `wic network subscriber` and return its JSON document."""

    def run(*words: object) -> object:
        result = wic("network", "subscriber", *words, "--dir", lab.directory, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


@pytest.fixture
def key_file(tmp_path):
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text + "\n")
        path.chmod(0o600)
        return path

    return write


def account(lab, name: str) -> dict[str, object]:
    return tomllib.loads(Path(lab.accounts).read_text())["accounts"][name]


def listed(subscriber, impi: str) -> dict[str, object]:
    return next(row for row in subscriber("list") if row["impi"] == impi)


@pytest.fixture
def registered(lab):
    """Register clients until the test ends."""
    running = []

    def register(name: str):
        client = lab.client(name)
        lab.do(client.__aenter__())
        running.append(client)
        return client

    yield register
    for client in running:
        lab.do(client.__aexit__(None, None, None))


@pytest.mark.parametrize(("operator", "value"), [("op", OP), ("opc", OPC)])
def test_a_subscriber_with_a_usim(lab, subscriber, key_file, registered, operator, value) -> None:
    keys = ("--k-file", key_file("k", K), f"--{operator}-file", key_file(operator, value))
    name = f"card-{operator}"
    assert subscriber("add", name, "--auth", "aka", *keys)["impi"] == f"{name}@ims.example"
    entry = account(lab, name)
    assert (entry["auth"], entry["algorithm"], entry["k"], entry["opc"]) == ("aka", "AKAv2-SHA-256", K, OPC)
    client = registered(name)
    assert client.binding is not None
    row = listed(subscriber, f"{name}@ims.example")
    assert row["auth"] == ["aka"]
    assert len(row["contacts"]) == 1


def test_keys_are_generated(lab, subscriber, registered) -> None:
    subscriber("add", "fresh", "--auth", "aka", "--algorithm", "AKAv2-SHA-512-256")
    entry = account(lab, "fresh")
    assert len(entry["k"]) == len(entry["opc"]) == 32
    assert entry["algorithm"] == "AKAv2-SHA-512-256"
    registered("fresh")


def test_tuak(lab, subscriber, registered, key_file) -> None:
    keys = ("--k-file", key_file("k", K * 2), "--op-file", key_file("top", OP * 2))
    subscriber("add", "tuak", "--auth", "aka", "--usim", "tuak", *keys)
    assert account(lab, "tuak")["usim"] == "tuak"
    registered("tuak")


def test_keys_of_tuak_are_generated_too(lab, subscriber, registered) -> None:
    subscriber("add", "tauk", "--auth", "aka", "--usim", "tuak")
    assert account(lab, "tauk")["usim"] == "tuak"
    assert len(account(lab, "tauk")["opc"]) == 64
    registered("tauk")


def test_another_scheme_replaces_the_first(subscriber) -> None:
    subscriber("add", "fickle", "--auth", "aka")
    subscriber("add", "fickle", "--auth", "digest", "--algorithm", "SHA-256")
    assert listed(subscriber, "fickle@ims.example")["auth"] == ["digest"]
    subscriber("add", "fickle", "--auth", "aka")
    assert listed(subscriber, "fickle@ims.example")["auth"] == ["aka"]


def test_a_web_user(lab, subscriber, registered) -> None:
    subscriber("add", "webby", "--auth", "bearer")
    entry = account(lab, "webby")
    assert (entry["auth"], entry["client_id"]) == ("bearer", "webby-bot")
    assert tomllib.loads(Path(lab.accounts).read_text())["web_users"]["webby"]["password"]
    registered("webby")
    row = listed(subscriber, "webby@ims.example")
    assert row["auth"] == ["bearer"]
    assert len(row["contacts"]) == 1


def test_a_web_user_gets_an_account_to_sign_in_with(lab, wic) -> None:
    result = wic("network", "subscriber", "add", "tina", "--auth", "bearer", "--dir", lab.directory)
    assert ", and tina-in-person for `wic login`." in " ".join(result.output.split())
    entry = account(lab, "tina-in-person")
    assert entry["wwsf"] == lab.network.ready()["wwsf"]
    assert entry.keys() == {"server", "impu", "impi", "auth", "ca", "wwsf"}


def test_a_web_user_is_removed_from_everywhere(lab, subscriber) -> None:
    subscriber("add", "passing", "--auth", "bearer")
    subscriber("remove", "passing")
    assert "passing" not in Path(lab.accounts).read_text()


def test_a_pool_grows_and_shrinks(lab, subscriber) -> None:
    def pool() -> list[str]:
        async def look() -> list[str]:
            return [pair.impu for pair in lab.network.web.wwsf.store.pairs()]

        return lab.do(look())

    subscriber("add", "guest-9", "--pool")
    assert "sip:guest-9@ims.example" in pool()
    assert "guest-9" not in tomllib.loads(Path(lab.accounts).read_text())["accounts"]
    subscriber("remove", "guest-9")
    assert "sip:guest-9@ims.example" not in pool()


def test_identities_of_several_kinds(lab, subscriber) -> None:
    words = (
        "--barred",
        "--impu",
        "sip:known@ims.example",
        "--tel",
        "tel:+4930987",
        "--separate",
        "sip:own@ims.example",
    )
    added = subscriber("add", "many", *words)
    assert added["impus"] == [
        "sip:many@ims.example",
        "tel:+4930987",
        "sip:known@ims.example",
        "sip:own@ims.example",
    ]
    assert account(lab, "many")["impus"] == ["sip:own@ims.example"]

    async def look():
        return lab.network.hss.subscriber("many@ims.example").identities

    identities = lab.do(look())
    assert [(each.barred, each.registration_set) for each in identities] == [
        (True, 0),
        (False, 0),
        (False, 0),
        (False, 1),
    ]


def test_third_party_wafs_are_allowed_and_barred(lab, subscriber) -> None:
    subscriber("add", "choosy", "--allow-waf", "https://a.example", "--bar-waf", "https://b.example")

    async def look() -> list[bool]:
        hss = lab.network.hss
        return [hss.may_authorize("choosy@ims.example", f"https://{name}.example") for name in "abc"]

    assert lab.do(look()) == [True, False, False]


def test_a_deregistration_by_the_network(lab, subscriber, registered) -> None:
    registered("bob")
    told = subscriber("deregister", "bob", "--reason", "rejected")
    assert told == {"deregistered": "bob@ims.example", "reason": "rejected"}
    assert listed(subscriber, "bob@ims.example")["contacts"] == []


def bindings(lab, name: str):
    async def look():
        return lab.network.hss.bindings(f"{name}@ims.example", now=time.time())

    return lab.do(look())


def wait_for(holds) -> None:
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("auth", ["aka", "digest"])
def test_another_authentication(lab, subscriber, registered, auth) -> None:
    """TS 24.229 §5.4.1.6, §5.1.1.5A: the WIC registers again at half of the remaining time, and is challenged."""
    name = f"{auth}-proof"
    subscriber("add", name, "--auth", auth)
    registered(name)
    told = subscriber("reauthenticate", name, "--within", "2")
    assert told == {"reauthenticating": f"{name}@ims.example", "within": 2}
    (shortened,) = bindings(lab, name)
    assert shortened.prove
    wait_for(lambda: [each.prove for each in bindings(lab, name)] == [False])
    (proved,) = bindings(lab, name)
    assert proved.expires_at - time.time() > 1000


def test_a_wic_registers_again_when_its_binding_was_deactivated(lab, subscriber, registered) -> None:
    subscriber("add", "phoenix", "--auth", "aka")
    registered("phoenix")
    (before,) = bindings(lab, "phoenix")
    subscriber("deregister", "phoenix")
    wait_for(lambda: bindings(lab, "phoenix"))
    (after,) = bindings(lab, "phoenix")
    assert after.call_id != before.call_id


def test_a_registered_subscriber_is_deregistered_before_it_is_removed(lab, subscriber, registered) -> None:
    subscriber("add", "leaving")
    registered("leaving")
    assert subscriber("remove", "leaving") == {"removed": "leaving@ims.example"}


@pytest.mark.parametrize("words", [("deregister", "dave"), ("reauthenticate", "dave@ims.example")])
def test_a_subscriber_without_registration(lab, wic, complaint, words) -> None:
    result = wic("network", "subscriber", *words, "--dir", lab.directory)
    assert complaint(result, code=1) == "dave@ims.example is not registered."


def test_a_network_that_does_not_run(lab, wic, complaint, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("wic.network.provisioning._EXECUTED_WITHIN", 0.1)

    async def run_once() -> None:
        async with ImsNetwork(NetworkOptions(directory=tmp_path / "ims", insecure=True)):
            pass

    lab.do(run_once())
    there = ("--dir", tmp_path / "ims")
    told = complaint(wic("network", "subscriber", "deregister", "alice", *there), code=1)
    assert told.startswith("No S-CSCF has answered within 0.1 s: unless it runs, start it with `wic network up ")
    for words in (("--auth", "bearer"), ("--pool",)):
        told = complaint(wic("network", "subscriber", "add", "zoe", *words, *there), code=2)
        assert "has no WAF and no WWSF" in told
    assert wic("network", "subscriber", "remove", "bob", *there).exit_code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--barred",), "--barred leaves no identity to call with"),
        (("--k-file", "k"), "go with --auth aka"),
        (("--k-file", "k", "--pool"), "go with --auth aka, and not with --pool"),
        (("--count", "2", "--tel", "tel:+4930987"), "name the identities of one subscriber"),
        (("--auth", "bearer", "--algorithm", "MD5"), "--algorithm goes with --auth digest or aka"),
        (("--auth", "aka", "--k-file", "k"), "give --k-file, and --op-file or --opc-file"),
        (("--auth", "aka", "--opc-file", "k"), "give --k-file, and --op-file or --opc-file"),
        (("--auth", "aka", "--k-file", "k", "--opc-file", "missing"), "missing cannot be read"),
        (("--auth", "aka", "--k-file", "short", "--opc-file", "k"), "K has 32 hexadecimal digits, not 6"),
        (("--impu", "nonsense"), "nonsense"),
        (("--algorithm", "SHA-1"), "SHA-1"),
        (("--auth", "aka", "--algorithm", "SHA-256"), "'SHA-256' is not an AKA algorithm; choose among AKAv2"),
    ],
)
def test_options_that_exclude_each_other(lab, wic, complaint, key_file, monkeypatch, tmp_path, words, told) -> None:
    monkeypatch.chdir(tmp_path)
    key_file("k", K)
    key_file("short", "abcdef")
    assert told in complaint(wic("network", "subscriber", "add", "zoe", *words, "--dir", lab.directory), code=2)
    assert K not in told


def test_keys_are_only_in_the_accounts_file(lab, wic, key_file) -> None:
    keys = ("--k-file", key_file("k", K), "--opc-file", key_file("opc", OPC))
    result = wic("network", "subscriber", "add", "quiet", "--auth", "aka", *keys, "--dir", lab.directory)
    assert K not in result.output
    assert OPC not in result.output
    assert Path(lab.accounts).stat().st_mode & 0o777 == 0o600
    assert (lab.directory / "hss.sqlite").stat().st_mode & 0o777 == 0o600


def test_acknowledged_state_of_the_hss_outlives_kill_9(start_wic, tmp_path) -> None:
    directory = tmp_path / "ims"
    network = start_wic("network", "up", "--dir", directory, "--json")
    ready = json.loads(network.stdout.readline())
    phone = start_wic("register", "alice", "--accounts", ready["accounts"], "--json")
    assert json.loads(phone.stdout.readline())["scheme"] == "aka"

    def rows(query: str) -> list[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(directory / "hss.sqlite")) as database:
            return database.execute(query).fetchall()

    questions = (
        "SELECT impi, key, contact, cseq FROM binding",
        "SELECT call_id, impi FROM reg_event_subscription",
        "SELECT impi, sqn FROM usim WHERE sqn > 0",
    )
    # the WIC's own subscription, and the one of the eP-CSCF
    wait_for(lambda: len(rows(questions[1])) == 2)
    before = [rows(question) for question in questions]
    network.kill()
    network.wait(10)
    assert [rows(question) for question in questions] == before
    assert all(before)


def test_the_domain_is_that_of_the_network(tmp_path, lab) -> None:
    with Provisioning(lab.directory) as provisioning:
        assert provisioning.domain == NetworkOptions().domain


# many at once


def test_a_count_of_subscribers(lab, wic, subscriber, registered) -> None:
    added = subscriber("add", "many-of", "--count", "12")
    names = [f"many-of{number:04}" for number in range(1, 13)]
    assert (added["added"], added["accounts"]) == (12, lab.accounts)
    assert [each["name"] for each in added["subscribers"]] == names
    assert added["subscribers"][-1]["impus"] == ["sip:many-of0012@ims.example"]
    assert len({account(lab, name)["password"] for name in names}) == 12
    assert {f"{name}@ims.example" for name in names} <= {row["impi"] for row in subscriber("list")}
    registered("many-of0012")
    result = wic("network", "subscriber", "add", "usims", "--count", "2", "--auth", "aka", "--dir", lab.directory)
    said = " ".join(result.output.split())
    assert said.startswith("Added 2 subscribers, from sip:usims0001@ims.example to sip:usims0002@ims.example; ")
    assert account(lab, "usims0001")["k"] != account(lab, "usims0002")["k"]


def test_a_count_of_one(lab, wic) -> None:
    result = wic("network", "subscriber", "add", "lone", "--count", "1", "--dir", lab.directory)
    assert " ".join(result.output.split()) == (
        f"Added sip:lone0001@ims.example; the account lone0001 is in {lab.accounts}."
    )


ROWS = f"""\
name,auth,password,algorithm,k,opc,op,usim,tel,impu,separate,barred,pool,bar-waf
csv-plain
csv-word,digest,"pass, word",SHA-256,,,,,tel:+49777,sip:a.w@ims.example sip:b.w@ims.example,,yes

csv-card,aka,,,{K},{OPC},,milenage
csv-tuak,aka,,AKAv2-SHA-512-256,,,,tuak,,,sip:csv.own@ims.example
csv-web,bearer,secret of hers,,,,,,,,,no,no
csv-lent,,,,,,,,,,,,true,https://a.example https://b.example
"""


@pytest.fixture
def csv_file(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "users.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
        return path

    return write


def test_a_csv_file_with_subscribers_of_every_kind(lab, subscriber, csv_file, registered) -> None:
    added = subscriber("add", "--csv", csv_file(ROWS))
    assert added["added"] == 6
    assert added["subscribers"][1]["impus"] == [
        "sip:csv-word@ims.example",
        "tel:+49777",
        "sip:a.w@ims.example",
        "sip:b.w@ims.example",
    ]
    assert account(lab, "csv-plain")["auth"] == "digest"
    assert account(lab, "csv-word")["password"] == "pass, word"
    assert (account(lab, "csv-card")["k"], account(lab, "csv-card")["opc"]) == (K, OPC)
    assert account(lab, "csv-tuak")["usim"] == "tuak"
    assert account(lab, "csv-tuak")["impus"] == ["sip:csv.own@ims.example"]
    assert tomllib.loads(Path(lab.accounts).read_text())["web_users"]["csv-web"]["password"] == "secret of hers"
    assert "csv-lent" not in Path(lab.accounts).read_text()
    registered("csv-card")
    registered("csv-web")


def test_options_say_what_empty_cells_leave_open(lab, subscriber, csv_file) -> None:
    """As spreadsheets write it: with a mark of the byte order, semicolons, and CR LF."""
    rows = csv_file(b"\xef\xbb\xbfname;auth\r\ncell-own;digest\r\ncell-empty;\r\n")
    subscriber("add", "--csv", rows, "--auth", "aka")
    assert [account(lab, name)["auth"] for name in ("cell-own", "cell-empty")] == ["digest", "aka"]


@pytest.mark.parametrize("options", [("--auth", "aka"), ("--pool",)])
def test_a_password_without_use_is_refused(lab, wic, key_file, options) -> None:
    words = ("x", *options, "--password-file", key_file("word", "secret"), "--dir", lab.directory)
    result = wic("network", "subscriber", "add", *words)
    assert result.exit_code == 2
    assert "--password-file goes with --auth digest or bearer, and not with --pool." in result.stderr


def test_keys_for_those_rows_that_take_them(lab, subscriber, csv_file, key_file) -> None:
    """The cells of a row count before the options; OPc of a row replaces OP of the options."""
    rows = csv_file(f"name,auth,opc,pool\nkey-word,,,\nkey-card,aka,,\nkey-own,aka,{OPC[::-1]},\nkey-lent,aka,,yes\n")
    keys = ("--k-file", key_file("k", K), "--op-file", key_file("op", OP), "--algorithm", "SHA-256")
    subscriber("add", "--csv", rows, *keys)
    assert account(lab, "key-word")["auth"] == "digest"
    assert (account(lab, "key-card")["k"], account(lab, "key-card")["opc"]) == (K, OPC)
    assert account(lab, "key-card")["algorithm"] == "AKAv2-SHA-256"  # the option is for the rows with Digest
    assert (account(lab, "key-own")["k"], account(lab, "key-own")["opc"]) == (K, OPC[::-1])


def test_a_password_for_those_rows_that_take_one(lab, subscriber, csv_file, key_file) -> None:
    rows = csv_file("name,auth\nword-card,\nword-own,digest\n")
    subscriber("add", "--csv", rows, "--auth", "aka", "--password-file", key_file("word", "of all of them"))
    assert account(lab, "word-own")["password"] == "of all of them"
    assert account(lab, "word-card")["auth"] == "aka"


@pytest.mark.parametrize(
    ("rows", "line", "told"),
    [
        ("", None, "names no subscriber"),
        ("name\n\n", None, "names no subscriber"),
        ("names\nx\n", 1, "There is no column 'names'; did you mean 'name'?"),
        ("name,salary\nx,1\n", 1, "There is no column 'salary'; choose among name, auth,"),
        ("name,k,k\nx\n", 1, "The column 'k' stands there twice."),
        ("auth\naka\n", 1, "The column 'name' is missing"),
        ("name,auth\nfine,aka\n,aka\n", 3, "The name is missing."),
        ("name\nfine\n\nfine\n", 4, "fine stands in line 2 already."),
        ("name,tel\nfine,tel:+1\nx,tel:+(1)\n", 3, "tel:+1 stands in line 2 already."),
        ("name,impu\nfine,\nx,sip:fine@ims.example\n", 3, "sip:fine@ims.example stands in line 2 already."),
        (
            "name,impu\nfine,\nx,sip:alice@ims.example\n",
            3,
            "is an identity of the subscriber alice@ims.example already.",
        ),
        ("name,auth,k\nx,digest,abc\n", 2, "K, OP and OPc go with --auth aka"),
        ("name,auth\nfine,aka\nx,akka\n", 3, "auth is 'akka'; choose among digest, aka, bearer."),
        ("name,pool\nx,perhaps\n", 2, "pool is 'perhaps'; choose among yes, true, 1, no, false, 0."),
        ("name\nx,y\n", 2, "There are 2 cells below 1 columns."),
        ('name\nfine\n"x"y\n', 3, "This is not CSV: "),
        ('name\nfine\n"x\n', 3, "This is not CSV: "),
        ("name,tel\nfine,tel:+1\nx,49\n", 3, "'49' is not a public identity"),
        ("name,auth,k\nx,aka,abc\n", 2, "A USIM has K and one of OP and OPc"),
        ("name,auth,k,opc\nx,aka,abcd,abcd\n", 2, "K has 32 hexadecimal digits, not 4"),
        ("name,auth,password\nx,aka,abc\n", 2, "A password goes with auth digest or bearer."),
        ("name,algorithm\nx,SHA-1\n", 2, "'SHA-1' is not a Digest algorithm"),
        ("name,barred\nx,1\n", 2, "--barred leaves no identity to call with"),
        (b"name\n\xff\n", None, "is not UTF-8 text."),
    ],
)
def test_an_error_in_a_csv_file_has_its_line_and_adds_nothing(lab, wic, complaint, csv_file, rows, line, told) -> None:
    path, before = csv_file(rows), Path(lab.accounts).read_bytes()
    said = complaint(wic("network", "subscriber", "add", "--csv", path, "--dir", lab.directory), code=2)
    assert told in said
    assert line is None or said.startswith(f"{path}, line {line}: ")
    assert Path(lab.accounts).read_bytes() == before


def test_a_csv_file_may_be_a_pipe(subscriber) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"name\npiped-a\npiped-b\n")
    os.close(writing)
    assert subscriber("add", "--csv", f"/dev/fd/{reading}")["added"] == 2
    os.close(reading)


def test_a_csv_file_of_any_length_is_bounded(lab, wic, complaint, csv_file, monkeypatch) -> None:
    monkeypatch.setattr("wic_cli.subscriber_csv.MOST_SUBSCRIBERS", 2)
    words = ("network", "subscriber", "add", "--csv", csv_file("name\na\nb\nc\n"), "--dir", lab.directory)
    assert "line 4: At most 2 subscribers" in complaint(wic(*words), code=2)


def test_a_csv_file_that_others_can_read(lab, subscriber, csv_file, caplog) -> None:
    caplog.set_level("WARNING", "wic.accounts")  # which the other tests turn off
    path = csv_file("name,password\nshown,secret\nother\n")
    path.chmod(0o644)
    subscriber("add", "--csv", path)
    assert caplog.messages == [f"other users can read the secrets in {path}; chmod 600 it"]
    caplog.clear()
    path.write_text("name\nhidden\n")
    subscriber("add", "--csv", path)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "Give either NAME or --csv FILE."),
        (("zoe", "--csv", "users.csv"), "Give either NAME or --csv FILE."),
        (("--csv", "users.csv", "--count", "2"), "--count goes with NAME"),
        (("zoe", "--count", "0"), "--count"),
        (("zoe", "--count", "100001"), "--count"),
        (("--csv", "missing.csv"), "missing.csv cannot be read"),
    ],
)
def test_a_wrong_way_to_add_many(lab, wic, complaint, words, told) -> None:
    assert told in complaint(wic("network", "subscriber", "add", *words, "--dir", lab.directory), code=2)
