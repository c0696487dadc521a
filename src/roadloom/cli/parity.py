"""``roadloom parity``: compare our models with recorded outputs of published ones."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from roadloom.cli.command import Command


@dataclass(frozen=True, kw_only=True)
class Parity(Command):
    """Check that our model computes what a published one was recorded to compute.

    The weights are built by the fixture's recipe and go through the converter that published
    checkpoints go through. Prints the largest error of every output; exit 0 if all are within
    the fixture's tolerance, 1 if not.
    Example: roadloom parity hexplane_vae_small.json --out ours.npz
    """

    fixture: Annotated[Path, tyro.conf.Positional]
    """A .json file; its arrays lie beside it."""
    out: Path | None = None
    """Also write what we computed, as .npz, under the fixture's output names."""

    def run(self) -> int:
        from roadloom.io.npz import write_npz
        from roadloom.models.parity import check

        report = check(self.fixture)
        width = max(map(len, report.errors))
        for name, error in report.errors.items():
            verdict = "" if error <= report.tolerance else "  above the tolerance"
            sys.stdout.write(f"{name:{width}}  largest error {error:.2e}{verdict}\n")
        if self.out is not None:
            write_npz(self.out, report.arrays)
        sys.stdout.write(
            f"{self.fixture.name} {'passes' if report.passed else 'FAILED'} "
            f"at tolerance {report.tolerance:g}\n"
        )
        return 0 if report.passed else 1
