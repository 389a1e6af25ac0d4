"""Whether a photograph or recording says where it was taken: coordinates that cameras write beside the picture."""

from __future__ import annotations

import re
import struct

_EXIF = re.compile(b"Exif\0\0|eXIf")  # in a JPEG, WebP or HEIC; in a PNG
MOST = 65_536  # bytes of one such record: the first list of entries stands at its beginning
_GPS = 0x8825  # the entry that leads to latitude and longitude
_ADOBE = b"GPSLatitude"  # the same as text (XMP)
_FILM = (b"\xa9xyz", b"com.apple.quicktime.location")  # in MP4 and MOV


def tells_place(content: bytes) -> bool:
    """Whether coordinates stand in a file's own records; of other kinds of files the answer is no."""
    if _ADOBE in content or any(mark in content for mark in _FILM):
        return True
    if content[:4] in (b"II*\0", b"MM\0*"):  # a TIFF is one such record
        return _leads_to_gps(content)
    return any(_leads_to_gps(content[found.end():found.end() + MOST]) for found in _EXIF.finditer(content))


def _leads_to_gps(record: bytes) -> bool:
    """Read the first list of entries (TIFF 6.0, section 2: byte order, 42, place of the list, then 12 bytes an entry)."""
    order = {b"II": "<", b"MM": ">"}.get(record[:2])
    if order is None:
        return False
    try:
        (start,) = struct.unpack_from(f"{order}L", record, 4)
        (count,) = struct.unpack_from(f"{order}H", record, start)
        return any(struct.unpack_from(f"{order}H", record, start + 2 + 12 * i)[0] == _GPS for i in range(count))
    except struct.error:
        return False
