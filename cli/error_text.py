"""Errors as text for users: a sentence, or a clause of a sentence."""

from __future__ import annotations

import errno

import click

from wic.sip.masking import mask_userinfo

_USED_UP = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ENOSPC, errno.EDQUOT})
_HEAD, _TAIL = 600, 200
"""Characters that remain of an error that is longer, as one is that repeats a value of thousands of them."""


def sentence(error: BaseException) -> str:
    """Return an error as one sentence on one line, with a capital and a full stop; never empty."""
    text = with_capital(_line(error))
    return text if text.endswith((".", "?", "!", "…", "?)")) else f"{text}."


def clause(error: BaseException) -> str:
    """Return an error as a part of a sentence that goes on, or ends with a full stop of its own."""
    return _line(error).removesuffix(".")


def shortage(error: object) -> str | None:
    """Return the sentence about a resource of this machine that is used up; None for any other error."""
    return sentence(error) if isinstance(error, OSError) and error.errno in _USED_UP else None


def with_capital(text: str) -> str:
    """Begin a text with a capital, except where it begins with a name such as `ims.example` or `alice@ims.example`."""
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.isalpha() else text  # `capitalize` would change the rest too


def _line(error: BaseException) -> str:
    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    if isinstance(error, OSError) and error.strerror:  # without its number
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        if error.errno == errno.EMFILE:
            text = f"{text}; allow more with `ulimit -n`"
    elif isinstance(error, TimeoutError):
        text = text or "no answer came in time"
    line = mask_userinfo(" ".join(text.split()))  # before it is cut: a half of a URL would not be known as one
    if len(line) > _HEAD + _TAIL:
        line = f"{line[:_HEAD]}…{line[-_TAIL:]}"
    return line or type(error).__name__
