"""What this package wrote itself about an exam, and that no intake may take for a scanner's.

A report or a page that went to the archive comes back with the next export of its study. Its readings are those of the
pictures beside it, and its page is no picture of a liver.
"""

from __future__ import annotations

from typing import Any

from fibrostage.dicom.elements import text_of, value_of

MAKER = "fibrostage"  # Manufacturer
SCHEME = "99FIBROSTAGE"  # the designator of the codes of our own; private ones begin with 99 (PS3.16 section 8.2)


def is_own(dataset: Any) -> bool:
    """Whether this package wrote a file about an exam: it says so as its manufacturer, or declares our codes."""
    if text_of(dataset, "Manufacturer") == MAKER:
        return True
    schemes = value_of(dataset, "CodingSchemeIdentificationSequence")
    return any(text_of(item, "CodingSchemeDesignator") == SCHEME for item in schemes or ())
