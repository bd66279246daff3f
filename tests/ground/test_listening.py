"""Nobody else is listened for in the clear."""

from __future__ import annotations

from pathlib import Path

import pytest

from fibrostage.ground.errors import RunError
from fibrostage.ground.listening import check_listening


def test_others_can_only_be_listened_for_encrypted(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    for file in (cert, key):
        file.write_text("x")
    assert not check_listening("127.0.0.1", None, None, False)
    assert not check_listening("::1", None, None, False)
    assert check_listening("0.0.0.0", cert, key, False)
    assert check_listening("0.0.0.0", None, None, True)
    for host in ("0.0.0.0", "10.0.0.5", "ward.hospital"):
        with pytest.raises(RunError, match="to whoever listens on the network"):
            check_listening(host, None, None, False)
    with pytest.raises(RunError, match="go together"):
        check_listening("127.0.0.1", cert, None, False)
    with pytest.raises(RunError, match="no such file"):
        check_listening("0.0.0.0", cert, tmp_path / "none.pem", False)
