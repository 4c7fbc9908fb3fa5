"""Small images as PNG within a page: eight bits of red, green, blue and opacity for each pixel.

PNG specification, third edition (W3C, 2025), sections 5 and 9 to 11.
"""

import base64
import struct
import zlib
from typing import Any

import numpy as np

from whygrad.nn.functions import Array


def ink(share: Array, colour: str) -> Array:
    """Return pixels of one colour, as opaque as `share` says, from 0 to 1: (height, width, 4)."""
    pixels = np.empty((*share.shape, 4), np.uint8)
    pixels[..., :3] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    pixels[..., 3] = np.rint(255 * np.clip(np.nan_to_num(share, nan=0.0), 0, 1))
    return pixels


def signed_ink(share: Array, positive: str, negative: str) -> Array:
    """Return pixels of two colours, by sign."""
    above, below = ink(share, positive), ink(-share, negative)
    return np.where((share < 0)[..., None], below, above)


def data_uri(pixels: Array) -> str:
    """Write pixels (height, width, 4) of bytes as the address of a PNG."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(pixels, np.uint8))
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data)
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    )
    return "data:image/png;base64," + base64.b64encode(file).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def scale_of(values: Any) -> float:
    """Return the largest size among the finite numbers, or 1 where all are 0."""
    sizes = np.abs(np.asarray(values, float))
    sizes = sizes[np.isfinite(sizes)]
    return float(sizes.max(initial=0.0)) or 1.0
