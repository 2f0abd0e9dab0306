"""The canary: how soon after a start the gateway knows that it hears."""

from __future__ import annotations

import asyncio

from gateway.pipeline.canary import Canary, CanarySettings
from gateway.testing import FakeClock, RecordingLink
from tests.pipeline.conftest import Rig


async def test_the_first_one_leaves_as_soon_as_the_link_is_up(rig: Rig) -> None:
    link, up = RecordingLink(), asyncio.Event()
    canary = Canary(link, FakeClock(), CanarySettings(interval_s=600), "boot", rig.log)

    async def connected() -> None:
        await up.wait()

    running = asyncio.create_task(canary.run(connected))
    await asyncio.sleep(0)
    assert link.published == []
    up.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(link.published) == 1
    running.cancel()
