"""A few real media files, made here and put into the bucket by rclone."""

from __future__ import annotations

import hashlib
import math
import struct
import wave
from pathlib import Path

from sandbox import commands, inside, toolchain
from sandbox.credentials import B2_APPLICATION_KEY, B2_BUCKET, B2_KEY_ID
from sandbox.errors import SandboxError
from sandbox.paths import STATE

_RATE = 22_050  # samples a second
_TRACKS = {
    "Music/The Sines/Slow Waves/01 Concert Pitch.wav": (440.0, 10),
    "Music/The Sines/Slow Waves/02 Middle C.wav": (261.6, 10),
    "Audiobooks/A. Tone/One Note, Unabridged.wav": (110.0, 60),
}
"""Path in the bucket: the pitch in Hz and the length in seconds."""


def make(state: Path = STATE) -> dict[str, str]:
    """Make the files, unless they are there; return the SHA-256 of each, by its path in the bucket."""
    sums = {}
    for name, (pitch, seconds) in _TRACKS.items():
        path = state / "media" / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
            _tone(path, pitch, seconds)
        sums[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return sums


def _tone(path: Path, pitch: float, seconds: int) -> None:
    second = b"".join(
        struct.pack("<h", int(12_000 * math.sin(2 * math.pi * pitch * sample / _RATE)))
        for sample in range(_RATE)
    )
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_RATE)
        sound.writeframes(second * seconds)


def upload(state: Path = STATE) -> None:
    """Put the files into the bucket; what is there already stays.

    Raises:
        SandboxError: rclone failed; the message has what it said.
    """
    environment = {
        **inside.environment(state),
        "RCLONE_CONFIG_B2_TYPE": "b2",
        "RCLONE_CONFIG_B2_ACCOUNT": B2_KEY_ID,
        "RCLONE_CONFIG_B2_KEY": B2_APPLICATION_KEY,
    }
    rclone = [str(toolchain.locations().rclone), "--config", "/dev/null", "copy"]
    done = commands.run(
        inside.command([*rclone, str(state / "media"), f"b2:{B2_BUCKET}"], state),
        environment=environment,
        seconds=600,
    )
    if done.returncode != 0:
        raise SandboxError(f"rclone could not fill the bucket:\n{done.stderr.decode()}")
