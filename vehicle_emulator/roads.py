"""
A generated road network: a city, towns around it, country roads, motorways, a town across a border. Pure.

Nobody's real streets: a seed makes one region around each of a dozen places on the map. Places are nodes;
ways are the fastest along the roads, so a car is always on one.
"""

from __future__ import annotations

import heapq
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from vehicle_emulator import journey
from vehicle_emulator.dice import Dice
from vehicle_emulator.journey import KMH_PER_MPS, Leg

if TYPE_CHECKING:
    from collections.abc import Sequence

CENTRES: Final = (
    (52.09, 5.12), (51.92, 4.48), (50.85, 4.35), (50.94, 6.96), (48.78, 9.18), (48.14, 11.58), (52.52, 13.40),
    (48.86, 2.35), (45.46, 9.19), (47.37, 8.54), (40.42, -3.70), (59.33, 18.06),
)  # fmt: skip
Site = tuple[float, float]
"""East and north of the region's centre, in metres."""


class Kind(NamedTuple):
    """A kind of road: how fast, how often one stops at its end, how well the radio works."""

    limit_km_h: int
    stops: float
    airs: tuple[tuple[str, float], ...]


# Shares of bearers; what is left has LTE. "" is no coverage: valleys, tunnels.
STREET: Final = Kind(30, 0.25, (("3G", 0.02),))
ARTERIAL: Final = Kind(50, 0.35, (("3G", 0.02),))
COUNTRY: Final = Kind(80, 0.1, (("", 0.003), ("E", 0.07), ("3G", 0.12)))
MOTORWAY: Final = Kind(120, 0.0, (("3G", 0.05), ("E", 0.01)))

_CITY_BLOCKS = 13
_CITY_BLOCK_M = 460.0
_TOWN_BLOCKS = 5
_TOWN_BLOCK_M = 330.0
_TOWNS = 8
_NEAREST_TOWN_M = 7_000.0
_FARTHEST_TOWN_M = 30_000.0
_ABROAD_M = 68_000.0
_BORDER_SHARE = 0.5
_FAR_TOWN_M = 22_000.0
_JITTER_SHARE = 0.16
_MISSING_STREETS = 0.1
_FEWEST_ROADS = 3
_ROAD_BEND_M = 1_400.0
_MOTORWAY_BEND_M = 5_000.0
_URBAN_M = 2_000.0
_TUNNELS = 3
_TUNNEL_M = 500.0


class Edge(NamedTuple):
    """A road between two nodes, as seen from one of them."""

    to: int
    leg: Leg
    takes_s: float


class Town(NamedTuple):
    """A settlement: its nodes, the one in its middle first."""

    middle: int
    nodes: tuple[int, ...]


class Region:
    """One network around a place on the map."""

    def __init__(self, seed: int, index: int) -> None:
        """Lay it out; ``index`` chooses the place."""
        self.centre = CENTRES[index % len(CENTRES)]
        self._dice = dice = Dice(seed, index, "roads")
        self.sites: list[Site] = []
        self.edges: list[list[Edge]] = []
        self._trees: dict[int, list[int]] = {}
        self.city = self._grid((0.0, 0.0), _CITY_BLOCKS, _CITY_BLOCK_M)
        self.towns: list[Town] = []
        for number in range(_TOWNS):
            angle = math.tau * (number + dice.between(-0.3, 0.3)) / _TOWNS
            self.towns.append(self._town(angle, dice.between(_NEAREST_TOWN_M, _FARTHEST_TOWN_M)))
        self.abroad = self._town(dice.between(0.0, math.tau), _ABROAD_M)
        self._connect()
        self._open_up()
        self._bore_tunnels()

    def place(self, node: int) -> tuple[float, float]:
        """Latitude and longitude of a node."""
        east_m, north_m = self.sites[node]
        return journey.place(*self.centre, north_m, east_m)

    def settlement(self, node: int) -> Town:
        """The town, or the city, that a node belongs to; on the road between them: the city."""
        return next((town for town in (*self.towns, self.abroad) if node in town.nodes), self.city)

    def way(self, start: int, end: int) -> tuple[Leg, ...]:
        """The fastest way between two nodes; none from a node to itself."""
        tree, legs, node = self._tree(start), [], end
        while node != start:
            before = tree[node]
            legs.append(next(edge.leg for edge in self.edges[before] if edge.to == node))
            node = before
        legs.reverse()
        return tuple(legs)

    def nearest(self, site: Site) -> int:
        """The node closest to a site."""
        return min(range(len(self.sites)), key=lambda node: _square(self.sites[node], site))

    def site(self, position: tuple[float, float]) -> Site:
        """East and north of the centre of a position in degrees."""
        widening = math.cos(math.radians(self.centre[0]))
        north_m = (position[0] - self.centre[0]) * journey.METRES_PER_DEGREE
        return (position[1] - self.centre[1]) * journey.METRES_PER_DEGREE * widening, north_m

    def _tree(self, start: int) -> list[int]:
        """For each node the one before it on the fastest way from the start."""
        known = self._trees.get(start)
        if known is not None:
            return known
        before, best = [-1] * len(self.sites), [math.inf] * len(self.sites)
        best[start], open_nodes = 0.0, [(0.0, start)]
        while open_nodes:
            so_far_s, node = heapq.heappop(open_nodes)
            if so_far_s > best[node]:
                continue
            for edge in self.edges[node]:
                arrives_s = so_far_s + edge.takes_s
                if arrives_s < best[edge.to]:
                    best[edge.to], before[edge.to] = arrives_s, node
                    heapq.heappush(open_nodes, (arrives_s, edge.to))
        if len(self._trees) >= _MOST_TREES:
            self._trees.clear()
        self._trees[start] = before
        return before

    def _node(self, site: Site) -> int:
        self.sites.append(site)
        self.edges.append([])
        return len(self.sites) - 1

    def _road(self, one: int, other: int, kind: Kind, *, abroad: bool = False) -> None:
        """A straight road, passable both ways."""
        air = self._air(kind)
        urban = max(_square(self.sites[one], (0, 0)), _square(self.sites[other], (0, 0))) < _URBAN_M**2
        limit_mps = kind.limit_km_h / KMH_PER_MPS
        for start, end in ((one, other), (other, one)):
            heading_deg, length_m = course(self.sites[start], self.sites[end])
            leg = Leg(heading_deg, length_m, limit_mps, kind.stops, air, urban, abroad)
            self.edges[start].append(Edge(end, leg, length_m / limit_mps + kind.stops * 20.0))

    def _air(self, kind: Kind) -> str:
        throw = self._dice.unit()
        for air, share in kind.airs:
            throw -= share
            if throw < 0.0:
                return air
        return "LTE"

    def _grid(self, middle: Site, blocks: int, block_m: float) -> Town:
        """Streets of a settlement: a jittered grid, some of it missing; every third line is an arterial."""
        dice, half, shake_m = self._dice, blocks // 2, block_m * _JITTER_SHARE
        rows = []
        for north in range(-half, half + 1):
            row = []
            for east in range(-half, half + 1):
                site = (
                    middle[0] + east * block_m + shake_m * dice.bell(),
                    middle[1] + north * block_m + shake_m * dice.bell(),
                )
                row.append(self._node(site))
            rows.append(row)
        for north, row in enumerate(rows):
            for east, node in enumerate(row):
                if east + 1 < blocks:
                    self._street(node, row[east + 1], is_main=(north - half) % 3 == 0)
                if north + 1 < blocks:
                    self._street(node, rows[north + 1][east], is_main=(east - half) % 3 == 0)
        return Town(rows[half][half], tuple(node for row in rows for node in row))

    def _street(self, one: int, other: int, *, is_main: bool) -> None:
        is_missing = self._dice.chance(_MISSING_STREETS) and len(self.edges[one]) >= _FEWEST_ROADS - 1
        if is_main:
            self._road(one, other, ARTERIAL)
        elif not is_missing:
            self._road(one, other, STREET)

    def _town(self, angle: float, away_m: float) -> Town:
        middle = (math.cos(angle) * away_m, math.sin(angle) * away_m)
        return self._grid(middle, _TOWN_BLOCKS, _TOWN_BLOCK_M)

    def _connect(self) -> None:
        """Country roads from town to town and into the city; motorways to far towns and over the border."""
        for town, neighbour in zip(self.towns, (*self.towns[1:], self.towns[0]), strict=True):
            self._join(town, neighbour, COUNTRY, _ROAD_BEND_M)
            self._join(town, self.city, COUNTRY, _ROAD_BEND_M)
        for town in self.towns:
            if _square(self.sites[town.middle], (0.0, 0.0)) > _FAR_TOWN_M**2:
                self._join(town, self.city, MOTORWAY, _MOTORWAY_BEND_M)
        self._join(self.abroad, self.city, MOTORWAY, _MOTORWAY_BEND_M, abroad=True)

    def _join(self, one: Town, other: Town, kind: Kind, bend_m: float, *, abroad: bool = False) -> None:
        """A chain of bends between the nearest edges of two settlements; abroad: the first half of it."""
        start = min(one.nodes, key=lambda node: _square(self.sites[node], self.sites[other.middle]))
        end = min(other.nodes, key=lambda node: _square(self.sites[node], self.sites[start]))
        heading_deg, length_m = course(self.sites[start], self.sites[end])
        pieces = max(2, round(length_m / bend_m))
        across = math.radians(heading_deg + 90.0)
        node = start
        for piece in range(1, pieces + 1):
            share, aside_m = piece / pieces, 0.08 * bend_m * self._dice.bell()
            east_m = self.sites[start][0] + (self.sites[end][0] - self.sites[start][0]) * share
            north_m = self.sites[start][1] + (self.sites[end][1] - self.sites[start][1]) * share
            site = (east_m + math.sin(across) * aside_m, north_m + math.cos(across) * aside_m)
            following = end if piece == pieces else self._node(site)
            self._road(node, following, kind, abroad=abroad and share <= _BORDER_SHARE)
            node = following

    def _open_up(self) -> None:
        """No corner is left without a way to it: where its streets are missing it gets one."""
        reached = self._reach({self.city.middle})
        for node, site in enumerate(self.sites):
            if node not in reached:
                near = min(sorted(reached), key=lambda known: _square(self.sites[known], site))
                self._road(node, near, STREET)
                reached |= self._reach({node})

    def _reach(self, found: set[int]) -> set[int]:
        """All nodes that roads lead to from these."""
        to_do = sorted(found)
        while to_do:
            fresh = [edge.to for edge in self.edges[to_do.pop()] if edge.to not in found]
            found.update(fresh)
            to_do += fresh
        return found

    def _bore_tunnels(self) -> None:
        """A few main roads of the city run underground."""
        candidates = [
            (node, edge) for node in self.city.nodes for edge in self.edges[node]
            if edge.leg.limit_mps > STREET.limit_km_h / KMH_PER_MPS and edge.leg.length_m < _TUNNEL_M
        ]  # fmt: skip
        for _ in range(_TUNNELS):
            node, edge = self._dice.pick(candidates)
            for start, end in ((node, edge.to), (edge.to, node)):
                self.edges[start] = [_bored(each) if each.to == end else each for each in self.edges[start]]


_MOST_TREES: Final = 512


@lru_cache(maxsize=64)
def region(seed: int, index: int) -> Region:
    """The region of a seed at one of the places on the map."""
    return Region(seed, index)


def _bored(edge: Edge) -> Edge:
    return edge._replace(leg=edge.leg._replace(air="", stops=0.0))


def _square(one: Sequence[float], other: Sequence[float]) -> float:
    east_m, north_m = one[0] - other[0], one[1] - other[1]
    return east_m * east_m + north_m * north_m


def course(start: Site, end: Site) -> tuple[float, float]:
    """Heading in degrees and distance in metres."""
    east_m, north_m = end[0] - start[0], end[1] - start[1]
    heading_deg = math.degrees(math.atan2(east_m, north_m)) % 360.0
    return heading_deg, math.sqrt(east_m * east_m + north_m * north_m)
