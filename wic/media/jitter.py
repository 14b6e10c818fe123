"""Jitter buffer: packets are put back in order and in time before they are decoded."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from wic.media.pcm import FRAME_MS

if TYPE_CHECKING:
    from wic.media.codecs import AudioCodec

MIN_DELAY_MS = 20.0
MAX_DELAY_MS = 200.0
"""Bounds of the delay that the buffer adds on purpose."""

MAX_PACKETS = 64
"""Packets kept at most, for any timestamps."""

MAX_GAP_MS = 1000.0
"""A hole in the timestamps longer than this is a new beginning, not a loss."""

_HALF = 1 << 31
_MASK = 0xFFFFFFFF


class JitterBuffer:
    """Buffer that takes payloads as they arrive and gives PCM at the pace of the clock.

    The delay follows the jitter of the stream: twice its mean, between 20 and 200 ms. A hole is
    filled with the frame before it, quieter each time; a burst that makes the delay grow is
    shortened again, one frame at a time.
    """

    def __init__(self, codec: AudioCodec) -> None:
        self.late = 0
        """Packets that came after their time."""
        self.concealed = 0
        """Frames that replaced packets which did not come in time."""
        self.undecodable = 0
        """Payloads that are not of the codec."""
        self._decoder = codec.decoder()
        self._clock_rate = codec.clock_rate
        self._frame_clock = codec.frame_clock
        self._frame_octets = codec.frame_octets
        self._rate = codec.rate
        self._packets: dict[int, bytes] = {}  # by unwrapped timestamp
        self._reference: int | None = None  # unwrapped timestamp of the last packet put
        self._position: int | None = None  # of the next sound; None while filling
        self._covered = 0  # up to where sound was given out
        self._last = b""
        self._holes = 0
        self._ahead = 0

    @property
    def delay_ms(self) -> float:
        """Sound in the buffer, in milliseconds."""
        if self._position is None or not self._packets:
            return 0.0
        return max(0.0, 1000.0 * (max(self._packets) + self._frame_clock - self._position) / self._clock_rate)

    def reset(self) -> None:
        """Begin anew with the next packet, as for a new source."""
        self._packets.clear()
        self._reference = self._position = None
        self._last = b""
        self._holes = self._ahead = 0

    def put(self, timestamp: int, payload: bytes) -> None:
        """Keep one payload."""
        unwrapped = self._unwrap(timestamp)
        if self._position is not None and unwrapped < self._position:
            if self._position - unwrapped > MAX_GAP_MS * self._clock_rate / 1000:
                self.reset()  # the sender turned its clock back
            else:
                self.late += 1  # its place is past, and was concealed
                return
        if len(self._packets) >= MAX_PACKETS:  # the oldest goes: sound that is late already
            del self._packets[min(self._packets)]
        self._packets[unwrapped] = payload

    def next_frames(self, jitter_ms: float) -> bytes:
        """Give the sound of this tick: nothing while filling, 20 ms as a rule."""
        # Twice the mean deviation covers nearly all packets of a normal path; less is heard as gaps, more as delay.
        target = min(max(2.0 * jitter_ms, MIN_DELAY_MS), MAX_DELAY_MS)
        if self._position is None:
            self._position = self._begin(target)
        if self._position is None:
            return b""
        position = self._catch_up(self._position, target)
        end = position + self._frame_clock
        due = sorted(timestamp for timestamp in self._packets if timestamp < end)
        if due:
            self._position = end
            return b"".join(self._decode(timestamp) for timestamp in due)
        if self._covered >= end:  # packets of more than 20 ms
            self._position = end
            return b""
        if not self._packets:
            # After three holes in a row the peer has most likely stopped: the buffer fills again when it goes on.
            self._position = None if self._holes >= 3 else end
            return self._conceal()
        if min(self._packets) - end > MAX_GAP_MS * self._clock_rate / 1000:
            # The sender paused, or jumped ahead: the next packet is a beginning, not a packet that is early.
            self._position = None
            return b""
        self._position = end
        return self._conceal()

    def _begin(self, target: float) -> int | None:
        """Return the position of the first sound, once enough of it is kept; None while filling."""
        if not self._packets:
            return None
        first = min(self._packets)
        kept = 1000.0 * (max(self._packets) + self._frame_clock - first) / self._clock_rate
        if kept < target + FRAME_MS:  # the frame that is given out now does not delay
            return None
        self._covered = first
        self._holes = self._ahead = 0
        return first

    def _catch_up(self, position: int, target: float) -> int:
        """Return the next position: one frame ahead after half a second in which the delay was well above its target."""
        self._ahead = self._ahead + 1 if self.delay_ms > target + 3 * FRAME_MS else 0
        if self._ahead < 25:  # ticks; a burst that is over by then is worth no cut in the sound
            return position
        self._ahead = 0
        position += self._frame_clock
        for timestamp in [timestamp for timestamp in self._packets if timestamp < position]:
            del self._packets[timestamp]
        return position

    def _decode(self, timestamp: int) -> bytes:
        samples = self._decoder.decode(self._packets.pop(timestamp))
        if samples is None:  # a hole to the listener
            self.undecodable += 1
            return self._conceal()
        self._holes = 0
        self._covered = timestamp + len(samples) // 2 * self._clock_rate // self._rate
        self._last = samples or self._last
        return samples

    def _conceal(self) -> bytes:
        """Repeat the last frame, 6 dB quieter each time, then fall silent."""
        self.concealed += 1
        self._holes += 1
        if self._holes > 3 or not self._last:
            return bytes(self._frame_octets)
        samples = array("h", self._last[: self._frame_octets].ljust(self._frame_octets, b"\x00"))
        return array("h", [sample >> self._holes for sample in samples]).tobytes()

    def _unwrap(self, timestamp: int) -> int:
        if self._reference is None:
            self._reference = timestamp
        else:
            ahead = (timestamp - self._reference) & _MASK  # RFC 3550 §5.1: the timestamp wraps at 32 bits
            self._reference += ahead if ahead < _HALF else ahead - _MASK - 1
        return self._reference
