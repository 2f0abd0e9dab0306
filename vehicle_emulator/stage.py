"""What a performance needs beside its vehicles: main users, a narrator, and a look at the SOC's ledger."""

from __future__ import annotations

import asyncio
from typing import IO, TYPE_CHECKING

import msgspec

from vehicle_emulator import verdict
from vehicle_emulator.messages import encode, rfc3339
from vehicle_emulator.owner import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vehicle_emulator.owner import Api
    from vehicle_emulator.scenario import Play, Scenario
    from vehicle_emulator.verdict import Heard, Verdict


class StoryLine(msgspec.Struct, frozen=True):
    """One line of the story: when, of which scenario and vehicle, and what happens."""

    at: str
    scenario: str
    vin: str
    text: str


class Stage:
    """Sets modes for those who need one, tells the story as it happens, and reads what the SOC got."""

    def __init__(
        self,
        *,
        api: Api | None = None,
        soc_ledger: Path | None = None,
        story: IO[bytes] | None = None,
        narrate: Callable[[StoryLine], None] | None = None,
    ) -> None:
        """``story`` gets a JSON line for each step at once; ``narrate`` hears the same."""
        self._api, self._soc_ledger, self._story, self._narrate = api, soc_ledger, story, narrate

    @property
    def judges(self) -> bool:
        """Whether there is a ledger to hold labels against."""
        return self._soc_ledger is not None

    def tell(self, at_ms: int, scenario: str, vin: str, text: str) -> None:
        """One more line."""
        line = StoryLine(rfc3339(at_ms), scenario, vin, text)
        if self._story is not None:
            self._story.write(encode(line) + b"\n")
            self._story.flush()
        if self._narrate is not None:
            self._narrate(line)

    async def set_scene(self, played: Scenario, vin: str, place: tuple[float, float], now_ms: int) -> bool:
        """Have the main user set the mode that a scenario needs; False: refused, so it is not played."""
        wish, api = played.mode, self._api
        if wish is None:
            return True
        if api is None:
            self.tell(now_ms, played.name, vin, "Not played: it needs the gateway's API to set a mode.")
            return False
        try:
            ends_at = await asyncio.to_thread(api.set_mode, vin, wish, place)
        except (RefusedError, OSError) as error:
            text = f"Not played: {wish.mode} mode was refused ({error})."
            self.tell(now_ms, played.name, vin, text)
            return False
        what = f"{wish.mode} mode ({wish.reason}) within {wish.radius_m} m"
        text = f"The main user sets {what}, until {ends_at[11:16]} UTC."
        self.tell(now_ms, played.name, vin, text)
        return True

    def heard(self) -> list[Heard]:
        """What the SOC got until now."""
        return [] if self._soc_ledger is None else verdict.read(self._soc_ledger)

    def judge(self, play: Play, now_ms: float) -> Verdict:
        """What became of one label until now."""
        return verdict.judge(play, self.heard(), now_ms / 1_000)
