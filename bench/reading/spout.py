"""
Pours telemetry: at whoever subscribes, as a stand-in for the broker, or into a broker.

    python -m bench.reading.spout --port 1 --messages 2 --vehicles 3 --qos 0
    python -m bench.reading.spout --port 1 --messages 2 --vehicles 3 --qos 0 --into-when FILE

The stand-in leaves nothing but the consumer to be measured. Into a broker it begins when FILE exists.
"""

from __future__ import annotations

import argparse
import socket
import time
from pathlib import Path

from bench.reading import traffic
from devtools.broker import HOST
from vehicle_emulator import codec

MOMENT_S = 0.3
"""So long after the SUBACK the stream begins: a subscriber must be ready."""
CONNECTIONS = 4
"""A broker reads one connection a turn at a time."""


def main() -> None:
    """Pour once."""
    parser = argparse.ArgumentParser()
    for name in ("port", "messages", "vehicles", "qos"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--into-when", type=Path)
    options = parser.parse_args()
    wanted = {"vehicles": options.vehicles, "messages": options.messages, "qos": options.qos}
    if options.into_when is None:
        serve(options.port, options.qos, traffic.streams(**wanted))
    else:
        publish(options.port, options.into_when, wanted)


def serve(port: int, qos: int, data: list[bytes]) -> None:
    """Serve one subscriber."""
    with socket.create_server((HOST, port)) as server:
        while True:
            client, _address = server.accept()
            with client:
                if not _greet(client, qos):
                    continue  # somebody only looked whether we listen
                time.sleep(MOMENT_S)
                traffic.pour([client], data)
                traffic.read_to_end(client)
                return


def publish(port: int, when: Path, wanted: dict[str, int]) -> None:
    """Publish into a broker; by MQTT 3.1.1, where it bounds nothing of what is unacknowledged."""
    version = codec.Version.V311
    data = traffic.streams(**wanted, version=version, count=CONNECTIONS)
    sockets = []
    for number in range(CONNECTIONS):
        sock = socket.create_connection((HOST, port))
        sock.sendall(codec.encode_connect(version, codec.Greeting(f"spout-{number}", "", None, "", b"", 60)))
        sock.recv(traffic.PART_BYTES)
        sockets.append(sock)
    while not when.exists():
        time.sleep(0.01)
    traffic.pour(sockets, data)
    time.sleep(3600)  # whoever measures ends us: a broker may not have read all yet


def _greet(client: socket.socket, qos: int) -> bool:
    """Answer CONNECT and SUBSCRIBE as a broker would; False if neither comes."""
    rest = b""
    while data := client.recv(traffic.PART_BYTES):
        packets, rest = codec.split(rest + data, 1 << 20)
        for packet in packets:
            if packet.first >> 4 == codec.Kind.CONNECT:
                client.sendall(b"\x20\x03\x00\x00\x00")
            elif packet.first >> 4 == codec.Kind.SUBSCRIBE:
                client.sendall(b"\x90\x04" + packet.body[:2] + bytes((0, qos)))
                return True
    return False


if __name__ == "__main__":
    main()
