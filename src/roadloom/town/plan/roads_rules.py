"""Who waits for whom: controls at junctions, lights, conflicts, right of way."""

from itertools import combinations

import numpy as np

from roadloom.town.dice import Dice
from roadloom.town.plan.roads_junctions import Arm, Junction
from roadloom.town.plan.roads_lanes import Draft, Lanes
from roadloom.town.plan.roads_lattice import EAST, WEST
from roadloom.town.plan.roads_streets import End, StreetShape
from roadloom.town.plan.types import Signal

AMBER = 60
"""3 s in ticks."""
WALKING_MM_PER_TICK = 60
"""1.2 m/s: people's lights turn red early enough to finish at this pace."""
GAP = {("vehicle", "vehicle"): 2_500, ("bike", "vehicle"): 1_900, ("bike", "bike"): 1_300}
"""Centres nearer than this: two bodies there would touch, or nearly."""


def set_controls(dice: Dice, junction: Junction, streets: list[StreetShape]) -> str:
    """Write each arm's control into its street's end; returns what kind of junction it is."""
    ends = [streets[arm.street].ends[arm.end] for arm in junction.arms]
    kinds = [(arm.way in (EAST, WEST), arm.profile) for arm in junction.arms]
    rows = next(profile for row, profile in kinds if row)
    columns = next(profile for row, profile in kinds if not row)
    both = {rows.kind, columns.kind}
    wide = max(rows.lanes, columns.lanes) == 2
    if both == {"main"} or (both == {"main", "side"} and dice.percent(60 if wide else 25)):
        for end in ends:
            end.control = "signal"
        return "signal"
    order = ("main", "side", "lane")
    minor_rows = order.index(rows.kind) > order.index(columns.kind)
    if rows.kind == columns.kind:
        if dice.percent(50):
            return "right first"
        minor_rows = _stem_is_row(junction) if len(junction.arms) == 3 else dice.percent(50)
    control = "stop" if dice.percent(55 if "main" in both else 30) else "yield"
    for end, (row, _) in zip(ends, kinds, strict=True):
        end.control = control if row == minor_rows else "none"
    return "sign"


def _stem_is_row(junction: Junction) -> bool:
    rows = sum(arm.way in (EAST, WEST) for arm in junction.arms)
    return rows == 1


def set_crossings(dice: Dice, junction: Junction, streets: list[StreetShape]) -> None:
    for arm in junction.arms:
        end = streets[arm.street].ends[arm.end]
        share = {"main": 35, "side": 45, "lane": 25}[arm.profile.kind]
        if end.control == "signal":
            end.crossing = dice.between(3_000, 3_900, 100)
        elif dice.percent(share):
            end.crossing = dice.between(2_400, 3_200, 100)


def draw_signals(
    dice: Dice, junction: Junction, streets: list[StreetShape], signals: list[Signal]
) -> None:
    """Two phases, one for the row and one for the column; left turns wait for a gap.

    Four groups: vehicles of both, and people over both. People walk beside the traffic that runs
    along with them, and vehicles that turn let them pass.
    """
    red = dice.between(20, 40, 10)
    green = dice.between(320, 580, 20), dice.between(300, 480, 20)
    cycle = sum(green) + 2 * (AMBER + red)
    offset = dice.between(0, cycle - 1)
    starts = 0, green[0] + AMBER + red
    ends: tuple[list[tuple[Arm, End]], ...] = ([], [])
    for arm in junction.arms:
        ends[0 if arm.way in (EAST, WEST) else 1].append((arm, streets[arm.street].ends[arm.end]))
    for group in (0, 1):
        for _, end in ends[group]:
            end.signal = len(signals)
        shown = [(green[group], "green"), (AMBER, "amber")]
        signals.append(_signal(junction.id, offset, starts[group], cycle, shown))
    for group in (0, 1):
        # Over the row's arms while the column drives.
        for _, end in ends[group]:
            end.people_signal = len(signals)
        way = 2 * max(arm.profile.kerb for arm, _ in ends[group])
        other = 1 - group
        walk = max(60, green[other] + AMBER - way // WALKING_MM_PER_TICK)
        signals.append(_signal(junction.id, offset, starts[other], cycle, [(walk, "green")]))


def _signal(
    junction: int, offset: int, start: int, cycle: int, shown: list[tuple[int, str]]
) -> Signal:
    rest = cycle - start - sum(length for length, _ in shown)
    phases = [*shown, (rest, "red")]
    if start:
        phases.insert(0, (start, "red"))
    return Signal(
        junction=junction, offset=offset, phases=tuple(phase for phase in phases if phase[0] > 0)
    )


# -- conflicts and right of way --------------------------------------------------------------------


def find_conflicts(lanes: Lanes, junction: Junction, streets: list[StreetShape]) -> None:
    """Fill ``conflicts`` and ``gives_way_to``. Lanes that part from one lane are no conflict."""
    inside = [lanes.all[i] for i in lanes.of_junction[junction.id]]
    dense = [_dense(lane) for lane in inside]
    for (i, a), (j, b) in combinations(enumerate(inside), 2):
        if a.predecessors == b.predecessors:
            continue
        gap = GAP[min(a.kind, b.kind), max(a.kind, b.kind)]
        if a.successors != b.successors and not _near(dense[i], dense[j], gap):
            continue
        a.conflicts.append(b.id)
        b.conflicts.append(a.id)
        for mine, other in ((a, b), (b, a)):
            if _gives_way(mine, other, streets):
                mine.gives_way_to.append(other.id)


def _near(a: np.ndarray, b: np.ndarray, gap: int) -> bool:
    """Whether two rows of places [place 2] come closer to each other than a distance."""
    if (a.min(axis=0) > b.max(axis=0) + gap).any() or (b.min(axis=0) > a.max(axis=0) + gap).any():
        return False
    dx, dy = a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1]
    return int((dx * dx + dy * dy).min()) < gap * gap


def _dense(lane: Draft) -> np.ndarray:
    """Places of the centre at most half a metre apart, whole millimetres."""
    centre = np.array(lane.centre, np.int64)
    share = np.arange(4)[None, :, None]
    steps = (centre[:-1, None] * (4 - share) + centre[1:, None] * share) // 4
    return np.concatenate([steps.reshape(-1, 2), centre[-1:]])


def _gives_way(mine: Draft, other: Draft, streets: list[StreetShape]) -> bool:
    a, b = mine.start_arm, other.start_arm
    assert a is not None
    assert b is not None
    if a is b:
        return mine.kind == "vehicle" and other.kind == "bike"
    control_a, control_b = (streets[arm.street].ends[arm.end].control for arm in (a, b))
    waits_a, waits_b = control_a in ("stop", "yield"), control_b in ("stop", "yield")
    if waits_a != waits_b:
        return waits_a
    if (a.way - b.way) % 4 == 2:
        if mine.turn == other.turn == "left":
            return a.way > b.way
        return mine.turn == "left"
    if control_a == "signal":
        return False
    return b.way == (a.way + 1) % 4
