"""Where tensors live and in which precision: Accelerate decides, our loops stay plain functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from fibrostage.learn.memory import keep_memory

if TYPE_CHECKING:
    from accelerate import Accelerator


def make_engine(precision: str) -> Accelerator:
    """An Accelerator in "float32", "bfloat16" or "auto" (bfloat16 where the hardware multiplies it)."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    if torch.cuda.is_available():  # a resumed run must repeat itself there too
        torch.backends.cudnn.deterministic = True
        torch.use_deterministic_algorithms(True, warn_only=True)
    else:
        keep_memory()
    if precision == "auto":
        precision = "bfloat16" if multiplies_bfloat16() else "float32"
    AcceleratorState._reset_state()  # Accelerate keeps the first precision of a process otherwise
    return Accelerator(mixed_precision="bf16" if precision == "bfloat16" else "no")


def multiplies_bfloat16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return bool(torch.backends.cpu.get_cpu_capability().startswith("AVX512")) and has_cpu_flag("avx512_bf16")


def has_cpu_flag(flag: str) -> bool:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="ignore") as info:
            return any(line.startswith("flags") and flag in line.split() for line in info)
    except OSError:
        return False


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's own generators seeded for the block and restored after it, for networks that draw from them."""
    with torch.random.fork_rng(devices=list(range(torch.cuda.device_count()))):
        torch.manual_seed(seed)
        yield
