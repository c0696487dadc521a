"""Memory of this process and room of this machine."""

import re
import resource
import sys
from pathlib import Path

import torch

MIB = 2**20


def peak_memory(device: torch.device) -> int:
    """Most bytes that this process held: tensors on a GPU, everything on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would begin with what the parent held
        high = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.M)
        if high is not None:
            return int(high[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def free_memory() -> int | None:
    """Bytes that this machine can still give; None where the system does not tell."""
    table = Path("/proc/meminfo")
    if not table.exists():
        return None
    free = re.search(r"^MemAvailable:\s+(\d+) kB", table.read_text(), re.M)
    return None if free is None else int(free[1]) * 1024


def folder_bytes(folder: Path) -> int:
    """Bytes of all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
