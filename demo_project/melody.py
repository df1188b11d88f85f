"""A melody as a WAV file that is nowhere: whatever is read of it is made just then.

Knows nothing of Django. It rises from the lowest note to the highest, so that it can be heard how
far on it is. The left ear hears the melody, the right one a second voice below it.

The format: http://soundfile.sapp.org/doc/WaveFormat/
"""

import array
import io
import math
import os
import struct
import sys
from collections.abc import Iterator
from functools import cache
from itertools import count, islice
from random import Random

SECONDS = 600
NOTES_PER_SECOND = 4
FRAMES_PER_SECOND = 44_100
FRAMES_PER_NOTE = FRAMES_PER_SECOND // NOTES_PER_SECOND
BYTES_PER_FRAME = 4
"""Two channels of 16 bits."""

NOTE_BYTES = FRAMES_PER_NOTE * BYTES_PER_FRAME
BYTES_PER_SECOND = FRAMES_PER_SECOND * BYTES_PER_FRAME
DATA_BYTES = SECONDS * BYTES_PER_SECOND

HEADER = struct.pack(
    "<4sI4s4sIHHIIHH4sI",
    *(b"RIFF", 36 + DATA_BYTES, b"WAVE", b"fmt ", 16),
    *(1, 2, FRAMES_PER_SECOND, BYTES_PER_SECOND, BYTES_PER_FRAME, 16),  # 1: PCM.
    *(b"data", DATA_BYTES),
)
SIZE = len(HEADER) + DATA_BYTES

LOWEST_HZ = 110.0
SCALE = (0, 2, 4, 7, 9)
"""Semitones of a major pentatonic: no two of them sound badly together."""
NOTES = 20
"""Four octaves of it."""


class MelodyFile(io.RawIOBase):
    """The file, open for reading. There may be any number of them."""

    name = "melody.wav"

    def __init__(self) -> None:
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: SIZE}
        self._position = max(bases[whence] + offset, 0)
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:
        room = memoryview(buffer)[: max(SIZE - self._position, 0)]
        filled = 0
        while filled < len(room):
            piece = piece_at(self._position)[: len(room) - filled]
            room[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._position += len(piece)
        return filled


def piece_at(position: int) -> memoryview:
    """Returns what the file has from there to the end of its header, or of the note."""
    if position < len(HEADER):
        return memoryview(HEADER)[position:]
    number, offset = divmod(position - len(HEADER), NOTE_BYTES)
    return memoryview(sound(melody()[number]))[offset:]


@cache
def melody() -> tuple[int, ...]:
    """Returns which note is played when: a walk of small steps that drifts upwards."""
    return tuple(islice(walk(Random("melody")), SECONDS * NOTES_PER_SECOND))


def walk(random: Random) -> Iterator[int]:
    note = 2.0
    for beat in count():
        drift = 2 + (NOTES - 3) * beat / (SECONDS * NOTES_PER_SECOND)
        note += random.choice((-2, -1, -1, 1, 1, 2)) + 0.2 * (drift - note)
        note = min(max(note, 0), NOTES - 1)
        yield round(note)


@cache
def sound(note: int) -> bytes:
    """Returns the frames of a note."""
    voices = plucked(note), plucked(max(note - 2, 0))
    samples = array.array("h", [sample for frame in zip(*voices, strict=True) for sample in frame])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


@cache
def plucked(note: int) -> list[int]:
    """Returns the samples of a string that is plucked: its higher tones end sooner."""
    octave, step = divmod(note, len(SCALE))
    hertz = LOWEST_HZ * 2 ** (octave + SCALE[step] / 12)
    return [round(12_000 * amplitude(n, hertz)) for n in range(FRAMES_PER_NOTE)]


def amplitude(frame: int, hertz: float) -> float:
    seconds = frame / FRAMES_PER_SECOND
    # It begins and ends in silence, or it would click.
    softly = min(1.0, seconds / 0.004, (FRAMES_PER_NOTE - frame) / FRAMES_PER_SECOND / 0.03)
    return softly * sum(
        math.sin(math.tau * hertz * tone * seconds) * math.exp(-4 * tone * seconds) / tone
        for tone in (1, 2, 3)
    )
