"""The log: no step twice, whatever cut a run off."""

from pathlib import Path

import pytest

from roadloom.errors import BadInput
from roadloom.training.log import Log, read_log


def test_lines_beyond_the_checkpoint_are_cut_off(tmp_path: Path) -> None:
    log = Log(tmp_path, done=0, tensorboard=False)
    for step in (1, 2, 4, 4):
        log.write(step, {"loss": 0.1 * step})
    log.close()
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')  # killed while it wrote
    assert [row["step"] for row in read_log(tmp_path)] == [1, 2, 4, 4]
    resumed = Log(tmp_path, done=2, tensorboard=False)
    resumed.write(3, {"loss": 0.3})
    resumed.close()
    assert read_log(tmp_path) == [
        {"step": 1, "loss": 0.1}, {"step": 2, "loss": 0.2}, {"step": 3, "loss": 0.3},
    ]  # fmt: skip


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    assert read_log(tmp_path) == []


@pytest.mark.parametrize("line", ["nonsense", "[1]", '{"loss": 1}', '{"step": null}'])
def test_a_damaged_line_is_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 1}\n' + line + "\n")
    with pytest.raises(BadInput, match="line 2"):
        Log(tmp_path, done=1, tensorboard=False)


def test_nan_is_never_written(tmp_path: Path) -> None:
    log = Log(tmp_path, done=0, tensorboard=False)
    with pytest.raises(ValueError, match="JSON"):
        log.write(1, {"loss": float("nan")})
    log.close()


def test_curves_for_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for done, steps in ((0, (1, 2, 3)), (2, (3, 4))):
        log = Log(tmp_path, done=done, tensorboard=True)
        for step in steps:
            log.write(step, {"loss": float(10 * done + step)})
        log.close()
    curves = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    found = {event.step: event.value for event in curves.Scalars("loss")}
    assert found == {1: 1.0, 2: 2.0, 3: 23.0, 4: 24.0}
