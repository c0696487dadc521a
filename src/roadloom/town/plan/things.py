"""Everything that stands still in a town, placed so that nothing shares ground with anything else.

Order is priority: what comes first takes its place, what comes later stands where room is left.

Conventions for builders: a building's FRONT is its side at y = -width / 2, its x runs along the
street (``things_houses``). Lights and signs face along +x; arms and posts: ``things_lights``.
Benches and shelters are open towards -y. A barrier's long side is its y. Trees: ``size`` is the
crown, the trunk stands in its middle (``things_green``). Vehicles and two-wheelers head along +x.
``things_site.ground_rect`` says what of a thing stands on the ground.
"""

from roadloom.town.dice import Dice
from roadloom.town.plan.things_furniture import draw_furniture, draw_shelters
from roadloom.town.plan.things_green import (
    draw_gaps,
    draw_gardens,
    draw_medians,
    draw_street_trees,
    draw_yards,
)
from roadloom.town.plan.things_houses import draw_buildings
from roadloom.town.plan.things_lights import draw_controls, draw_lamps, draw_signs
from roadloom.town.plan.things_parked import draw_motorcycles, draw_parked
from roadloom.town.plan.things_site import Site
from roadloom.town.plan.things_way import Way
from roadloom.town.plan.things_works import draw_works
from roadloom.town.plan.types import Look, RoadNet, Thing


def draw_things(dice: Dice, roads: RoadNet, look: Look) -> tuple[Thing, ...]:
    """Buildings, plants, street furniture, works and parked vehicles of a town.

    Of the look only the season matters: ``shape[0]`` of a tree is 1 in autumn.
    """
    site = Site(dice, roads, look)
    ways = [Way(street, site) for street in roads.streets]
    draw_buildings(site, ways)
    draw_controls(site, ways)
    draw_lamps(site, ways)
    draw_works(site, ways)
    draw_signs(site, ways)
    draw_shelters(site, ways)
    draw_street_trees(site, ways)
    draw_motorcycles(site, ways)
    draw_furniture(site, ways)
    draw_parked(site, ways)
    draw_medians(site, ways)
    draw_gardens(site)
    draw_gaps(site, ways)
    draw_yards(site)
    return tuple(site.things)
