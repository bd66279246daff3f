"""Ultrasound image objects as a scanner writes them, full of what identifies a patient who never lived.

Names stand in the places where de-identification has to look: attributes, nested sequences, private tags, and (by
whoever made the frames) pixels. Comments say SIMULATED. UIDs follow from the patient, the day, the series and the
number, so the same picture is the same file each time.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import compress
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from fibrostage import SIMULATED
from fibrostage.dicom.simulated import mark
from fibrostage.dicom.sr_write import Stored
from fibrostage.ground.geometry import Rectangle

TISSUE, COLOUR_FLOW, GREY_BAR, COLOUR_BAR = 0x1, 0x2, 0xD, 0xE
SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg": JPEGBaseline8Bit,
    "jpeg2000": JPEG2000Lossless,
}
PALETTED = ("explicit", "implicit", "deflated", "rle")
JPEG_QUALITY = 90
Frames = NDArray[np.uint8] | Sequence[NDArray[np.uint8]]


class DrawnRegion(NamedTuple):
    """A region of the screen in pixels: its DrawnRegion Data Type (PS3.3 C.8.5.5.1.2) and, of tissue, its scale."""

    data_type: int
    x: int
    y: int
    w: int
    h: int
    mm_per_pixel: float | None = None

    @classmethod
    def at(cls, data_type: int, place: Rectangle, mm_per_pixel: float | None = None) -> DrawnRegion:
        """The region of a place on the screen."""
        return cls(data_type, place.x, place.y, place.width, place.height, mm_per_pixel)


def write_dicom(
    path: Path,
    frames: Frames,
    *,
    patient_name: str,
    patient_id: str,
    birth_date: str,
    study_date: str,
    series_description: str,
    manufacturer: str,
    model: str,
    sex: str = "",
    view: str | None = None,
    regions: Sequence[DrawnRegion] = (),
    syntax: str = "explicit",
    frame_time_ms: float = 40.0,
    burned_in: str | None = "YES",
    palette: bool = False,
    elastogram: bool = False,
    series: int = 1,
    number: int = 1,
) -> Stored:
    """Writes one image object and returns its UIDs.

    `frames` is one picture, grey [H, W] or colour [H, W, 3], or a sequence of several of one shape, which becomes a
    multi-frame object. Dates are YYYYMMDD. `syntax` is a key of SYNTAXES; `palette` stores colour as 256 table entries
    and goes with a syntax of PALETTED. Raises `ValueError` where the syntax is another.
    """
    if syntax not in SYNTAXES or (palette and syntax not in PALETTED):
        raise ValueError(f"syntax must be one of {', '.join(PALETTED if palette else SYNTAXES)}, got {syntax!r}")
    several = not isinstance(frames, np.ndarray)
    pictures = list(frames) if several else [np.asarray(frames)]
    data = Dataset()
    kind = UltrasoundMultiFrameImageStorage if several else UltrasoundImageStorage
    data.SOPClassUID = kind
    keys = [patient_id, study_date, series_description, str(series)]
    data.StudyInstanceUID = generate_uid(entropy_srcs=keys[:2])
    data.SeriesInstanceUID = generate_uid(entropy_srcs=keys)
    data.SOPInstanceUID = generate_uid(entropy_srcs=[*keys, str(number)])
    identify(data, patient_name, patient_id, birth_date, sex)
    describe(data, study_date, series_description, series, number)
    data.Manufacturer, data.ManufacturerModelName = manufacturer, model
    data.ImageType = ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0011" if elastogram else "0001"]
    data.UltrasoundColorDataPresent = int(elastogram)
    if view is not None:
        data.ViewName = view
    if burned_in is not None:
        data.BurnedInAnnotation = burned_in
    if regions:
        data.SequenceOfUltrasoundRegions = [region_item(region) for region in regions]
    if several:
        data.NumberOfFrames, data.FrameTime = len(pictures), f"{frame_time_ms:g}"
        data.FrameIncrementPointer = 0x00181063  # Frame Time
        data.CineRate = round(1000 / frame_time_ms)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    put_pixels(data, pictures, syntax, palette)
    mark(data)
    data.save_as(path, enforce_file_format=True)
    return Stored(str(data.StudyInstanceUID), str(data.SeriesInstanceUID), str(data.SOPInstanceUID), str(kind))


def identify(data: Dataset, patient_name: str, patient_id: str, birth_date: str, sex: str) -> None:
    """Plants who the patient is, once in each kind of place where real files have it."""
    data.SpecificCharacterSet = "ISO_IR 192"
    data.PatientName, data.PatientID, data.PatientBirthDate, data.PatientSex = patient_name, patient_id, birth_date, sex
    data.OtherPatientIDs = f"INS-{patient_id[::-1]}"
    data.PatientAddress = "12 Invented Lane, Nowhere"
    data.PatientTelephoneNumbers = "+00 555 0100"
    data.PatientComments = SIMULATED
    data.AccessionNumber = f"A{patient_id}"
    data.StudyID = f"S{patient_id[-4:]}"
    data.ReferringPhysicianName = "REFERRER^Rita^^Dr"
    data.PerformingPhysicianName = "PERFORMER^Paul^^Dr"
    data.OperatorsName = "OPERATOR^Olga"
    data.InstitutionName, data.InstitutionAddress = "Invented General Hospital", "1 Nowhere Street"
    data.StationName, data.DeviceSerialNumber = "US-ROOM-4", "SN-0042-7"
    data.RequestingPhysician = "REQUESTER^Ruth^^Dr"
    request = Dataset()
    request.RequestedProcedureDescription = f"Liver elastography {patient_name}"
    request.RequestedProcedureID = f"R{patient_id}"
    data.RequestAttributesSequence = [request]
    private = data.private_block(0x0099, "INVENTED SCANNER", create=True)
    private.add_new(0x01, "LO", f"{patient_name} {patient_id}")
    private.add_new(0x02, "LT", f"operator note: call {patient_name}")


def describe(data: Dataset, study_date: str, series_description: str, series: int, number: int) -> None:
    """Writes what the exam is: its modality, dates and times, and that it is simulated."""
    data.Modality = "US"
    data.StudyDate = data.SeriesDate = data.ContentDate = data.AcquisitionDate = study_date
    data.StudyTime, data.SeriesTime = "093000", f"0931{series % 60:02d}"
    data.ContentTime = data.AcquisitionTime = f"0932{number % 60:02d}"
    data.AcquisitionDateTime = f"{study_date}0932{number % 60:02d}"
    data.StudyDescription, data.SeriesDescription = "Ultrasound abdomen, elastography", series_description
    data.SeriesNumber, data.InstanceNumber = series, number
    data.BodyPartExamined = "LIVER"
    data.PatientOrientation = ""


def region_item(region: DrawnRegion) -> Dataset:
    """Makes one item of Sequence of Ultrasound Regions; its corners are inclusive."""
    item = Dataset()
    spatial = region.mm_per_pixel is not None
    item.RegionSpatialFormat = 1 if spatial else 0  # 2D, or none
    item.RegionDataType = region.data_type
    item.RegionFlags = 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = region.x, region.y
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = region.x + region.w - 1, region.y + region.h - 1
    unit = 3 if spatial else 0  # cm, or none
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = unit
    delta = region.mm_per_pixel / 10 if region.mm_per_pixel is not None else 1.0
    item.PhysicalDeltaX = item.PhysicalDeltaY = delta
    return item


def put_pixels(data: Dataset, pictures: list[NDArray[np.uint8]], syntax: str, palette: bool) -> None:
    """Stores pictures [H, W] or [H, W, 3] in the syntax, with the photometric interpretation it asks for."""
    colour = pictures[0].ndim == 3
    data.Rows, data.Columns = pictures[0].shape[:2]
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.SamplesPerPixel, data.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour and palette:
        pictures = put_palette(data, pictures)
    elif colour:
        data.PlanarConfiguration = 0
    data.LossyImageCompression = "01" if syntax == "jpeg" else "00"
    data.file_meta.TransferSyntaxUID = SYNTAXES[syntax]
    if syntax == "jpeg":
        data.PixelData = encapsulate([jpeg_of(picture) for picture in pictures])
        data["PixelData"].VR = "OB"
        data.LossyImageCompressionMethod = "ISO_10918_1"
        data.LossyImageCompressionRatio = f"{len(pictures) * pictures[0].nbytes / len(data.PixelData):.1f}"
        if colour:
            data.PhotometricInterpretation = "YBR_FULL_422"
    elif syntax in ("rle", "jpeg2000"):
        if syntax == "jpeg2000" and colour:
            data.PhotometricInterpretation = "YBR_RCT"  # the codec's own lossless transform of RGB
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian  # what it is until it is compressed
        stack = np.stack(pictures) if "NumberOfFrames" in data else pictures[0]
        compress(data, SYNTAXES[syntax], stack, generate_instance_uid=False)
    else:
        raw = b"".join(picture.tobytes() for picture in pictures)
        data.PixelData = raw + b"\0" * (len(raw) % 2)
        data["PixelData"].VR = "OW" if syntax == "implicit" else "OB"


def put_palette(data: Dataset, pictures: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Reduces colour pictures [H, W, 3] to one table of 256 entries, chosen for the first; returns indices [H, W]."""
    first = Image.fromarray(pictures[0]).quantize(256, dither=Image.Dither.NONE)
    table = np.zeros((256, 3), dtype=np.uint16)
    found = np.array(first.getpalette(), dtype=np.uint16).reshape(-1, 3)
    table[: len(found)] = found * 257  # 8 bits as 16
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "PALETTE COLOR"
    for channel, name in enumerate(("Red", "Green", "Blue")):
        setattr(data, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        data[f"{name}PaletteColorLookupTableDescriptor"].VR = "US"
        setattr(data, f"{name}PaletteColorLookupTableData", table[:, channel].astype("<u2").tobytes())
        data[f"{name}PaletteColorLookupTableData"].VR = "OW"
    rest = [Image.fromarray(frame).quantize(palette=first, dither=Image.Dither.NONE) for frame in pictures[1:]]
    return [np.asarray(image) for image in (first, *rest)]


def jpeg_of(frame: NDArray[np.uint8]) -> bytes:
    """Encodes a picture, grey [H, W] or colour [H, W, 3], as one baseline JPEG stream.

    Colour has its chroma at half resolution, as scanners store it.
    """
    file = io.BytesIO()
    options: dict[str, Any] = {"subsampling": "4:2:0"} if frame.ndim == 3 else {}
    Image.fromarray(frame).save(file, "JPEG", quality=JPEG_QUALITY, **options)
    return file.getvalue()
