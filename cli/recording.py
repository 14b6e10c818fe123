"""Recording of a call into a WAV file that the user names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wic.errors import ConfigurationError
from wic.media import WavRecorder

from .failures import OutputFailed

if TYPE_CHECKING:
    from pathlib import Path


def open_recording(path: Path, *, force: bool, others: dict[str, Path | None]) -> WavRecorder:
    """Return a recorder for a file, which is made with the first sound.

    Args:
        path: the file of `--record`.
        force: replace a file that exists.
        others: files that the command uses otherwise, by their options; none of them is ever replaced.

    Raises:
        ConfigurationError: the file exists, is used otherwise, or cannot be written.
    """
    for option, other in others.items():
        if other is not None and _is_same(path, other):
            raise ConfigurationError(f"Cannot record to {path}: it is the file of {option}.")
    if not force and os.path.isfile(path):
        raise ConfigurationError(f"{path} exists already: name another file, or replace it with --force.")
    return WavRecorder(path, overwrite=force)


def _is_same(path: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file, by links or otherwise."""
    try:
        return path.samefile(other)
    except OSError:  # one of them is not there yet
        return path.absolute() == other.absolute()


def fault_of(recorder: WavRecorder) -> OutputFailed | None:
    """Return the reason for which a recording is not complete; None if it is."""
    return None if recorder.failure is None else OutputFailed.of(recorder.path, recorder.failure)
