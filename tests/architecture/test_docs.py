"""The documents hold: links lead somewhere, code runs, named things exist."""

import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import roadloom

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_the_first_code_block_of_the_readme_runs() -> None:
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert block is not None
    names: dict[str, object] = {}
    exec(compile(block.group(1), "README.md", "exec"), names)  # our own text
    frame, grid = names["frame"], names["grid"]
    assert names["image"].pixels.ndim == 3  # type: ignore[attr-defined]
    assert len(names["sweep"]) > 1000  # type: ignore[arg-type]
    assert len(names["boxes"]) > 0  # type: ignore[arg-type]
    assert names["occupancy"].labels.shape == grid.shape  # type: ignore[attr-defined]
    assert names["layout"].channels.shape == (18, *grid.shape[:2])  # type: ignore[attr-defined]
    assert frame.key == 3  # type: ignore[attr-defined]


def test_the_code_of_the_labels_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "labels.md").read_text(), re.S)
    names: dict[str, object] = {}
    exec(compile("\n".join(blocks), "labels.md", "exec"), names)  # our own text
    assert names["same"] is True and names["found"] == []
    there = (file.name for file in (tmp_path / "my_labels").iterdir())
    names_there = {name for name in there if not name.startswith(".")}  # a lock
    assert names_there == {"labels.json", "3.labels"}


def test_the_code_of_the_town_page_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "town.md").read_text(), re.S)
    names: dict[str, object] = {}
    exec(compile(block, "town.md", "exec"), names)  # our own text
    grid, flow = names["OCC3D"], names["flow"]
    assert flow.shape == (*grid.shape, 3)  # type: ignore[attr-defined]
    assert names["occupancy"].mask_lidar.any()  # type: ignore[attr-defined]
    assert names["depth"].shape == (90, 160)  # type: ignore[attr-defined]


def run_blocks(page: str) -> dict[str, object]:
    """Names that the page's code blocks, one after another, leave behind; it is our own text."""
    text = (ROOT / "docs" / page).read_text()
    names: dict[str, object] = {"__name__": page}
    exec(compile("\n".join(re.findall(r"```python\n(.*?)```", text, re.S)), page, "exec"), names)
    return names


def test_the_code_of_the_diffusion_page_runs() -> None:
    pytest.importorskip("diffusers")
    names = run_blocks("diffusion.md")
    plain, completed, again = (names[name] for name in ("plain", "completed", "again"))
    noise_mean = float(names["noise"].mean())  # type: ignore[attr-defined]
    # Deviations are 0.5; guidance moves the mean from 2 to 3.
    assert float(plain.mean()) == pytest.approx(2 + 0.5 * noise_mean, abs=0.01)  # type: ignore[attr-defined]
    assert float(names["guided"].mean()) == pytest.approx(3 + 0.5 * noise_mean, abs=0.01)  # type: ignore[attr-defined]
    assert (completed[..., :2] == plain[..., :2]).all()  # type: ignore[index]
    assert float((again - plain).abs().max()) < 1e-3  # type: ignore[operator]


def test_the_code_of_the_training_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = run_blocks("training.md")
    first, more = names["first"], names["more"]
    assert (first.step, more.step) == (300, 600)  # type: ignore[attr-defined]
    assert more.scores["worst"] < 0.1  # type: ignore[attr-defined]
    steps = re.findall(r'"step": (\d+), "loss"', (tmp_path / "runs/waves/log.jsonl").read_text())
    assert steps == [str(step) for step in (1, *range(10, 601, 10))]  # one run, gone on with


def test_the_recipes_of_the_training_page_are_those_of_the_code() -> None:
    from roadloom.recipes.registry import RECIPES
    from roadloom.training.flops import count_parameters

    def told(trained: int, steps: int, batch: int) -> str:
        millions = f"{trained / 1e6:.{2 if trained < 10e6 else 1}f}"
        return f"{millions} M | {steps:,} x {batch}"

    page = (ROOT / "docs" / "training.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+ M \| [\d,]+ x \d+) \|", page, re.M))
    recipes = {name: make(None) for name, make in RECIPES.items()}
    assert rows == {
        name: told(count_parameters(recipe.task)[1], recipe.train.steps, recipe.train.batch)
        for name, recipe in recipes.items()
    }


def test_the_code_of_the_hexplane_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("diffusers")
    from tests.pipelines.micro import save_micro

    monkeypatch.chdir(tmp_path)
    for folder, name in zip(save_micro(tmp_path / "made"), ("dit", "vae"), strict=True):
        (tmp_path / "runs" / name).mkdir(parents=True)
        folder.rename(tmp_path / "runs" / name / "model")
    names = run_blocks("hexplane.md")
    assert names["same"] is True and not names["touched"].all()  # type: ignore[attr-defined]
    assert len(roadloom.open("folder:out/drive")[0]) == 4 * 4  # the tiny model's windows


def test_the_classes_of_the_hexplane_page_are_those_of_the_code() -> None:
    from roadloom.scene.class_views import view

    page = (ROOT / "docs" / "hexplane.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", page, re.M)
    assert rows == [(str(n), name) for n, name in enumerate(view("dynamiccity12").names)]


def test_the_code_of_the_evaluation_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = run_blocks("evaluation.md")
    assert names["back"] == [names["score"]]
    assert names["span"].low < names["span"].value < names["span"].high  # type: ignore[attr-defined]


def test_the_code_of_the_page_of_published_checkpoints_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("diffusers")
    monkeypatch.chdir(tmp_path)
    assert run_blocks("published_checkpoints.md")["labels"].shape == (1, 4, 8, 8, 4)  # type: ignore[attr-defined]


def test_every_command_of_the_documents_exists() -> None:
    from roadloom.cli.main import COMMANDS, GROUPS

    known = {*COMMANDS, *(f"{one} {two}" for one, group in GROUPS.items() for two in group)}
    for page in PAGES:
        for line in re.findall(r"^(?: {4})?roadloom (\w+ ?\w*)", page.read_text(), re.M):
            assert line in known or line.split()[0] in COMMANDS, f"{page.name}: roadloom {line}"


def test_every_command_in_the_readme_exists() -> None:
    from roadloom.cli.main import COMMANDS, GROUPS

    text = (ROOT / "README.md").read_text()
    used = set(re.findall(r"^roadloom (\w+)", text, re.M)) | set(
        re.findall(r"`roadloom (\w+)", text)
    )
    assert used and used <= set(COMMANDS) | set(GROUPS), used - set(COMMANDS)
    targets = set(re.findall(r"make (\w+)", text))
    makefile = (ROOT / "Makefile").read_text()
    assert {"demo", "test"} <= targets
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in targets)


def architecture() -> str:
    return (ROOT / "docs" / "architecture.md").read_text()


def test_the_layers_of_the_architecture_page_are_those_that_are_guarded() -> None:
    contract = re.search(r"layers = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.S)
    assert contract is not None
    lowest_first = re.findall(r'"roadloom\.(\w+)"', contract.group(1))[::-1]
    listed = re.findall(r"^\| `(\w+)` \|", architecture(), re.M)
    assert [name for name in listed if name != "roadloom"] == lowest_first
    assert architecture().count("Nineteen layers") == 1 and len(lowest_first) == 19


def test_every_public_name_exists() -> None:
    rows = re.findall(r"^\| `(roadloom[\w.]*)`(?:, for readers)? \| (.*) \|$", architecture(), re.M)
    assert len(rows) > 30
    for module, names in rows:
        for name in re.findall(r"`(\w+)`", names):
            assert hasattr(import_module(module), name), f"{module} has no {name}"


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs" / "dependencies.md").read_text()
    cells = " ".join(re.findall(r"^\|(.*)\|$", page, re.M))
    lines = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    names = {re.split(r"[>=<\[]", line)[0] for line in lines} - {"roadloom"}
    assert {"torch", "pyarrow", "types-PyYAML"} <= names
    for name in [*names, *project["optional-dependencies"]]:
        assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", cells), name


def test_the_table_of_grids_is_that_of_the_code() -> None:
    from roadloom.geometry.voxel_grid import GRIDS, VoxelGrid

    def three(cell: str) -> list[float]:
        numbers = [float(number) for number in cell.split(",")]
        return numbers * 3 if len(numbers) == 1 else numbers

    page = (ROOT / "docs" / "conventions.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([-\d., ]+) \| ([\d., ]+) \| ([\d, ]+) \|$", page, re.M)
    told = {
        name: VoxelGrid(
            lower_m=tuple(three(lower)), cell_m=tuple(three(cell)), shape=tuple(map(int, three(n)))
        )
        for name, lower, cell, n in rows
    }
    assert told == GRIDS


def test_the_shift_of_argoverse_2_is_that_of_the_code() -> None:
    from roadloom.scene.readers.av2_calibration import ORIGIN_HEIGHT_M

    page = (ROOT / "docs" / "conventions.md").read_text()
    assert f"| z + {ORIGIN_HEIGHT_M} m |" in page
