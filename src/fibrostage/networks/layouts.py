"""What other tools call a backbone's weights, and the names that its publisher gave them.

A checkpoint may hold the weights beside optimiser states, below a prefix, or under Hugging Face's names. What was done
to find them is said in words; what does not fit is refused by the caller, by name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from fibrostage.ground.errors import WeightsError
from fibrostage.networks.backbones.spec import Backbone

if TYPE_CHECKING:
    from torch import Tensor

WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights")
OWN = "num_batches_tracked"  # absent from files older than PyTorch 0.4.1, and from Hugging Face's of some age


@dataclass(frozen=True)
class NamedWeights:
    """Tensors by a backbone's own names, and what was done to find them, a few words each."""

    tensors: Mapping[str, Tensor]
    done: tuple[str, ...] = ()


def unwrapped(content: object, path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The named tensors [...] of a file's content, and which part of a checkpoint they were.

    Raises `WeightsError` where there are none, naming what the file holds instead.
    """
    if isinstance(content, dict) and content and all(torch.is_tensor(value) for value in content.values()):
        return content, ()
    if isinstance(content, dict):
        for name in WRAPPERS:
            if isinstance(content.get(name), dict):
                tensors, done = unwrapped(content[name], path)
                others = [str(key) for key in content if key != name]
                beside = f" (beside {shortened(others)})" if others else ""
                return tensors, (f"its {name!r}{beside}", *done)
    holds = "something else"
    if isinstance(content, dict):
        holds = shortened([str(key) for key, value in content.items() if not torch.is_tensor(value)]) or "nothing"
    raise WeightsError(
        f"{path} does not hold a state dict (names → tensors) but {holds}; a checkpoint may hold it as "
        f"{', '.join(WRAPPERS[:-1])} or {WRAPPERS[-1]}"
    )


def shortened(names: list[str], most: int = 4) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def named_for(spec: Backbone, own: Collection[str], tensors: dict[str, Tensor], path: Path) -> NamedWeights:
    """A file's tensors under the backbone's `own` names, whichever of the layouts that people have they are in.

    What another tool's layout renames, the prefix below which the backbone lies and what lies beside it are said.
    Raises `WeightsError` where several parts of the file are the whole backbone. Keys that are of no known layout
    keep their names.
    """
    done: list[str] = []
    for layout in spec.layouts:
        if any(layout.sign in key for key in tensors):
            tensors = {layout.rename(key): tensor for key, tensor in tensors.items()}
            done.append(f"{layout.name}'s names")
    prefix = prefix_of(spec, own, tensors, path)
    if prefix:
        outside = Counter(key.split(".")[0] for key in tensors if not key.startswith(prefix))
        done.append(f"what lies below {prefix!r}")
        if outside:
            done.append(f"without {shortened(list(outside))}")
        tensors = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
    renamed = ((spec.rename(key), tensor) for key, tensor in tensors.items())
    return NamedWeights({name: tensor for name, tensor in renamed if name is not None}, tuple(done))


def prefix_of(spec: Backbone, own: Collection[str], tensors: Mapping[str, Any], path: Path) -> str:
    """The prefix below which all of a backbone's `own` names are found, or else most; "" where they are below none.

    Raises `WeightsError` where there are several.
    """
    needed = {name for name in own if not name.endswith(OWN)}
    anchor = next(name for name in own if name in needed)
    prefixes = {
        key[:at]
        for key in tensors
        for at in (0, *(found.end() for found in re.finditer(r"\.", key)))
        if spec.rename(key[at:]) == anchor
    }
    held = {
        prefix: len(needed & {spec.rename(key.removeprefix(prefix)) for key in tensors if key.startswith(prefix)})
        for prefix in sorted(prefixes)
    }
    whole = [prefix for prefix, count in held.items() if count == len(needed)]
    if "" in whole:
        return ""
    if not whole:
        most = max(held, key=lambda prefix: held[prefix], default="")
        return most if held.get(most, 0) > len(needed) / 2 else ""
    if len(whole) > 1:
        raise WeightsError(
            f"{path} holds {spec.name} {len(whole)} times, below {', '.join(map(repr, whole))}; save the one that is "
            "meant by itself"
        )
    return whole[0]
