"""The broker harness: what it must keep, lose and outlive."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools import ROOT
from devtools.broker import HOST, Broker, _serves, free_ports
from devtools.mosquitto import Mosquitto
from tests.devtools.client import Client, RefusedError

VIN = "TEST0000000000001"
TOPIC = f"v1/vehicles/{VIN}/theft-sensor"
MONTH_S = 30 * 24 * 3600


@pytest.fixture
def own_broker(mosquitto: Mosquitto) -> Iterator[Broker]:
    """A broker that a test may kill."""
    with Broker(mosquitto=mosquitto) as broker:
        broker.add("vehicles", VIN)
        yield broker


def _gateway(broker: Broker) -> Client:
    return Client(broker, "gateways", "gateway", client_id="gateway-events", session_s=MONTH_S)


def _leave_a_session(broker: Broker) -> None:
    with _gateway(broker) as gateway:
        gateway.subscribe("v1/vehicles/+/theft-sensor")


def _send(broker: Broker, *payloads: bytes) -> None:
    with Client(broker, "vehicles", VIN) as vehicle:
        for payload in payloads:
            assert vehicle.publish(TOPIC, payload)


def _waiting(broker: Broker) -> list[tuple[str, bytes]]:
    with _gateway(broker) as gateway:
        return gateway.received()


def test_messages_wait_for_a_gateway_that_is_away(own_broker: Broker) -> None:
    """A persistent session collects while its client is gone."""
    _leave_a_session(own_broker)
    _send(own_broker, b"1", b"2")
    assert _waiting(own_broker) == [(TOPIC, b"1"), (TOPIC, b"2")]


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed after a save"])
def test_waiting_messages_survive_a_restart(own_broker: Broker, *, kill: bool) -> None:
    """What was queued before a restart, and what comes after it for the same absent gateway, all arrives."""
    _leave_a_session(own_broker)
    _send(own_broker, b"before")
    if kill:
        own_broker.save()
    own_broker.restart(kill=kill)
    _send(own_broker, b"after")
    assert _waiting(own_broker) == [(TOPIC, b"before"), (TOPIC, b"after")]


def test_a_session_lives_through_two_restarts(own_broker: Broker) -> None:
    """A session restored from disk is saved again as it was."""
    _leave_a_session(own_broker)
    own_broker.restart()
    _send(own_broker, b"between")
    own_broker.restart()
    assert _waiting(own_broker) == [(TOPIC, b"between")]


def test_without_persistence_a_restart_forgets(mosquitto: Mosquitto) -> None:
    """The harness can be a broker that remembers nothing."""
    with Broker(mosquitto=mosquitto, persistence=False) as broker:
        broker.add("vehicles", VIN)
        _leave_a_session(broker)
        _send(broker, b"lost")
        broker.restart()
        assert _waiting(broker) == []


def test_ports_stay_the_same_through_kills(own_broker: Broker) -> None:
    """Clients find a restarted broker where it was."""
    ports, pid = dict(own_broker.ports), own_broker.pid
    own_broker.restart(kill=True)
    assert (own_broker.ports, own_broker.pid != pid, own_broker.running) == (ports, True, True)


def test_a_paused_broker_answers_nothing_and_then_everything(own_broker: Broker) -> None:
    """A frozen broker looks like a dead link and loses nothing."""
    with Client(own_broker, "vehicles", VIN) as vehicle:
        own_broker.pause()
        time.sleep(0.05)  # nothing announces that nothing happens
        own_broker.resume()
        assert vehicle.publish(TOPIC)


def test_users_come_and_go_while_it_runs(own_broker: Broker) -> None:
    """A new user connects at once, a removed one no more."""
    own_broker.add("users", "carol")
    Client(own_broker, "users", "carol").cut()
    password = own_broker.passwords["users"]["carol"]
    own_broker.remove("users", "carol")
    with pytest.raises(RefusedError):
        Client(own_broker, "users", "carol", password=password)


def test_each_gateway_user_has_the_rights_of_a_gateway(mosquitto: Mosquitto) -> None:
    """Two gateways share the rules and not the password."""
    with Broker(mosquitto=mosquitto, gateways=("gateway-a", "gateway-b")) as broker:
        for name in ("gateway-a", "gateway-b"):
            with Client(broker, "gateways", name) as gateway:
                assert gateway.publish(f"v1/vehicles/{VIN}/receipt")


@pytest.mark.parametrize(("limit", "survives"), [(True, False), (False, True)], ids=["limited", "unlimited"])
def test_packet_size_limit_is_an_option(mosquitto: Mosquitto, *, limit: bool, survives: bool) -> None:
    """Drills may send what the shipped profile refuses."""
    with Broker(mosquitto=mosquitto, max_packet_size=limit) as broker:
        broker.add("vehicles", VIN)
        with Client(broker, "vehicles", VIN) as client:
            assert client.publish(TOPIC, b"x" * 70_000) is survives


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    """A killed test run leaves no broker behind."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        broker_pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until = time.monotonic() + 30
    while _lives(broker_pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert not _lives(broker_pid)


PARENT = """
import sys, time
from pathlib import Path
from devtools.broker import Broker
broker = Broker(folder=Path(sys.argv[1]))
broker.start()
print(broker.pid, flush=True)
time.sleep(60)
"""


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
    return state != "Z"


def test_a_port_that_nobody_answers_is_not_served() -> None:
    """A broker that listens and has not begun to answer would die of a SIGHUP."""
    with socket.create_server((HOST, 0)) as listening:
        assert not _serves(listening.getsockname()[1])


def test_free_ports_are_not_those_of_outgoing_connections() -> None:
    """A reconnecting client can't be given the broker's own port."""
    ports = free_ports(20)
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert len(set(ports)) == 20
    assert max(ports) < low
