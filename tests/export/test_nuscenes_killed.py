"""An export that is killed again and again ends in the very bytes of one that never was."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.export.conftest import OPTIONS
from tests.export.test_nuscenes import contents

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from pathlib import Path
from roadloom.scene import registry
registry.KINDS["toy"] = "tests.export.toy_drive:ToySource"
from tests.export.conftest import OPTIONS
from roadloom.export.nuscenes.run import export_nuscenes
Path(sys.argv[2]).touch()
export_nuscenes("toy:val", sys.argv[1], OPTIONS)
"""
KILLS = 3


def test_kills_leave_no_trace(exported, tmp_path):
    rng, root, begun = random.Random(4), tmp_path / "root", tmp_path / "begun"
    assert OPTIONS.occupancy
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    command = [sys.executable, "-c", PROGRAM, str(root), str(begun)]
    killed = 0
    for _ in range(30):
        begun.unlink(missing_ok=True)
        run = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths}, cwd=ROOT)
        while killed < KILLS and run.poll() is None and not begun.exists():
            time.sleep(0.01)
        if killed < KILLS:
            time.sleep(rng.uniform(0.05, 0.5))
            run.send_signal(signal.SIGKILL)
        status = run.wait(120)
        killed += status == -signal.SIGKILL
        if status == 0:
            break
    assert status == 0 and killed >= 1, killed
    assert contents(root) == contents(exported)
