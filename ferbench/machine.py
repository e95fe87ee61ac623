"""The machine a run is on: device, precision, ranks."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from ferbench import recording
from ferbench.errors import FerbenchError
from ferbench.flow import Inputs
from ferbench.method.compose import Method
from ferbench.results.record import Environment

DTYPES: dict[str, torch.dtype] = {name: getattr(torch, full) for name, full in recording.DTYPES.items()}


@dataclass(frozen=True)
class Machine:
    """device and dtype are resolved; rank and world come from torchrun."""

    device: torch.device
    dtype: torch.dtype
    rank: int = 0
    world: int = 1

    @classmethod
    def of(cls, device: str, dtype: str) -> Machine:
        """Resolve "auto": the first CUDA device if there is one; bf16 where the hardware multiplies it, else fp32."""
        rank, world, local = (
            int(os.environ.get(name, fallback)) for name, fallback in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
        )
        if device == "auto":
            device = f"cuda:{local}" if torch.cuda.is_available() else "cpu"
        try:
            place = torch.device(device)
        except RuntimeError as problem:
            raise FerbenchError(f"no device {device!r}", where="--device", next="Allowed: auto, cpu, cuda, cuda:N") from problem
        if place.type == "cuda" and not torch.cuda.is_available():
            raise FerbenchError("this machine has no CUDA device that torch can use", where="--device", next="Use --device cpu")
        if place.type == "cuda":
            torch.backends.cudnn.benchmark = False
            torch.cuda.set_device(place)
        if world > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
        if dtype == "auto":
            dtype = "bf16" if multiplies_bf16(place) else "fp32"
        if dtype not in DTYPES:
            raise FerbenchError(f"no dtype {dtype!r}", where="--dtype", next=f"Allowed: auto, {', '.join(DTYPES)}")
        return cls(place, DTYPES[dtype], rank, world)

    def wait_for_all(self) -> None:
        """Until every rank is here."""
        if self.world > 1:
            dist.barrier()

    @property
    def dtype_name(self) -> str:
        return str(self.dtype).removeprefix("torch.")

    @property
    def name(self) -> str:
        return (
            torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else f"CPU ({torch.get_num_threads()} threads)"
        )

    def forward(self, method: Method) -> Callable[[Inputs], Mapping[str, Tensor]]:
        """The method's predictions in this run's precision, for evaluation."""

        def run(inputs: Inputs) -> Mapping[str, Tensor]:
            if self.dtype is torch.float32:
                return method(inputs).predictions  # type: ignore[no-any-return]
            with torch.autocast(self.device.type, dtype=self.dtype):
                return method(inputs).predictions  # type: ignore[no-any-return]

        return run

    def environment(self, distributions: Mapping[str, str]) -> Environment:
        return Environment(
            python=platform.python_version(),
            platform=platform.platform(terse=True),
            device=self.name if self.device.type == "cuda" else _processor(),
            dtype=self.dtype_name,
            threads=torch.get_num_threads(),
            distributions=dict(distributions),
            commit=commit(),
        )


def multiplies_bf16(device: torch.device) -> bool:
    """Whether bf16 is fast here, not merely possible."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit() -> str | None:
    """Commit of the ferbench checkout this runs from; None for an installed package. Recorded, never hashed."""
    here = Path(__file__).resolve().parents[1]
    if not (here / ".git").exists():
        return None
    asked = subprocess.run(["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return asked.stdout.strip() or None
