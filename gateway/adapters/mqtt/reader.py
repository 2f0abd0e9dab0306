"""
The fast way in and out of a connection: large reads, taken apart in one loop; one write for all that leaves.

paho reads one packet at a time, with four calls of ``recv`` and several objects each; that was a third of all
the work of an alarm. It still owns the connection: CONNECT, SUBSCRIBE, keeping alive, and the end.

Rules of this file:

1. It begins with the CONNACK, at the border of a packet: paho has read all before it, and nothing after it.
2. paho gets every packet that is not split here, through the same function that it always read with.
3. What leaves in one turn of the loop leaves in its order, as one write.
4. Whatever is wrong ends the connection. It never raises in the loop: the broker sends it all again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from gateway.adapters.mqtt.splitter import PUBACK, Malformed, Received, Splitter, Version

RECEIVE = "_sock_recv"
"""Private name of paho: reads from the socket. Replaced, so that paho reads what is left for it."""
QUEUE = "_packet_queue"
"""Private name of paho: puts bytes into the line of what leaves, behind what paho itself sends."""
NUMBER = "_mid_generate"
"""Private name of paho: the next packet number, so that ours are never those of its own packets."""
PRIVATE_NAMES = (RECEIVE, QUEUE, NUMBER)

READ_BYTES = 128 * 1024
"""A piece that the allocator keeps for the next read; with twice as much, each begins with new pages."""


def missing_names(paho: Any) -> list[str]:
    """Private names that the installed library does not have; then its own way is taken."""
    return [name for name in PRIVATE_NAMES if not callable(getattr(paho, name, None))]


class Reader:
    """Reads and writes for one paho client, from its CONNACK to its end."""

    def __init__(
        self,
        paho: Any,
        version: Version,
        *,
        arrived: Callable[[list[Received]], None],
        answered: Callable[[int, int], None],
        coalesce_s: float = 0.0,
    ) -> None:
        self.why = ""
        """What was wrong, where it was neither side's wish to end."""
        self.next_mid: Callable[[], int] = getattr(paho, NUMBER)
        self._paho = paho
        self._loop = asyncio.get_running_loop()
        self._arrived = arrived
        self._answered = answered
        self._coalesce_s = coalesce_s
        self._splitter = Splitter(version)
        self._receive: Callable[[int], bytes] = getattr(paho, RECEIVE)
        self._queue: Callable[..., object] = getattr(paho, QUEUE)
        self._others = bytearray()
        self._drained = True
        self._out = bytearray()
        self._socket: Any = None
        self._paused = False

    def begin(self) -> None:
        """Take over; to be called while paho handles the CONNACK (rule 1)."""
        self._socket = self._paho.socket()
        setattr(self._paho, RECEIVE, self._for_paho)
        self._paho.on_socket_register_write = self._wants_to_write
        self._loop.add_reader(self._socket, self._readable)  # instead of aiomqtt's
        self._loop.call_soon(self._readable)  # TLS may hold bytes already, of which the socket knows nothing

    def send(self, packet: bytes) -> None:
        """Send a packet together with all others of this turn of the loop."""
        if not self._out:
            self._loop.call_soon(self.flush)
        self._out += packet

    def pause(self) -> None:
        """Leave what comes in the socket: when that is full, the broker keeps the rest. Acks still leave."""
        self._paused = True
        if self._is_alive():
            self._loop.remove_reader(self._socket)

    def resume(self) -> None:
        """Read on."""
        self._paused = False
        if self._is_alive():
            self._loop.add_reader(self._socket, self._readable)

    def flush(self) -> None:
        """Hand what was gathered to paho as one packet (it looks only at its bytes) and let it write."""
        if self._out:
            packets, self._out = bytes(self._out), bytearray()
            self._queue(PUBACK, packets, 0, 1)
            self._write()  # a turn of the loop later, a batch of telemetry may stand before it

    # -- reading: these run on the loop and must not raise ------------------------------------------------

    def _readable(self) -> None:
        if self._paused:
            return
        try:
            self._read()
        except Exception as error:  # noqa: BLE001  # rule 4
            self._fail(error)
            self._loop.remove_reader(self._socket)
            self._paho.disconnect()  # its goodbye can't be sent: at that it closes all
            return
        if self._coalesce_s and self._drained and self._may_read():
            # A little later there is more of it, and reading it at once costs less than in parts.
            self._loop.remove_reader(self._socket)
            self._loop.call_later(self._coalesce_s, self._read_on)

    def _read(self) -> None:
        while self._is_alive():
            self._paho.loop_read()
            if not self._others:
                return

    def _read_on(self) -> None:
        if self._may_read():
            self._loop.add_reader(self._socket, self._readable)

    def _may_read(self) -> bool:
        return self._is_alive() and not self._paused

    def _is_alive(self) -> bool:
        return self._paho.socket() is self._socket

    def _for_paho(self, size: int) -> bytes:
        """What paho reads from, instead of the socket: the packets left for it, or the end."""
        if not self._others and self._pull() and not self._others:
            raise BlockingIOError
        part = bytes(self._others[:size])
        del self._others[:size]
        return part

    def _pull(self) -> bool:
        """Read from the socket; False at its end. Errors: OSError, which paho knows how to take."""
        data = self._receive(READ_BYTES)
        if data and hasattr(self._socket, "pending"):
            data = self._with_more_records(data)
        self._drained = len(data) < READ_BYTES
        try:
            split = self._splitter.feed(data)
        except Malformed as error:
            self.why = f"the broker sent {error}"
            raise
        self._others += split.others
        for mid, reason_code in split.answers:
            self._answered(mid, reason_code)
        if split.messages:
            self._arrived(split.messages)
        return bool(data)

    def _with_more_records(self, data: bytes) -> bytes:
        """
        TLS is read a record at a time, and a broker makes one of each message: read what else has come.

        Whole records: nothing stays behind of which the socket knows nothing.
        """
        parts, size = [data], len(data)
        with contextlib.suppress(BlockingIOError):
            while data and size < READ_BYTES:
                data = self._receive(READ_BYTES)
                parts.append(data)
                size += len(data)
            if not data:
                self._loop.call_soon(self._readable)  # the end, which the socket need not show again
        return b"".join(parts)

    # -- writing ------------------------------------------------------------------------------------------

    def _wants_to_write(self, *_paho: object) -> None:
        """Paho has something to send, and says so once until all of it has left."""
        self._loop.call_soon(self._write)

    def _write(self) -> None:
        try:
            self._paho.loop_write()
        except Exception as error:  # noqa: BLE001  # rule 4
            self._fail(error)
            return
        if self._is_alive() and self._paho.want_write():
            self._loop.add_writer(self._socket, self._write)  # the socket is full: when it has room again

    def _fail(self, error: Exception) -> None:
        """Shut the socket: whoever reads or writes next finds the end, and paho closes all."""
        self.why = self.why or f"{type(error).__name__}: {error}"
        if self._is_alive():
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
