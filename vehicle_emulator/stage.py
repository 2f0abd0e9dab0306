"""What a performance needs beside its vehicles: main users, a narrator, and a look at the SOC's ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from vehicle_emulator import verdict
from vehicle_emulator.messages import encode, rfc3339
from vehicle_emulator.owner import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from vehicle_emulator.files import Writes
    from vehicle_emulator.owner import Owners
    from vehicle_emulator.scenario import Play, Scenario
    from vehicle_emulator.verdict import Heard, Verdict


NOT_PLAYED: Final = "Not played"


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
        owners: Owners | None = None,
        soc_ledger: Path | None = None,
        story: Writes | None = None,
        narrate: Callable[[StoryLine], None] | None = None,
    ) -> None:
        """``story`` gets a JSON line for each step at once; ``narrate`` hears the same."""
        self._owners, self._soc_ledger, self._story, self._narrate = owners, soc_ledger, story, narrate

    @property
    def judges(self) -> bool:
        """Whether there is a ledger to hold labels against."""
        return self._soc_ledger is not None

    def tell(self, at_ms: int, scenario: str, vin: str, text: str) -> None:
        """One more line."""
        self.pass_on(StoryLine(rfc3339(at_ms), scenario, vin, text))

    def pass_on(self, line: StoryLine) -> None:
        """A line as it is."""
        if self._story is not None:
            self._story.write(encode(line) + b"\n")
            self._story.flush()
        if self._narrate is not None:
            self._narrate(line)

    async def set_scene(self, played: Scenario, vin: str, place: tuple[float, float], now_ms: int) -> bool:
        """Have people do what a scenario needs of them; False: it can't be, so it is not played."""
        if not played.needs_people:
            return True
        if self._owners is None:
            self.tell(now_ms, played.name, vin, f"{NOT_PLAYED}: its main user can't reach the gateway's API.")
            return False
        try:
            for line in await self._done(self._owners, played, vin, place):
                self.tell(now_ms, played.name, vin, line)
        except (RefusedError, OSError) as error:
            self.tell(now_ms, played.name, vin, f"{NOT_PLAYED}: the main user was refused ({error}).")
            return False
        return True

    async def _done(
        self, owners: Owners, played: Scenario, vin: str, place: tuple[float, float]
    ) -> list[str]:
        """What people did, a line each. Errors: RefusedError, OSError."""
        lines = []
        if (wish := played.mode) is not None:
            ends_at = await owners.set_mode(vin, wish, place)
            what = f"{wish.mode} mode ({wish.reason}) within {wish.radius_m} m"
            lines.append(f"The main user sets {what}, until {ends_at[11:16]} UTC.")
        if played.sale is not None:
            lines.append(f"The main user hands the car over to {await owners.sell(vin)}.")
        return lines

    def heard(self) -> list[Heard]:
        """What the SOC got until now."""
        return [] if self._soc_ledger is None else verdict.read(self._soc_ledger)

    def judge(self, play: Play, plays: Iterable[Play], now_ms: float) -> Verdict:
        """What became of one label until now; ``plays`` are all of its vehicle."""
        return verdict.judge(play, self.heard(), now_ms / 1_000, plays)
