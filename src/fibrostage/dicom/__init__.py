"""What a DICOM file holds: header, regions, pixels, structured reports."""
