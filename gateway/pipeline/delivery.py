"""
Delivery: from the store's outbox to the SOCs.

1. A message is durable before ``committed`` hears of it; nothing here may lose it, a crash only repeats it.
2. Sinks (``outlet``) share nothing but the store and the marks: one that hangs slows neither the others nor
   the decider.
3. A standby sink gets what a primary has parked or not confirmed in time.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec

from gateway.errors import StoreError
from gateway.pipeline.marks import Marks
from gateway.pipeline.messages import CloudEvent
from gateway.pipeline.meters import Meters
from gateway.pipeline.outlet import Outlet, Shared, Way
from gateway.pipeline.quota import Quota
from gateway.ports import Clock, Message, Outcome, Retry, Store, Tried

DEFAULT_SOC = "default"

STAND_BY_EVERY_S = 2.0
STAND_BY_AFTER = timedelta(seconds=15)
STAND_BY_AT_ONCE = 500
STAND_BY_ROUNDS = 20
TESTS_AT_ONCE, TESTS_PER_S = 3, 1 / 60
"""Of one vehicle: a workshop must not keep the SOC busy."""
TEST_WITHIN_S = 15.0


class Delivery:
    """All ways out. Implements SinkTester."""

    def __init__(
        self,
        *,
        store: Store,
        ways: Sequence[Way],
        feed_id: str,
        clock: Clock,
        rng: random.Random,
        meters: Meters,
        log: Any,
    ) -> None:
        self._store = store
        self._clock = clock
        self._rng = rng
        self._log = log
        self._marks = Marks(store)
        shared = Shared(store, clock, rng, meters, log, feed_id, self._marks)
        self._outlets = {way.plan.name: Outlet(way, shared) for way in ways}
        if len(self._outlets) != len(ways):
            raise ValueError("Every sink needs a name of its own.")
        self._primaries = self._by_soc(role="primary")
        self._feed_id = feed_id
        self._stand_by_now = asyncio.Event()
        self._tests = Quota(TESTS_AT_ONCE, TESTS_PER_S)
        for outlet in self._outlets.values():
            outlet.parked = self._stand_by_now

    async def run(self) -> None:
        """Deliver until cancelled; then what ended is still marked, if the store takes it soon."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._marks.run(), name="delivery marks")
                if any(outlet.plan.role == "standby" for outlet in self._outlets.values()):
                    group.create_task(self._stand_by(), name="delivery standby")
                for outlet in self._outlets.values():
                    group.create_task(outlet.run(), name=f"delivery {outlet.name}")
        finally:
            with contextlib.suppress(StoreError, TimeoutError):
                async with asyncio.timeout(2):
                    await self._marks.flush()

    async def rest(self, within_s: float) -> None:
        """Start nothing more and let what is being sent end: fewer repeats after a planned stop."""
        await asyncio.gather(*(outlet.rest(within_s) for outlet in self._outlets.values()))

    def committed(self, messages: Sequence[Message]) -> None:
        """These are durable, with their outbox rows. Cheap; never blocks."""
        for message in messages:
            for outlet in self._primaries_of(message.soc):
                outlet.add(message)

    def escalated(self, socs: Collection[str]) -> None:
        """Standby sinks of these SOCs have something new in the store."""
        for soc in socs:
            for outlet in self._all_of(soc):
                if outlet.plan.role == "standby":
                    outlet.read_backlog()

    def unrecorded(self, message: Message) -> bool:
        """
        The store fails: send this from memory to every sink of its SOC, rather twice than never.

        False if none of them had room: it must be told again.
        """
        outlets = self._all_of(message.soc)
        return any([outlet.tell(message) for outlet in outlets]) if outlets else True  # noqa: C419  # every one

    def heartbeat(self, body: bytes) -> None:
        """Send a ``gateway.heartbeat`` to the sinks that ask for it and are not still busy with the last."""
        for outlet in self._outlets.values():
            if outlet.heartbeat and not outlet.is_telling:
                outlet.tell(self._loose(outlet, "gateway.heartbeat", "", body))

    def sinks(self) -> list[str]:
        """Names of the configured sinks."""
        return list(self._outlets)

    def states(self) -> dict[str, Literal["ok", "failing"]]:
        """How each sink is: ``ok`` or ``failing``."""
        return {name: "failing" if outlet.is_failing() else "ok" for name, outlet in self._outlets.items()}

    def failing_for_s(self, sink: str) -> float:
        """For how long a sink has confirmed nothing; 0 while it is well."""
        return self._outlets[sink].failing_for_s()

    def poke(self, sink: str, subject: str) -> None:
        """Deliveries of this vehicle have become pending again."""
        if (outlet := self._outlets.get(sink)) is not None:
            outlet.offer(subject)

    async def test(self, sink: str, vin: str | None = None) -> Outcome | None:
        """Send a marked test alarm, of a vehicle or of none, to one sink; None if there is no such sink."""
        outlet = self._outlets.get(sink)
        if outlet is None:
            return None
        alarm_id = f"test-{self._rng.getrandbits(64):016x}"
        body = msgspec.json.encode(self._test_alarm(outlet.plan.soc, alarm_id, vin))
        try:
            async with asyncio.timeout(TEST_WITHIN_S):
                return await outlet.send(self._loose(outlet, "alarm.raised", alarm_id, body))
        except TimeoutError:
            return Retry(f"no answer within {TEST_WITHIN_S:.0f} s")

    async def test_vehicle(self, vin: str, soc: str) -> list[Tried] | None:
        """Send a vehicle's marked test alarm to every sink that its alarms go to; None: too often."""
        if not self._tests.takes(vin, self._clock.mono_s()):
            return None
        return await asyncio.gather(*(self._try(outlet, vin) for outlet in self._all_of(soc)))

    async def _try(self, outlet: Outlet, vin: str) -> Tried:
        began_s = self._clock.mono_s()
        outcome = await self.test(outlet.name, vin)
        return Tried(outlet.plan, outcome or Retry("gone"), self._clock.mono_s() - began_s)

    # -- inside -------------------------------------------------------------------------------------------

    def _by_soc(self, role: str | None = None) -> dict[str, list[Outlet]]:
        by_soc: dict[str, list[Outlet]] = {}
        for outlet in self._outlets.values():
            if role is None or outlet.plan.role == role:
                by_soc.setdefault(outlet.plan.soc, []).append(outlet)
        return by_soc

    def _primaries_of(self, soc: str) -> list[Outlet]:
        return self._primaries.get(soc) or self._primaries.get(DEFAULT_SOC, [])

    def _all_of(self, soc: str) -> list[Outlet]:
        by_soc = self._by_soc()
        return by_soc.get(soc) or by_soc.get(DEFAULT_SOC, [])

    def _loose(self, outlet: Outlet, kind: str, alarm_id: str, body: bytes) -> Message:
        """Make a message that stands in no feed."""
        return Message(
            soc=outlet.plan.soc,
            sequence=0,
            type=kind,
            alarm_id=alarm_id,
            subject="",
            critical=False,
            body=body,
            created_at=self._clock.now(),
        )

    def _test_alarm(self, soc: str, alarm_id: str, vin: str | None) -> CloudEvent[dict[str, Any]]:
        now = self._clock.now()
        data: dict[str, Any] = {
            "sequence": None,
            "recorded": False,
            "test": True,
            "soc": soc,
            "alarm_id": alarm_id,
            "vin": vin,
            "cause": "unknown",
            "class": "technical",
            "severity": "minor",
            "state": "open",
            "silent": True,
            "raised_at": now,
            "count": 1,
            "event_ids": [],
            "note": "Test of this way to the SOC: nothing has happened, nothing needs to be done.",
        }
        source = f"vehicle-gateway/{self._feed_id}"
        return CloudEvent(
            id=alarm_id, source=source, type="alarm.raised", subject=vin or alarm_id, time=now, data=data
        )

    async def _stand_by(self) -> None:
        """Every other second, and at once when something is parked: give the standby sinks their share."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STAND_BY_EVERY_S):
                    await self._stand_by_now.wait()
            self._stand_by_now.clear()
            with contextlib.suppress(StoreError):
                await self._stand_by_once()

    async def _stand_by_once(self) -> None:
        """Errors: StoreError; what was not handed over is found again in two seconds."""
        await self._marks.flush()
        told: set[str] = set()
        for _ in range(STAND_BY_ROUNDS):
            given = await self._store.stand_by(self._clock.now() - STAND_BY_AFTER, STAND_BY_AT_ONCE)
            told.update(given)
            if not given:
                break
        for name in told & self._outlets.keys():
            self._outlets[name].read_backlog()
        if told:
            self._log.warning("delivery.stood_by", sinks=sorted(told))
