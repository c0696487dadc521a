"""What is missing comes with the very command that makes it."""

import shlex
import shutil
from pathlib import Path

import pytest
from tests.datasets.conftest import FRAMES

from roadloom.cli.main import main
from roadloom.datasets.sources import open_prepared, prepare_command
from roadloom.errors import BadInput, MissingInput
from roadloom.prepare import Prepared
from roadloom.scene.registry import KINDS

SOURCE = f"made:{FRAMES}"


def test_a_folder_that_fits_is_opened(prepared: Path) -> None:
    assert open_prepared(prepared, source=SOURCE).scenes == Prepared(prepared).scenes


def test_the_remedy_makes_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(KINDS, "made", "tests.datasets.made_drive:MadeSource")
    folder = tmp_path / "with blank"
    with pytest.raises(MissingInput) as caught:
        open_prepared(folder, source="made:3")
    words = shlex.split(str(caught.value.remedy))
    assert words[0] == "roadloom" and caught.value.file == str(folder)
    with pytest.raises(SystemExit) as stop:
        main(words[1:])
    assert stop.value.code == 0, capsys.readouterr().err
    assert len(open_prepared(folder, source="made:3")) == 3


def test_the_rate_is_part_of_the_command() -> None:
    command = prepare_command("DIR", source="town-v1:train", hz=10)
    assert command == "roadloom prepare town-v1:train --occupancy carla_sc --hz 10 --out DIR"


def test_a_part_is_taken_only_if_it_is_asked_for(prepared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "part"
    shutil.copytree(prepared, folder)
    (folder / "scenes/b.json").unlink()
    with pytest.raises(MissingInput, match="1 of 3 scenes.*roadloom prepare made"):
        open_prepared(folder, source=SOURCE)
    assert open_prepared(folder, source=SOURCE, partial=True).scenes == ("a", "c")
    for scene in "ac":
        (folder / f"scenes/{scene}.json").unlink()
    with pytest.raises(MissingInput, match="3 of 3 scenes"):
        open_prepared(folder, source=SOURCE, partial=True)


@pytest.mark.parametrize(
    ("options", "error", "field"),
    [
        ({"source": "made:9"}, BadInput, "source"),
        ({"source": SOURCE, "hz": 5}, BadInput, "hz"),
        ({"source": SOURCE, "grid": "occ3d"}, MissingInput, "occupancy"),
    ],
)
def test_a_folder_of_something_else(prepared: Path, options: dict, error: type, field: str) -> None:
    with pytest.raises(error) as caught:
        open_prepared(prepared, **options)
    assert caught.value.field == field and "--out NEW_FOLDER" in str(caught.value.remedy)
