"""Whether a transfer syntax can be decoded here, and in words what to do where it cannot."""

from __future__ import annotations

from contextlib import suppress

from fibrostage.dicom.jpeg_xl import JPEG_XL
from fibrostage.ground.errors import UnreadableImageError

with suppress(ImportError):  # the extra [dicom]
    import pydicom
    from pydicom.pixels.decoders.base import get_decoder

NAMES = {
    "1.2.840.10008.1.2.4.201": "HTJ2K, lossless",
    "1.2.840.10008.1.2.4.202": "HTJ2K, lossless, by resolution",
    "1.2.840.10008.1.2.4.203": "HTJ2K",
}  # what people call formats whose full names they would not know again
OTHERWISE = 'write the file again uncompressed, as "gdcmconv --raw IN OUT" and "dcmdjpeg IN OUT" do for what they read'


def name_of(syntax: str) -> str:
    """A transfer syntax's name and UID; of one that the standard does not have, the UID."""
    name = NAMES.get(syntax, pydicom.uid.UID(syntax).name)
    return f"transfer syntax {syntax}" if name == syntax else f"{name} (transfer syntax {syntax})"


def check_decoder(syntax: str) -> None:
    """Raises `UnreadableImageError` where nothing here decodes a transfer syntax, with its name and what to do.

    JPEG XL has a decoder of its own, which says so itself.
    """
    if syntax in JPEG_XL:
        return
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise UnreadableImageError(f"{name_of(syntax)} has no decoder here: {OTHERWISE}") from None
    if not decoder.is_available:
        raise UnreadableImageError(
            f"{name_of(syntax)} has no decoder here: install fibrostage with its extra [dicom], or {OTHERWISE}"
        )
