"""The maps in a real browser: the fleet's, and the site's own tiles below them."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog
from playwright.async_api import Page, expect

from gateway.adapters.site_map import PmtilesFile
from gateway.domain.signals import Registration
from gateway.pipeline.meters import Tally
from gateway.ports import TrackRow
from tests.api.doubles import OTHER, VIN, Gateway
from tests.api.serving import served
from tests.console.conftest import enter, picture, violations
from tests.support.browser import NewPage
from tests.support.pmtiles import archive

CLUSTERS = """() => {
    const map = document.querySelector(".map")?.map;
    return map?.getLayer("cluster") && map.queryRenderedFeatures({ layers: ["cluster"] }).length > 5;
}"""
WRECK = archive(damaged=True)
STUTTER_MS = 1000
"""Measured 250 ms on a busy machine of 2 cores that draws WebGL without a graphics card."""
WATCH_TASKS = """() => {
    self.tasks_ms = [];
    const keep = found => self.tasks_ms.push(...found.getEntries().map(one => one.duration));
    new PerformanceObserver(keep).observe({ type: "longtask" });
}"""
DRAWN = """layer => {
    const map = document.querySelector(".map")?.map;
    if (!map?.loaded() || !map.getLayer(layer)) return [];
    const found = map.queryRenderedFeatures({ layers: [layer] }).map(one => one.properties);
    return found.map(one => one.point_count ?? one.severity ?? one.name ?? "there").sort();
}"""


def place(gateway: Gateway, vin: str, latitude: float, longitude: float) -> None:
    case_id = gateway.store.states[vin].case_id
    assert case_id is not None
    gateway.store.tracked.append(TrackRow(vin, case_id, gateway.clock.now(), latitude, longitude, 400))


async def theft(gateway: Gateway, cause: str, vin: str, latitude: float, longitude: float) -> None:
    await gateway.trigger(cause, vin)
    gateway.clock.move(9)
    place(gateway, vin, latitude, longitude)


async def drawn(page: Page, layer: str, expected: list[object]) -> None:
    """Wait until a layer shows just this."""
    # A function that is no promise: one would count as true.
    await page.wait_for_function(
        f"([layer, expected]) => JSON.stringify(({DRAWN})(layer)) === JSON.stringify(expected)",
        arg=[layer, expected],
    )


@pytest.mark.parametrize(
    ("language", "theme"), [("en", "light"), pytest.param("nl", "dark", marks=pytest.mark.drill)]
)
async def test_the_fleet_map_shows_open_cases_in_clusters_and_beside_it_as_a_list(
    gateway: Gateway, new_page: NewPage, language: str, theme: str
) -> None:
    for number in range(5):
        await theft(gateway, "intrusion", f"WVWZZZ1JZXW10000{number}", 48.8 + number / 1000, 2.3)
    await theft(gateway, "tamper", VIN, 52.4, 4.9)
    await gateway.register(Registration(vin=OTHER, country="NL"))
    gateway.store.registry[OTHER] = Registration(vin=OTHER, country="NL")
    await gateway.trigger("battery_low", OTHER)
    async with served(gateway) as url:
        page = await new_page(locale=language, color_scheme=theme)
        await enter(gateway, page, url)
        await page.keyboard.press("g")
        await page.keyboard.press("f")
        await drawn(page, "one", ["critical"])
        await drawn(page, "cluster", [5])
        await expect(page.locator(".beside .row:visible")).to_have_count(6)
        await expect(page.locator(".beside .row").first).to_contain_text("± 400 m")
        await page.locator(".beside summary").click()
        await expect(page.locator(".rest td").first).to_have_text(
            "Netherlands" if language == "en" else "Nederland"
        )
        assert await violations(page) == []
        await picture(page, f"fleet-{language}-{theme}")

        await theft(gateway, "hold_up", OTHER, 50.1, 8.7)
        await drawn(page, "one", ["critical", "critical"])
        await page.keyboard.press("Home")
        await page.keyboard.press("Enter")
        await expect(page.locator(".alarm .line").first).to_contain_text(VIN)
    assert {entry.action for entry in gateway.store.trail} >= {"fleet_map.read", "fleet_map.counted"}


@pytest.mark.drill
async def test_a_click_on_a_vehicle_opens_its_case(gateway: Gateway, page: Page) -> None:
    await theft(gateway, "tamper", VIN, 52.4, 4.9)
    async with served(gateway) as url:
        await enter(gateway, page, url)
        await page.goto(f"{url}/#map")
        await drawn(page, "one", ["critical"])
        box = await page.locator(".map").bounding_box()
        assert box is not None
        await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await expect(page.locator(".alarm .line").first).to_contain_text(VIN)


async def test_the_sites_own_tiles_are_drawn(gateway: Gateway, page: Page, tmp_path: Path) -> None:
    (tmp_path / "own.pmtiles").write_bytes(archive())
    await theft(gateway, "tamper", VIN, 20, 4.9)
    site_map = PmtilesFile(tmp_path / "own.pmtiles", Tally(), structlog.get_logger())
    asked: list[str] = []
    page.on(
        "request", lambda one: asked.append(one.headers.get("range", "")) if "site-map" in one.url else None
    )
    async with served(gateway, site_map=site_map) as url:
        await enter(gateway, page, url)
        await page.goto(f"{url}/#map")
        await drawn(page, "one", ["critical"])
        await page.locator(".map").evaluate("one => void one.map.jumpTo({ center: [0, 30], zoom: 0.6 })")
        await drawn(page, "site-places", ["Testdorp"])
        await drawn(page, "site-roads", ["Testdorp"])
        await expect(page.locator(".map-note")).to_have_text("Test data")
        await picture(page, "site-map")
    pieces = [one for one in asked if one]
    assert pieces[0] == "bytes=0-16383"
    assert len(pieces) > 1


@pytest.mark.drill
@pytest.mark.parametrize("broken", [b"PK", WRECK])
async def test_a_broken_map_is_told_and_the_world_is_shown(
    gateway: Gateway, page: Page, tmp_path: Path, broken: bytes
) -> None:
    (tmp_path / "own.pmtiles").write_bytes(broken)
    meters = Tally()
    await theft(gateway, "tamper", VIN, 52.4, 4.9)
    site_map = PmtilesFile(tmp_path / "own.pmtiles", meters, structlog.get_logger())
    async with served(gateway, site_map=site_map) as url:
        await enter(gateway, page, url)
        await page.goto(f"{url}/#map")
        await drawn(page, "one", ["critical"])
        await expect(page.locator(".map-note")).to_contain_text("so this is the world")
        # At a zoom where a map of the site's own would cover it.
        assert await page.locator(".map").evaluate("one => one.map.getZoom()") > 7
        await page.wait_for_function(f"() => ({DRAWN})('land').length > 0")
    assert meters.gauges == {"gateway_site_map_ok": float(broken is WRECK)}


@pytest.mark.drill
async def test_ten_thousand_open_cases_do_not_stutter(gateway: Gateway, page: Page) -> None:
    """While alarms come and a person steps through them, the page's own thread is never held up for long."""
    vins = [f"WVWZZZ1JZXW{number:06}" for number in range(10_000)]
    for vin in vins:
        await gateway.trigger("intrusion", vin)
    gateway.clock.move(9)
    for number, vin in enumerate(vins):
        place(gateway, vin, 36 + number % 100 / 5, number // 100 / 4)
    async with served(gateway) as url:
        await enter(gateway, page, url)
        await page.goto(f"{url}/#map")
        await page.wait_for_function(CLUSTERS)
        await expect(page.locator(".over")).to_contain_text("10,000, with a position: 10,000")
        await picture(page, "fleet-10000")
        await page.evaluate(WATCH_TASKS)
        for vin in vins[:10]:
            await gateway.trigger("tamper", vin)
            await page.keyboard.press("j")
        await expect(page.locator(".beside .row.critical")).not_to_have_count(0)
        longest_ms = await longest_task_ms(page)
    assert 0 < longest_ms < STUTTER_MS


async def longest_task_ms(page: Page) -> float:
    """The longest so far; a task of a known length must be found after it, or nothing was measured."""
    await page.wait_for_timeout(5000)  # the map is drawn anew every 2 s at most
    longest_ms: float = await page.evaluate("Math.max(0, ...self.tasks_ms)")
    await page.evaluate(
        f"() => void setTimeout(() => {{ const from = performance.now();"
        f" while (performance.now() < from + {2 * STUTTER_MS}); }})"
    )
    await page.wait_for_function(f"() => Math.max(0, ...self.tasks_ms) >= {2 * STUTTER_MS}")
    return longest_ms
