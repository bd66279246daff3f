"""Where a model is: a folder here, or one on the Hugging Face hub that is fetched through the hub's own cache."""

from __future__ import annotations

from pathlib import Path

from fibrostage.ground.errors import RunError


def located(model: Path) -> Path:
    """The folder of a run or a model; `owner/name` or `owner/name@revision` where there is no such folder here is
    fetched. Raises `RunError` where there is neither."""
    name, _, revision = model.as_posix().partition("@")
    if model.exists() or name.count("/") != 1 or name.startswith((".", "~", "/")):
        return model
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision or None))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        first_line = next(iter(str(error).strip().splitlines()), "it did not say why")
        raise RunError(f"{model}: no folder here, and the hub did not give it ({first_line})") from None
