"""Errors as text for users: a sentence, or a clause of a sentence."""

from __future__ import annotations


def sentence(error: BaseException) -> str:
    """Return an error as one sentence: never empty, never more than a line."""
    text = " ".join(str(error).split())
    return text or type(error).__name__


def clause(error: BaseException) -> str:
    """Return an error as a part of a sentence that goes on, or ends with a full stop of its own."""
    return sentence(error).removesuffix(".")
