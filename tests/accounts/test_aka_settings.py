from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.accounts import Account, AuthScheme
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

K = "465b5ce8b199b49faa5f0a2ee238a6bc"
OPC = "cd63cb71954a9f4e48a5994e37a02baf"


def test_a_usim_is_read(tmp_path: Path, aka_settings) -> None:
    account = Account.from_settings("x", aka_settings(), folder=tmp_path)
    assert account.auth is AuthScheme.AKA
    assert account.aka is not None
    assert account.aka.algorithm == "AKAv2-SHA-256"
    assert account.aka.accept == ("AKAv2-SHA-512-256", "AKAv2-SHA-256", "AKAv2-MD5", "AKAv1-MD5")
    assert account.aka.functions().name == "MILENAGE"


def test_every_setting_of_a_usim_can_be_chosen(tmp_path: Path, aka_settings) -> None:
    (tmp_path / "k").write_text(K + "\n")
    (tmp_path / "k").chmod(0o600)
    chosen = aka_settings(k=None, k_file="k", opc=None, op=OPC, amf="0000", algorithm="AKAv1-MD5", accept=["AKAv1-MD5"])
    account = Account.from_settings("x", chosen, folder=tmp_path)
    assert account.aka is not None
    assert account.aka.key == bytes.fromhex(K)
    assert account.aka.accept == ("AKAv1-MD5",)
    tuak = Account.from_settings("x", aka_settings(usim="tuak", opc=None, op="ab" * 32), folder=tmp_path)
    assert tuak.aka is not None
    assert tuak.aka.functions().name == "TUAK"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"k": K[:-2]}, "k has 32 hexadecimal digits, not 30"),
        ({"k": "z" * 32}, "k has to be written in hexadecimal digits"),
        ({"opc": "ab"}, "opc has 32 hexadecimal digits"),
        ({"opc": None}, "either 'op' or 'opc'"),
        ({"op": OPC}, "either 'op' or 'opc'"),
        ({"usim": "tuak"}, "opc has 64 hexadecimal digits"),
        ({"usim": "sim"}, '\'usim\' must be "milenage" or "tuak"'),
        ({"algorithm": "MD5"}, "'algorithm' takes AKAv2-SHA-512-256"),
        ({"accept": ["SHA-256"]}, "'accept' takes .* not 'SHA-256'"),
        ({"accept": "AKAv1-MD5"}, "'accept' must be a list of texts"),
        ({"accept": [""]}, "'accept' must be a list of texts"),
        ({"amf": "80"}, "'amf' must be four hexadecimal digits"),
        ({"k_env": "X"}, "more than one of k, k_env"),
        ({"password": "x"}, 'auth = "aka", but password is for auth = "digest"'),
        ({"token": "x"}, 'token is for auth = "bearer"'),
        ({"auth": "digest"}, 'auth = "digest", but k, opc is for auth = "aka"'),
    ],
)
def test_usims_that_cannot_work_are_refused(tmp_path: Path, aka_settings, changes, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        Account.from_settings("x", aka_settings(**changes), folder=tmp_path)
    assert "\n" not in str(caught.value)
    assert K not in str(caught.value)
    assert OPC not in str(caught.value)
