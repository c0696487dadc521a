"""``roadloom generate hexplane``: windows and drives of 4-D occupancy out of noise."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from roadloom.cli.command import Command


@dataclass(frozen=True, kw_only=True)
class GenerateHexplane(Command):
    """Make clips of semantic occupancy: from nothing, from wishes, or out of a recorded window.

    Writes clips that every command reads as folder:OUT, look.png and look.mp4. Needs the extra
    `diffusion`, and `video` for the film.
    Example: roadloom generate hexplane --out out/city --count 4 --command left
    """

    out: Path
    """Folder for the results; must not exist, or be empty."""
    model: str | None = None
    """Folder of a generator, or the name of one that ships; by default the quickest that ships."""
    vae: str | None = None
    """Folder or name of its autoencoder; by default the one that ships with the generator."""
    count: int = 1
    """Clips; the first has the seed --seed, the next one the seed after it, and so on."""
    frames: int | None = None
    """Of each clip; by default one window, 16. Longer drives are made window by window."""
    steps: int | None = None
    """Of the sampler; more is slower and better. A few-step student has its own number."""
    seed: int = 0
    """The same seed gives the same clip."""
    guidance: float = 1.0
    """How strongly conditions are followed; 1 is as trained, 2 follows commands and trajectories
    better. A student with guidance built in takes no other."""
    command: tuple[Literal["static", "forward", "left", "right"], ...] = ()
    """What the driver does: one word for all windows, or one for each."""
    trajectory: Path | None = None
    """JSON list with a row [x, y, yaw] in metres and radians for every frame, as seen from the
    vehicle in the first."""
    window: str | None = None
    """Recorded window to start from: SOURCE:SCENE@SECONDS, such as town-v1:val:3@2.5; a prepared
    folder is a source too."""
    use: tuple[Literal["layout", "trajectory", "command", "previous"], ...] = ()
    """Conditions taken from --window."""
    edit: Literal["inpaint", "outpaint", "forecast"] | None = None
    """What is done with --window: make a --region anew, look half a grid further in a
    --direction, or go on after it."""
    region: str | None = None
    """x0,y0,x1,y1 in metres, x forward and y left of the vehicle in the window's middle frame."""
    direction: Literal["front", "back", "left", "right"] = "front"
    """Where --edit outpaint looks."""
    paste: bool = False
    """After --edit inpaint put the recorded labels back outside the region. Without it they are
    the autoencoder's rendering of them."""
    film: bool = True
    """Write look.mp4 (needs the extra `video`)."""
    device: str = "auto"
    """cpu, cuda or cuda:N; auto takes a GPU where there is one."""

    def run(self) -> int:
        from roadloom.io.atomic import check_new_folder
        from roadloom.pipelines.generate import Wish, default_model, write_generated
        from roadloom.pipelines.hexplane import load_world
        from roadloom.training.spread import pick_device

        check_new_folder(self.out.absolute())
        wish = Wish(
            count=self.count, frames=self.frames, seed=self.seed, steps=self.steps,
            guidance=self.guidance, command=self.command, trajectory=self.trajectory,
            window=self.window, use=self.use, edit=self.edit, region=self.region,
            direction=self.direction, paste=self.paste,
        )  # fmt: skip
        device = pick_device(self.device)
        world = load_world(self.model or default_model(), self.vae).to(device)
        written = write_generated(world, wish, self.out, film=self.film)
        clips = sum(path.name.startswith("window-") for path in written)
        sys.stdout.write(
            f"{clips} clip{'s' * (clips != 1)} in {self.out}, which opens as folder:{self.out}\n"
            f"look at {self.out / 'look.png'}"
            + (f" and {self.out / 'look.mp4'}" if self.film else "")
            + f", or run: roadloom view folder:{self.out} --out {self.out}-view\n"
        )
        return 0
