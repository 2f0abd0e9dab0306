"""
The way to one receiver address: connections, its clock, and how it is.

1. At most ``connections`` exchanges at once, one a connection; the others wait within their time.
2. ``NAK`` with the receiver's time: that time is kept as an offset and the same frame is sent once more.
3. A kept connection that ended unnoticed is replaced once, with the same number in the frame.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.adapters.sinks.sia_dc09.connections import Busy, Connection, Ended, NoAnswer, connect
from gateway.adapters.sinks.sia_dc09.frame import Answer, Frame, encode
from gateway.ports import Clock

TRY_AGAIN_S: Final = 30.0
ACK_WINDOW: Final = timedelta(minutes=5)
"""How far an encrypted ACK's time may be off: an older one was recorded, and is being played back."""


class Path:
    """One receiver address."""

    def __init__(
        self, name: str, url: str, *, key: bytes | None, connections: int, clock: Clock, log: Any
    ) -> None:
        parts = urlsplit(url)
        self.name = name
        self._scheme, self._host, self._port = parts.scheme, parts.hostname or "", parts.port or 0
        self._key = key
        self._clock = clock
        self._log = log
        self._slots = asyncio.Semaphore(connections)
        self._kept: list[Connection] = []
        self._offset = timedelta()
        self._in_flight = 0
        self._acknowledged_mono_s: float | None = None
        self._try_again_mono_s = 0.0
        self.failing = False

    async def ask(self, frame: Frame, within_s: float) -> Answer:
        """
        Send a frame and give its answer, the second one if the first asked for another time.

        Errors:  NoAnswer, at the end of its time at the latest.
        """
        self._in_flight += 1
        try:
            answer = await self._ask(frame, within_s)
        except Busy:
            raise
        except NoAnswer as silence:
            self._failed(str(silence))
            raise
        finally:
            self._in_flight -= 1
        self._lived(acknowledged=answer.identity == "ACK")
        return answer

    def was_heard(self, within_s: float) -> bool:
        """Whether it acknowledged so recently, and nothing since raised a doubt."""
        at = self._acknowledged_mono_s
        quiet = not self.failing and not self._in_flight
        return quiet and at is not None and self._clock.mono_s() - at < within_s

    def is_worth_a_try(self) -> bool:
        """Whether it works, as far as known. Of a failing one True once in 30 s, for one message."""
        now = self._clock.mono_s()
        if not self.failing:
            return True
        if now < self._try_again_mono_s:
            return False
        self._try_again_mono_s = now + TRY_AGAIN_S
        return True

    def close(self) -> None:
        """Give back what is kept."""
        while self._kept:
            self._kept.pop().close()

    # -- inside -------------------------------------------------------------------------------------------

    async def _ask(self, frame: Frame, within_s: float) -> Answer:
        started = False
        try:
            async with asyncio.timeout(within_s), self._slots:
                started = True
                answer = await self._exchange(frame)
                if answer.identity == "NAK" and self._correct(answer):
                    answer = await self._exchange(frame)
                return answer
        except TimeoutError as late:  # an OSError as well: asked for first
            if not started:
                raise Busy("every connection is in use") from late
            raise NoAnswer(f"no answer within {within_s:.3g} s") from late
        except (OSError, ValueError) as error:
            raise NoAnswer(str(error) or type(error).__name__) from error

    async def _exchange(self, frame: Frame) -> Answer:
        while self._kept:
            kept = self._kept.pop()
            if not kept.usable:
                kept.close()
                continue
            try:
                return await self._over(kept, frame)
            except (Ended, ConnectionError):
                break
        return await self._over(await connect(self._scheme, self._host, self._port), frame)

    async def _over(self, connection: Connection, frame: Frame) -> Answer:
        try:
            sent = encode(frame, self._clock.now() + self._offset, self._key)
            answer = await connection.exchange(sent, frame, self._key)
            self._refuse_old(answer)
        except BaseException:
            connection.close()
            raise
        if connection.usable:
            self._kept.append(connection)
        else:
            connection.close()
        return answer

    def _refuse_old(self, answer: Answer) -> None:
        if not answer.encrypted or answer.at is None:
            return
        if abs(answer.at - self._clock.now() - self._offset) > ACK_WINDOW:
            raise NoAnswer("the encrypted answer bears another time")

    def _correct(self, answer: Answer) -> bool:
        """Take the receiver's time over; False if it gave none."""
        if answer.at is None:
            return False
        self._offset = answer.at - self._clock.now()
        offset_s = round(self._offset.total_seconds(), 1)
        self._log.warning("delivery.clock_corrected", path=self.name, offset_s=offset_s)
        return True

    def _failed(self, reason: str) -> None:
        self._try_again_mono_s = self._clock.mono_s() + TRY_AGAIN_S
        if not self.failing:
            self.failing = True
            self._log.warning("delivery.path_failed", path=self.name, reason=reason)

    def _lived(self, *, acknowledged: bool) -> None:
        if acknowledged:
            self._acknowledged_mono_s = self._clock.mono_s()
        if self.failing:
            self.failing = False
            self._log.info("delivery.path_recovered", path=self.name)
