"""Where a vehicle's people live, work, shop and go: nodes of their region's roads. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vehicle_emulator import journey, roads
from vehicle_emulator.dice import Dice
from vehicle_emulator.journey import KMH_PER_MPS, Leg

if TYPE_CHECKING:
    from vehicle_emulator.diary import Whither

_CITY: Final = 0.35
_WORK_IN_TOWN: Final = 0.25
_SHOP_IN_TOWN: Final = 0.3
_HOME_GARAGE: Final = 0.02
_WORK_GARAGE: Final = 0.06
_HOME_SOCKET: Final = 0.85
_WORK_SOCKET: Final = 0.15
_DROP_ELSEWHERE: Final = 0.4
_AT_HAND_M: Final = 60.0


class Places:
    """The places of one vehicle."""

    __slots__ = ("garages", "here", "home", "region", "school", "shop", "sockets", "work")

    def __init__(self, seed: int, vin: str) -> None:
        """Home is where the car begins."""
        dice = Dice(seed, vin, "home")
        self.region = region = roads.region(seed, dice.below(len(roads.CENTRES)))
        self.home = self.here = _anywhere(region, dice, _CITY)
        town = region.settlement(self.home)
        self.work = dice.pick(town.nodes) if dice.chance(_WORK_IN_TOWN) else _anywhere(region, dice, _CITY)
        self.school = dice.pick(town.nodes)
        self.shop = dice.pick(town.nodes) if dice.chance(_SHOP_IN_TOWN) else _anywhere(region, dice, _CITY)
        garages = ((self.home, _HOME_GARAGE), (self.work, _WORK_GARAGE))
        self.garages = tuple(node for node, share in garages if dice.chance(share))
        sockets = ((self.home, _HOME_SOCKET), (self.work, _WORK_SOCKET))
        self.sockets = tuple(node for node, share in sockets if dice.chance(share))

    def find(self, whither: Whither, dice: Dice) -> int:
        """Where one goes for this; never where one is already."""
        node = self._find(whither, dice)
        return node if node != self.here else self.region.edges[node][0].to

    def way(self, at: tuple[float, float], node: int) -> tuple[Leg, ...]:
        """From where the car stands to a node, over the nearest one if something has carried the car off."""
        region = self.region
        site = region.site(at)
        heading_deg, away_m = roads.course(site, region.sites[self.here])
        if away_m <= _AT_HAND_M:
            return region.way(self.here, node)
        self.here = region.nearest(site)
        heading_deg, away_m = roads.course(site, region.sites[self.here])
        track = Leg(heading_deg, max(1.0, away_m), roads.STREET.limit_km_h / KMH_PER_MPS)
        return (track, *region.way(self.here, node))

    def _find(self, whither: Whither, dice: Dice) -> int:
        region = self.region
        if whither == "home":
            return self.home
        if whither == "work":
            return self.work
        if whither == "school":
            return self.school
        if whither == "shop":
            return self.shop
        if whither == "far":
            return dice.pick(region.abroad.nodes)
        if whither == "visit":
            return _anywhere(region, dice, _CITY)
        if whither == "drop" and dice.chance(_DROP_ELSEWHERE):
            return _anywhere(region, dice, _CITY)
        return dice.pick(region.settlement(self.here).nodes)


def home_of(seed: int, vin: str) -> tuple[float, float]:
    """Latitude and longitude of where a vehicle lives: in or around one of a dozen cities."""
    dice = Dice(seed, vin, "home")
    region = roads.region(seed, dice.below(len(roads.CENTRES)))
    return region.place(_anywhere(region, dice, _CITY))


def degrees_per_m_east(seed: int, vin: str) -> float:
    """Degrees of longitude of a metre in the middle of a vehicle's region, and so all over its map."""
    centre = roads.CENTRES[Dice(seed, vin, "home").below(len(roads.CENTRES))]
    return journey.place(*centre, 0.0, 1.0)[1] - centre[1]


def _anywhere(region: roads.Region, dice: Dice, city_share: float) -> int:
    town = region.city if dice.chance(city_share) else dice.pick(region.towns)
    return dice.pick(town.nodes)
