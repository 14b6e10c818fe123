"""Files replaced in one step."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["replace_file"]


def replace_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace a file in one step: a reader, and a crash, finds the old contents or the new ones.

    Args:
        path: the file.
        data: its new contents.
        mode: its permissions; by default only its owner may read it.

    Raises:
        OSError: it cannot be written.
    """
    # In the same directory, hence on the same file system: rename(2) is one step only there.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # before there are contents to read
            file.write(data)
            file.flush()
            os.fsync(descriptor)  # a rename that outlives a power failure must not name an empty file
        draft.replace(path)
    except BaseException:
        with suppress(OSError):  # the first error counts
            draft.unlink()
        raise
