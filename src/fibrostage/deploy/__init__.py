"""From a finished run to the next patient: the model that is handed over, and what is said of an exam, on a page and as
DICOM."""
