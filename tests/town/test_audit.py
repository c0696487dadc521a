"""The audit finds nothing on drawn clips, and each law when it is broken on purpose."""

from dataclasses import replace

import numpy as np
import pytest

from roadloom.town.audit import audit
from roadloom.town.kinds import KINDS
from roadloom.town.plan.draw import draw_plan
from roadloom.town.plan.types import KERB_MM, MARGIN_TICKS, Thing
from roadloom.town.world import World


@pytest.fixture(scope="module")
def plan():
    return draw_plan("val", 6)


def found(plan, *words):
    """Messages of the audit that hold all words."""
    return [m for m in audit(World(plan=plan)) if all(w in m for w in words)]


def with_actor(plan, row, **changes):
    actors = list(plan.actors)
    actors[row] = replace(actors[row], **changes)
    return replace(plan, actors=tuple(actors))


def fastest(plan, family):
    rows = [r for r, a in enumerate(plan.actors) if KINDS[a.kind].family == family]
    return max(rows, key=lambda r: plan.actors[r].along[-1] - plan.actors[r].along[0])


def shifted(path, dx, dy):
    return tuple((x + dx, y + dy) for x, y in path)


def test_drawn_clips_keep_all_laws(plan):
    assert audit(World(plan=plan)) == []


def test_one_car_in_another(plan):
    row = fastest(plan, "vehicle")
    twice = replace(plan, actors=(*plan.actors, plan.actors[row]))
    kind = plan.actors[row].kind
    assert found(twice, f"{kind} {row} and {kind} {len(plan.actors)} overlap")


def test_ego_drives_into_a_bin(plan):
    at = World(plan=plan).ego_track.pose[1000, :2]
    size = (510, 510, 1010)
    thing = Thing(kind="litter_bin", at=tuple(round(v * 1000) for v in at), heading=(1, 0),
                  size=size, seed=1)  # fmt: skip
    assert found(replace(plan, things=(*plan.things, thing)), "ego and litter_bin", "overlap")


def test_what_stands_in_what_stands(plan):
    thing = replace(plan.things[0], at=(plan.things[0].at[0] + 300, plan.things[0].at[1]))
    twice = replace(plan, things=(*plan.things, thing))
    assert found(twice, f"{thing.kind} 0 and {thing.kind} {len(plan.things)} overlap")


def test_a_person_under_a_light_s_arm_is_no_overlap_but_at_its_post_is(plan):
    light = next(t for t in plan.things if t.kind == "traffic_light" and t.size[1] > 1000)
    norm = float(np.hypot(*light.heading))
    side = np.array([-light.heading[1], light.heading[0]]) / norm
    person = next(a for a in plan.actors if a.kind == "adult")

    def stands(share):
        x, y = np.array(light.at) + side * share * light.size[1] / 2
        path = tuple((round(x) + d, round(y)) for d in (-2000, 0, 2000))
        still = replace(person, path=path, along=(2_000_000,) * len(person.along), lanes=())
        return found(replace(plan, actors=(still,)), "adult 0", "traffic_light")

    assert not stands(-0.9)
    assert stands(0.98)


@pytest.mark.parametrize(("family", "jump_m"), [("vehicle", 1.5), ("person", 0.9)])
def test_a_jump_is_too_much_acceleration(plan, family, jump_m):
    row = fastest(plan, family)
    along = plan.actors[row].along
    jumps = (*along[:200], *(a + round(jump_m * 1e6) for a in along[200:]))
    assert found(with_actor(plan, row, along=jumps), f"{plan.actors[row].kind} {row} accelerates")


def test_sliding_sideways_is_off_the_heading(plan):
    world = World(plan=plan)
    row = fastest(plan, "person")  # people turn about their middle, which stays in place
    assert not found(plan, "off its heading")
    tracks = world.tracks.copy()
    w, z = np.cos(np.radians(3)), np.sin(np.radians(3))
    q = tracks[row, :, 3:].copy()
    turned = np.stack(
        [
            q[:, 0] * w - q[:, 3] * z, q[:, 1] * w + q[:, 2] * z,
            q[:, 2] * w - q[:, 1] * z, q[:, 3] * w + q[:, 0] * z,
        ],
        axis=1,
    )  # fmt: skip
    tracks[row, :, 3:] = turned
    world.__dict__["tracks"] = tracks
    messages = [m for m in audit(world) if "off its heading" in m]
    assert messages and all(f" {row} moves 6." in m or f" {row} moves 7." in m for m in messages)


def test_all_lights_red_are_passed_and_stepped_off_at(plan):
    red = tuple(replace(s, phases=((100, "red"),)) for s in plan.roads.signals)
    crossings = tuple(replace(c, signal=0) for c in plan.roads.crossings)
    wrong = replace(plan, roads=replace(plan.roads, signals=red, crossings=crossings))
    assert found(wrong, "passes the red light")
    assert found(wrong, "steps onto crossing", "at red")


def test_nobody_stands_at_lines_that_have_no_stop_sign(plan):
    lanes = tuple(replace(x, control="stop") if x.stop >= 0 else x for x in plan.roads.lanes)
    wrong = replace(plan, roads=replace(plan.roads, lanes=lanes))
    assert found(wrong, "passes the stop sign")


def test_a_car_on_the_pavement_and_a_person_on_the_road(plan):
    ego_at = World(plan=plan).ego_track.pose[300, :2]
    person = next(r for r, a in enumerate(plan.actors) if a.kind == "adult")
    still = tuple((round(ego_at[0] * 1000) + d, round(ego_at[1] * 1000)) for d in (-2000, 0, 2000))
    along = (2_000_000,) * len(plan.actors[person].along)
    wrong = with_actor(plan, person, path=still, along=along, raised=((0, 0),))
    assert found(wrong, f"adult {person} is on ground")
    row = fastest(plan, "vehicle")
    path = shifted(plan.actors[row].path, 11_000, 11_000)
    assert found(with_actor(plan, row, path=path), f"{plan.actors[row].kind} {row} is on ground")


def test_leaving_the_plan(plan):
    row = fastest(plan, "vehicle")
    path = shifted(plan.actors[row].path, 600_000, 0)
    assert found(with_actor(plan, row, path=path), f"{row} leaves the plan")


def test_floating_and_sinking(plan):
    person = next(
        r for r, a in enumerate(plan.actors) if a.kind == "adult" and a.raised == ((0, KERB_MM),)
    )
    assert not found(plan, "above the relief")
    sunk = with_actor(plan, person, raised=((0, 0),))
    assert found(sunk, f"adult {person} is 0.000 m above the relief")
    ego = replace(plan, ego=replace(plan.ego, raised=((0, 20),)))
    assert found(ego, "ego is 0.020 m above the relief")


def test_messages_name_time_and_place(plan):
    row = fastest(plan, "vehicle")
    along = plan.actors[row].along
    jumps = (*along[:200], *(a + 1_500_000 for a in along[200:]))
    message = found(with_actor(plan, row, along=jumps), f" {row} accelerates")[0]
    time = float(message.split(" at ")[1].split(" s")[0])
    assert abs(time - (200 - MARGIN_TICKS) * 0.05) < 0.5
    assert "near (" in message
