"""Services that several files of tests ask."""

from tests.serve.rest_service import other_service, screens, service, started, station

__all__ = ["other_service", "screens", "service", "started", "station"]
