"""The house rules that a machine can check: what imports load, how long files are, one tree."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import roadloom

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "roadloom").rglob("*.py"))
LONGEST = 600
REASONABLE = 400


def loaded_by(code: str) -> set[str]:
    """Which heavy packages a fresh process holds after running ``code``."""
    probe = (
        f"{code}\nimport sys\nprint(*({{'torch', 'numba', 'pyarrow', 'av'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()) if done.stdout.strip() else set()


@pytest.mark.parametrize(
    "code",
    [
        "import roadloom",
        "import roadloom; roadloom.open('town-v1:val')",
        "import roadloom; roadloom.open('town-v1:val:3')[0]",
        "from roadloom.cli.main import main; main(['info'])",
        "from roadloom.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: print()",
    ],
)
def test_light_commands_load_nothing_heavy(code: str) -> None:
    code = code.replace("main(['info'])", "\ntry: main(['info'])\nexcept SystemExit: print()")
    assert loaded_by(code) == set()


def test_the_probe_sees_heavy_imports() -> None:
    assert loaded_by("import torch") == {"torch"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_files_are_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text()
    lines = text.count("\n")
    assert lines <= LONGEST, f"{path.name} has {lines} lines"
    assert lines <= REASONABLE or "long because" in text[:2000], f"{path.name}: {lines} lines"
    assert text.startswith('"""'), f"{path.name} must open with what it is"


def test_layers_are_listed_alike_everywhere() -> None:
    """README, package docstring and import contract show the same layers, lowest first."""
    layers = [
        "io", "geometry", "sensors", "scene", "town", "prepare", "label", "render",
        "datasets", "diffusion", "training", "metrics", "models", "recipes", "pipelines",
        "viewer", "export", "cli",
    ]  # fmt: skip
    listed = re.findall(r"^    \d+ (\w+) ", roadloom.__doc__ or "", re.M)
    assert listed == layers
    contract = re.search(
        r'type = "layers"\nlayers = \[(.*?)\]', (ROOT / "pyproject.toml").read_text(), re.S
    )
    assert contract is not None
    named = re.findall(r'"roadloom\.(\w+)"', contract.group(1))
    assert named[::-1] == ["errors", *layers]
    folders = {p.parent.name for p in (ROOT / "src" / "roadloom").glob("*/__init__.py")}
    assert folders == set(layers)
    readme = (ROOT / "README.md").read_text()
    assert re.findall(r"^\s+\d+ (\w+)/", readme, re.M) == layers


def test_readme_tree_is_the_real_tree() -> None:
    """Every path in the README's tree exists, and every folder of ours is in it."""
    readme = (ROOT / "README.md").read_text()
    tree = re.search(r"```text\n(.*?)```", readme, re.S)
    assert tree is not None
    for line in tree.group(1).splitlines():
        name = line.split()[1] if re.match(r"\s+\d+ ", line) else line.split()[0]
        base = ROOT / "src" / "roadloom" if re.match(r"\s+\d+ ", line) else ROOT
        assert (base / name).exists(), f"README names {name}, which is not there"


def test_shape_checking_is_on() -> None:
    """Fails if nobody switched the shape checker on: then no shape is checked in any test."""
    import numpy as np
    from jaxtyping import TypeCheckError

    from roadloom.geometry.pose import Pose

    with pytest.raises(TypeCheckError):
        Pose(rotation=np.eye(3), translation=np.zeros(2))


def test_no_file_speaks_of_a_machine() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    marks = [re.compile(rf"(^|[^.\w])/({'|'.join(('wo' + 'rk', 'ro' + 'ot', 'fa' + 'rm'))})/")]
    for name in filter(None, tracked):
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".yaml", ".txt", "") and path.is_file():
            for mark in marks:
                assert not mark.search(path.read_text(errors="ignore")), f"{name} names {mark}"
