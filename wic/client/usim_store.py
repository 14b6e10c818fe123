"""A soft USIM whose sequence numbers outlive the program, and are shared by programs of one account."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from wic.auth.usim import SoftUsim, UsimState
from wic.client.state import locked_now, state_directory, write_private
from wic.errors import ConfigurationError, UsimFailed

if TYPE_CHECKING:
    from pathlib import Path

    from wic.accounts import AkaSettings
    from wic.auth.usim import AkaResult

__all__ = ["StoredUsim"]

_MAX_FILE = 1 << 20


class StoredUsim:
    """A `Usim` that keeps what it must remember in a file of its user.

    The file is read, used and written again under a lock, so that two programs with the same USIM accept
    no challenge twice.
    """

    __slots__ = ("_amf", "_functions", "path")

    def __init__(self, impi: str, settings: AkaSettings, *, folder: Path | None = None) -> None:
        """Insert the USIM of a private identity; its state is in `folder`, by default `usim` in the state directory.

        Raises:
            ConfigurationError: what is stored cannot be read, or nothing can be stored.
        """
        self._functions = settings.functions()
        self._amf = bytes.fromhex(settings.amf) if settings.amf else None
        self.path = (folder or state_directory() / "usim") / f"{_name(impi, settings)}.json"
        with locked_now(self.path):  # errors show now rather than at the first challenge
            self._read()

    def authenticate(self, rand: bytes, autn: bytes) -> AkaResult:
        """Check a challenge of the network and answer it.

        Raises:
            MacFailure: the challenge was made with other keys.
            SynchronisationFailure: its SQN was used before, or is out of range.
            UsimFailed: the state cannot be kept, so that no challenge may be answered.
        """
        try:
            with locked_now(self.path):
                # `_write` runs within: the new SQN is on the disk before the answer leaves.
                usim = SoftUsim(self._functions, state=self._read(), on_change=self._write, amf=self._amf)
                return usim.authenticate(rand, autn)
        except ConfigurationError as error:
            raise UsimFailed(f"the USIM cannot remember its sequence number: {error}") from error

    def _read(self) -> UsimState:
        try:
            with self.path.open("rb") as file:
                text = file.read(_MAX_FILE).decode("ascii")
        except FileNotFoundError:  # a new USIM: it accepts any SQN
            return UsimState()
        except OSError as error:
            raise ConfigurationError(
                f"The state of the USIM in {self.path} cannot be read: {error.strerror}."
            ) from error
        except UnicodeDecodeError:
            text = ""  # damaged, as below
        try:
            return UsimState.from_json(text)
        except ConfigurationError:
            raise ConfigurationError(
                f"The state of the USIM in {self.path} is damaged; remove the file, and the network will be asked"
                " to resynchronise."
            ) from None

    def _write(self, state: UsimState) -> None:
        write_private(self.path, state.to_json().encode())

    def __repr__(self) -> str:
        return f"StoredUsim({self.path.name})"


def _name(impi: str, settings: AkaSettings) -> str:
    """Name a USIM by a hash of its identity and its key, which does not reveal the key."""
    return hmac.digest(settings.key, b"wic usim\0" + impi.encode(), hashlib.sha256).hex()[:32]
