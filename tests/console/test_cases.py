"""A case on two desks at once, in real browsers."""

from __future__ import annotations

import re
import time

from msgspec.structs import replace
from playwright.async_api import Page, expect

from devtools.broker import HOST, free_ports
from gateway.domain.cases import CaseAct
from gateway.domain.signals import Acknowledge, ActOnCase, TheftReport
from gateway.ports import Role
from tests.api.doubles import OTHER, VIN, Gateway
from tests.api.serving import quickest, served
from tests.console.conftest import enter
from tests.support.browser import NewPage, reload

HEAD = "([text]) => document.querySelector('.alarm .head').textContent.includes(text)"


HOLD_CLAIM = """() => { const real = fetch; window.fetch = async (path, ...more) => {
    if (String(path).endsWith('/claim')) await new Promise((done) => { window.go = done; });
    return real(path, ...more); }; }"""


async def by_api(gateway: Gateway, act: CaseAct, by: str = "lee", role: Role = "operator") -> None:
    """Somebody acts on the case from elsewhere."""
    case = gateway.store.states[VIN].case
    assert case is not None
    fact = ActOnCase(received_at=gateway.clock.now(), case_id=case.case_id, act=act, by=by, role=role)
    await gateway.act(VIN, fact)


async def at_the_case(gateway: Gateway, page: Page, url: str, name: str) -> None:
    """Log in and open the only case."""
    await enter(gateway, page, url, name)
    await expect(page.locator(".row:visible")).to_have_count(1)
    await page.keyboard.press("Home")
    await page.keyboard.press("Enter")
    await expect(page.locator(".alarm .acts button").first).to_be_visible()


async def test_what_another_does_is_seen_within_a_second_and_handing_back_too(
    gateway: Gateway, page: Page
) -> None:
    await gateway.trigger("tamper")
    async with served(gateway) as url:
        await at_the_case(gateway, page, url, "kim")

        async def once() -> float:
            await by_api(gateway, "claim")
            began_s = time.monotonic()
            await page.wait_for_function(HEAD, arg=["lee has it"], polling=10)
            took_s = time.monotonic() - began_s
            await by_api(gateway, "release")
            await page.wait_for_function(HEAD, arg=["Nobody has it"], polling=10)
            return took_s

        assert await quickest(once, 1.0) < 1.0
        await page.keyboard.press("Escape")
        await expect(page.locator(".row .whose")).to_have_text("Nobody")
        await expect(page.locator(".row .press")).to_be_visible()


async def test_of_two_who_claim_at_once_one_has_it_and_the_other_is_told_who(
    gateway: Gateway, new_page: NewPage
) -> None:
    await gateway.trigger("tamper")
    async with served(gateway) as url:
        pages = {name: await new_page() for name in ("kim", "sam")}
        for name, page in pages.items():
            await at_the_case(gateway, page, url, name)
        # Both hold their claim back until the other has asked as well.
        for page in pages.values():
            await page.evaluate(HOLD_CLAIM)
            await page.keyboard.press("a")
            await page.wait_for_function("() => window.go")
        for page in pages.values():
            await page.evaluate("() => window.go()")
        head = pages["kim"].locator(".alarm .head")
        await expect(head).to_contain_text(re.compile("(kim|sam) has it"))
        winner = "kim" if "kim has it" in (await head.text_content() or "") else "sam"
        loser = "sam" if winner == "kim" else "kim"
        await expect(pages[loser].locator(".alarm > .wrong")).to_contain_text(f"claimed by {winner}")
        for page in pages.values():
            await expect(page.locator(".alarm .head")).to_contain_text(f"{winner} has it")
        await expect(pages[winner].locator(".alarm > .wrong")).to_be_empty()


async def test_who_holds_a_case_is_told_who_takes_it_over(gateway: Gateway, page: Page) -> None:
    await gateway.trigger("tamper")
    async with served(gateway) as url:
        await at_the_case(gateway, page, url, "kim")
        await page.keyboard.press("a")
        await expect(page.locator(".alarm .acts [aria-keyshortcuts=y]")).to_be_visible()
        await by_api(gateway, "claim", "sam", "supervisor")
        await expect(page.locator(".alarm > .wrong")).to_have_text("sam has taken over this case.")


async def test_an_alarm_that_another_has_just_acknowledged_spoils_no_claim(
    gateway: Gateway, page: Page
) -> None:
    await gateway.trigger("tamper")
    async with served(gateway) as url:
        await at_the_case(gateway, page, url, "kim")
        [alarm] = gateway.store.states[VIN].alarms.values()
        now = gateway.clock.now()
        await gateway.act(VIN, Acknowledge(received_at=now, alarm_id=alarm.alarm_id, by="lee", note=None))
        # The page does not know it yet: its own question is answered by a refusal.
        answer = await page.evaluate(
            """async (id) => { const { acknowledge } = await import("/console/js/acts.js"); const put = [];
              const item = { caseId: location.hash.split("/")[1],
                alarms: new Map([[id, { alarm_id: id, state: "open" }]]) };
              await acknowledge({ me: { may: [] }, alarms: { put: (one) => put.push(one.state) } }, item);
              return put; }""",
            alarm.alarm_id,
        )
        assert answer == ["acknowledged"]


async def test_a_refusal_is_told_in_the_readers_language(gateway: Gateway, new_page: NewPage) -> None:
    await gateway.trigger("tamper")
    async with served(gateway) as url:
        page = await new_page(locale="nl")
        await at_the_case(gateway, page, url, "kim")
        await page.evaluate(HOLD_CLAIM)
        await page.keyboard.press("a")
        await page.wait_for_function("() => window.go")
        await by_api(gateway, "claim")
        await page.evaluate("() => window.go()")
        await expect(page.locator(".alarm > .wrong")).to_have_text("De zaak is in handen van lee.")


async def test_a_reload_in_the_middle_of_a_case_and_a_lost_gateway_lose_nothing(
    gateway: Gateway, page: Page
) -> None:
    await gateway.trigger("tamper")
    listen = f"{HOST}:{free_ports(1)[0]}"
    async with served(gateway, listen) as url:
        await at_the_case(gateway, page, url, "kim")
        await page.keyboard.press("a")
        await expect(page.locator(".alarm .head")).to_contain_text("kim has it")
        await reload(page)
        await expect(page.locator(".alarm .head")).to_contain_text("kim has it")
        await expect(page.locator(".alarm .acts [aria-keyshortcuts=y]")).to_be_visible()
    await expect(page.locator("#link")).to_have_attribute("data-state", "lost")
    await by_api(gateway, "release", by="kim")
    async with served(gateway, listen):
        await expect(page.locator(".alarm .head")).to_contain_text("Nobody has it")
        await expect(page.locator("#fault")).to_be_hidden()


async def test_what_waits_for_a_second_person_is_told_to_the_others_on_every_page(
    gateway: Gateway, new_page: NewPage
) -> None:
    await gateway.trigger("tamper")
    async with served(gateway) as url:
        kim, sam = await new_page(), await new_page(locale="nl")
        await enter(gateway, kim, url, "kim")
        await enter(gateway, sam, url, "sam")
        for act in ("claim", "confirm", "recover"):
            await by_api(gateway, act, "kim")
        notice = sam.locator("#asked")
        await expect(notice).to_contain_text(f"kim vraagt: Teruggevonden · {VIN}")
        await expect(sam.locator(".row .cause + small")).to_contain_text("kim vraagt: Teruggevonden")
        await expect(kim.locator(".row .cause + small")).to_contain_text("kim asks: Recovered")
        await expect(kim.locator("#asked")).to_be_hidden()
        report = TheftReport(received_at=gateway.clock.now(), by="lee", role="operator", approval_key="k")
        await gateway.act(OTHER, report)
        await expect(notice).to_contain_text("(en nog 1)")
        await sam.keyboard.press("s")
        await expect(sam.locator(".alarm .asked")).to_contain_text("kim vraagt: Teruggevonden. Een tweede")
        await reload(sam)
        await expect(notice).to_contain_text("(en nog 1)")
        await sam.keyboard.press("s")
        await sam.keyboard.press("s")
        await sam.wait_for_url(f"{url}/#vehicle/{OTHER}")
        await by_api(gateway, "recover", "sam")
        await expect(notice).to_contain_text(f"lee vraagt: Diefstal melden · {OTHER}")
        await gateway.act(OTHER, replace(report, by="kim"))
        await expect(notice).to_be_hidden()
