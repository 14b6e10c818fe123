"""Text and bytes of a peer without the secrets in them, for traces, captures and logs."""

from __future__ import annotations

import re
from typing import Final

MASK: Final = b"***"

# One name stands for one secret: Digest responses prove a password to who collects them (RFC 7616 §5),
# `auts` and the cnonce belong to the same calculation, `ik` and `ck` are keys (TS 24.229 §7.2A.1), an
# access token is the user (RFC 6750), SDES and MIKEY lines carry media keys (RFC 4568, RFC 4567).
# An empty string is no secret, and says which step this is (TS 24.229 §5.1.1.2.2).
_PARAMETERS: Final = re.compile(
    rb"""(?<![A-Za-z0-9_\-])
    (response|rspauth|cnonce|auts|ik|ck|access_token)
    ([ \t]*+=[ \t]*+)
    (?!"")(?:"[^"\\\r\n]*+(?:\\.[^"\\\r\n]*+)*+"?|[^\s",;&<>]++)""",
    re.IGNORECASE | re.VERBOSE,
)
_BEARER: Final = re.compile(
    rb"(\b(?:Bearer|Basic)[ \t]++)(?![A-Za-z_\-]++[ \t]*+=[ \t]*+[\"A-Za-z])[A-Za-z0-9\-._~+/]++=*+", re.IGNORECASE
)
_MEDIA_KEYS: Final = re.compile(
    rb"(?m)^(a=crypto:[0-9]++[ \t]++\S++[ \t]++inline:|a=key-mgmt:mikey[ \t]++|a=ice-pwd:|k=\w++:)[^|\s;]++"
)
_URI_PASSWORD: Final = re.compile(rb"(\bsips?:[^\s:@<>\"]{1,128}+:)[^\s@<>\"\[\]]{1,128}+(?=@)", re.IGNORECASE)


_USERINFO: Final = re.compile(
    r"""(?<=//)[^/?#\s]*@  # RFC 3986 §3.2: userinfo ends with the last @ before a slash
    |(?<=//)[^/?#\s:@\[]*:(?![0-9]*[/?#])\S*@  # a password with a slash, which is no port
    |(\bsips?:)[^\s:@<>"]{1,256}+:\S{1,512}@
    |(?<![^\s'"=(,<])(?!(?:sips?|tel|urn|mailto):)[^\s:@/'"=(,<>]{1,256}+:(?!//)\S{1,512}@  # a URL that lacks //""",
    re.VERBOSE,
)


def mask_userinfo(text: str) -> str:
    """Return a text without the user names and passwords of the URLs in it (RFC 3986 §3.2.1), mistyped ones as well.

    >>> mask_userinfo("wss://alice:secret@ims.example/"), mask_userinfo("alice:secret@ims.example")
    ('wss://***@ims.example/', '***@ims.example')
    """
    return _USERINFO.sub(rf"\1{MASK.decode()}@", text)


def mask_secrets(data: bytes) -> bytes:
    """Return the bytes with every secret value replaced by asterisks; names stay.

    >>> mask_secrets(b'Authorization: Digest username="alice", response="6629fae4"')
    b'Authorization: Digest username="alice", response=***'
    """
    data = _BEARER.sub(rb"\1" + MASK, data)
    data = _PARAMETERS.sub(rb"\1\2" + MASK, data)
    data = _MEDIA_KEYS.sub(rb"\1" + MASK, data)
    return _URI_PASSWORD.sub(rb"\1" + MASK, data)


def masked(text: str) -> str:
    """Return text of a peer as it may stand in a log: without secrets, and in one line."""
    shown = mask_secrets(text.encode(errors="replace")).decode()
    return "".join(letter if letter.isprintable() else visible(letter) for letter in shown)


def visible(letter: str) -> str:
    """Return a control character as an escape that can be read."""
    return letter.encode("unicode_escape").decode()
