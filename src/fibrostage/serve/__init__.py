"""A model that answers: over HTTP, and as a DICOM node that stages a study once it is complete and sends the report
back."""
