"""What keeps libraries that see headers, addresses and queries from writing them into a log, whoever set it up."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

TALKATIVE = ("pydicom", "highdicom", "pynetdicom", "dicomweb_client", "urllib3")
NOTHING = logging.CRITICAL + 1


@contextmanager
def silenced() -> Iterator[None]:
    """Keeps these libraries from logging, in every thread; as talkative as before when the block ends."""
    loggers = [
        logger
        for name, logger in list(logging.root.manager.loggerDict.items())
        if isinstance(logger, logging.Logger) and name.partition(".")[0] in TALKATIVE and logger.level
    ]
    loggers += [logger for name in TALKATIVE if (logger := logging.getLogger(name)) not in loggers]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(NOTHING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
