"""The shipped access rules, proven on the real broker over every topic of the interface."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import paho.mqtt.client as paho
import pytest
import yaml  # type: ignore[import-untyped]  # stubs for two calls

from devtools import ROOT
from devtools.broker import HOST, PARTIES, Broker, Party, free_ports
from devtools.mosquitto import Mosquitto
from gateway.wire import TOPICS
from tests.devtools.author import Author
from tests.devtools.client import Client, RefusedError

OWN, OTHER, CANARY = "TEST0000000000001", "WVWZZZ1KZAW000002", "CANARY00000000001"
UP = (
    "telemetry", "connection", "theft-sensor", "driver-card", "data-bundle", "mode", "software", "charging",
    "remote-access/result",
)  # fmt: skip
DOWN = ("receipt", "remote-access/command", "software/package")
USERS = ("alice", "bob")


def _vehicle(vin: str, kinds: tuple[str, ...]) -> set[str]:
    return {f"v1/vehicles/{vin}/{kind}" for kind in kinds}


def _user(name: str, kind: str) -> set[str]:
    return {f"v1/users/{name}/vehicles/{vin}/remote-access/{kind}" for vin in (OWN, OTHER)}


STATUS = {"v1/gateway/gw-1/status"}
GATEWAY_OWN = STATUS | {"v1/gateway/gw-1/self-test"}
SOC = {"v1/soc/default/alarms"}
OTHER_SOC = {"v1/soc/north/alarms"}
REQUESTS = _user("alice", "request") | _user("bob", "request")
ANSWERS = _user("alice", "response") | _user("bob", "response")
NOTES = {f"v1/users/{name}/notifications" for name in USERS}
ALL_UP = _vehicle(OWN, UP) | _vehicle(OTHER, UP)
ALL_DOWN = _vehicle(OWN, DOWN) | _vehicle(OTHER, DOWN)
CANARY_EVENT = _vehicle(CANARY, ("theft-sensor",))
CANARY_RECEIPT = _vehicle(CANARY, ("receipt",))
# Levels that a name with a wildcard or a slash would open if patterns were filled in carelessly.
TRAPS = {
    f"v1/vehicles/{name}/{kind}" for name in ("x", "gateway", "alice") for kind in ("telemetry", "receipt")
}
# Names that nobody must have: ``user add`` makes none, and the gateway hears none. Here they are names.
ODD_USERS = (OWN, "gateway", "soc")
ODD_REQUESTS = {f"v1/users/{name}/vehicles/{OWN}/remote-access/request" for name in ODD_USERS}
ODD_ANSWERS = {f"v1/users/{name}/vehicles/{OWN}/remote-access/response" for name in ODD_USERS}
ODD_NOTES = {f"v1/users/{name}/notifications" for name in ODD_USERS}
EVERYTHING = (
    ALL_UP | ALL_DOWN | REQUESTS | ANSWERS | NOTES | SOC | OTHER_SOC | GATEWAY_OWN
    | CANARY_EVENT | CANARY_RECEIPT | TRAPS | ODD_REQUESTS | ODD_ANSWERS | ODD_NOTES
    | {"v1", "other/topic", "$SYS/broker/uptime"}
)  # fmt: skip

# Names that could mean more than they say, at each door: the broker grants them nothing at all.
WILD: list[tuple[Party, str]] = [
    ("vehicles", "+"), ("vehicles", "x/#"), ("vehicles", f"{OWN}/#"), ("vehicles", "+/x"),
    ("users", "+"), ("users", "x#"), ("users", "alice/#"),
    ("gateways", "+"), ("gateways", OWN), ("gateways", "alice"), ("gateways", "gateway-unknown"),
]  # fmt: skip

Who = tuple[Party, str]


def _odd_user(name: str) -> Rights:
    answers = {one for one in ODD_ANSWERS | ODD_NOTES if one.startswith(f"v1/users/{name}/")}
    return {f"v1/users/{name}/vehicles/{OWN}/remote-access/request"}, answers | STATUS


Rights = tuple[set[str], set[str]]
RIGHTS: dict[Who, Rights] = {
    ("vehicles", OWN): (_vehicle(OWN, UP), _vehicle(OWN, DOWN) | STATUS),
    ("vehicles", OTHER): (_vehicle(OTHER, UP), _vehicle(OTHER, DOWN) | STATUS),
    # A vehicle called like a gateway, and a user called like a VIN, are just that: a vehicle and a user.
    ("vehicles", "gateway"): ({"v1/vehicles/gateway/telemetry"}, {"v1/vehicles/gateway/receipt"} | STATUS),
    ("users", "alice"): (
        _user("alice", "request"),
        _user("alice", "response") | {"v1/users/alice/notifications"} | STATUS,
    ),
    ("users", OWN): _odd_user(OWN),
    ("users", "gateway"): _odd_user("gateway"),
    ("users", "soc"): (set(), SOC | STATUS),
    ("gateways", "gateway"): (
        ALL_DOWN | ANSWERS | ODD_ANSWERS | NOTES | ODD_NOTES | SOC | OTHER_SOC | GATEWAY_OWN
        | CANARY_EVENT | CANARY_RECEIPT
        | {topic for topic in TRAPS if topic.endswith("receipt")},
        ALL_UP | REQUESTS | ODD_REQUESTS | GATEWAY_OWN | CANARY_EVENT | CANARY_RECEIPT
        | {topic for topic in TRAPS if topic.endswith("telemetry")},
    ),
    **{odd: (set(), set()) for odd in WILD},
    # A slash is filled in as it is; the levels it adds fit no topic of the interface.
    ("users", f"alice/vehicles/{OWN}/remote-access"): (set(), STATUS),
    ("vehicles", f"{OWN}/remote-access"): (set(), STATUS),
    ("vehicles", "$SYS"): (set(), STATUS),
}  # fmt: skip


FILTERS = (
    "#", "+/#", "v1/#", "+/+/+/+", "v1/+/+", "v1/+/+/+", "v1/+/+/+/+",
    "v1/vehicles/+/#", "v1/vehicles/+/receipt",
    "v1/vehicles/+/remote-access/command", "v1/users/#", "v1/users/+/#", "v1/users/+/notifications",
    "v1/users/+/vehicles/+/remote-access/response", "v1/users/+/vehicles/+/+/+", "v1/soc/#", "v1/+/+/alarms",
    "v1/gateway/#", "v1/+/gw-1/+",
)  # fmt: skip
WAYS: dict[str, tuple[int, bool]] = {
    "qos 0": (0, False), "qos 1": (1, False), "qos 2": (2, False), "retained": (1, True),
    "nothing retained": (0, True),
}  # fmt: skip
WRITABLE = sorted(topic for topic in EVERYTHING if not topic.startswith("$SYS"))
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def doors(mosquitto: Mosquitto) -> Iterator[Broker]:
    """A broker that knows every name of the table, with one door more that has no rules: the onlooker's."""
    (port,) = free_ports(1)
    with Broker(mosquitto=mosquitto, extra=[f"listener {port} {HOST}", "allow_anonymous true"]) as broker:
        for party, name in RIGHTS:
            broker.passwords[party].setdefault(name, "secret")
        broker.add("users", "bob")
        broker.add("vehicles")
        broker.add("gateways")
        broker.ports["onlooker"] = port  # type: ignore[index]  # no party of the interface
        broker.passwords["onlooker"] = {}  # type: ignore[index]
        yield broker


def onlooker(doors: Broker) -> Client:
    """Sees and may write everything: what the broker took, and from whom."""
    return Client(doors, "onlooker", "")  # type: ignore[arg-type]  # no party of the interface


def author(doors: Broker, who: Who, will: tuple[str, bytes, bool] | None = None) -> Author:
    party, name = who
    return Author(doors.ports[party], name, doors.passwords[party].get(name, ""), will=will)


def taken(looker: Client) -> set[tuple[str, str]]:
    """In which way, and where, the broker took something since the last time."""
    # A lost connection may be read a turn later than what else is there, its will with it: ask twice.
    messages = [*looker.received(), *looker.received()]
    return {(payload.decode() or "nothing retained", topic) for topic, payload in messages}


def test_the_table_holds_every_topic_of_the_interface() -> None:
    """A topic that is added to the interface needs its rights."""
    page = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text())
    names = {"{vin}": OWN, "{user}": "alice", "{soc}": "default", "{instance}": "gw-1"}
    for channel in page["channels"].values():
        address = re.sub(r"\{\w+\}", lambda name: names[name[0]], channel["address"])
        assert address in EVERYTHING
    assert {f"v1/vehicles/{OWN}/{topic.kind}" for topic in TOPICS} <= _vehicle(OWN, UP)


def test_writes_are_exactly_those_of_the_interface(doors: Broker, record_property: Record) -> None:
    """Over every topic, in every way to write, wills among them, a party writes its own and no other."""
    seen = {}
    with onlooker(doors) as looker:
        looker.subscribe("#")
        for who in RIGHTS:
            with author(doors, who) as writer:
                for way, (qos, retain) in WAYS.items():
                    payload = b"" if way == "nothing retained" else way.encode()
                    writer.publish(WRITABLE, payload, qos=qos, retain=retain)
            for topic in WRITABLE:
                # The broker may refuse such a connection, or take it and keep the will to itself.
                with suppress(RefusedError):
                    author(doors, who, (topic, b"will", False)).cut()
            seen[who] = taken(looker)
    ways = {*WAYS, "will"}
    record_property("matrix cases", len(RIGHTS) * len(WRITABLE) * len(ways))
    assert seen == {
        who: {(way, topic) for way in ways for topic in right[0]} for who, right in RIGHTS.items()
    }


@pytest.mark.parametrize("retained", [False, True], ids=["live", "retained"])
def test_reads_are_exactly_those_of_the_interface(
    doors: Broker, record_property: Record, retained: bool
) -> None:
    """Whatever filter it subscribes to, a party receives its own topics and no other."""
    read: dict[str, dict[Who, set[str]]] = {}
    with ExitStack() as stack:
        looker = stack.enter_context(onlooker(doors))
        readers = {who: stack.enter_context(Client(doors, *who)) for who in RIGHTS}
        if retained:
            publish(looker, b"kept", retain=True)
        for one in FILTERS:
            for number, reader in enumerate(readers.values()):
                reader.subscribe(*([one] if retained else [one, f"$share/thieves-{number}/{one}"]))
            if not retained:
                publish(looker, b"live")
            read[one] = {who: {topic for topic, _ in reader.received()} for who, reader in readers.items()}
            for number, reader in enumerate(readers.values()):
                reader.unsubscribe(one, f"$share/thieves-{number}/{one}")
        publish(looker, b"", retain=True)
    rights = {
        one: {
            who: {topic for topic in right[1] if paho.topic_matches_sub(one, topic)}
            for who, right in RIGHTS.items()
        }
        for one in FILTERS
    }
    record_property("matrix cases", len(RIGHTS) * len(FILTERS) * len(WRITABLE))
    assert {one: _differing(read[one], rights[one]) for one in FILTERS} == {one: {} for one in FILTERS}


def publish(looker: Client, payload: bytes, *, retain: bool = False) -> None:
    """Let the onlooker write to every topic."""
    for topic in WRITABLE:
        assert looker.publish(topic, payload, retain=retain)


def _differing(read: dict[Who, set[str]], right: dict[Who, set[str]]) -> dict[Who, set[str]]:
    return {who: topics ^ right[who] for who, topics in read.items() if topics != right[who]}


def test_only_gateways_read_the_broker_statistics(doors: Broker) -> None:
    """$SYS tells how many vehicles are connected: for gateways only."""
    with ExitStack() as stack:
        seen = set()
        for who in RIGHTS:
            client = stack.enter_context(Client(doors, *who))
            for one in ("$SYS/#", "$SYS/broker/version", "$SYS/+/+", "+/broker/version", "$share/x/$SYS/#"):
                client.subscribe(one)
                if client.received():
                    seen.add(who)
    assert seen == {("gateways", "gateway")}


def test_a_name_and_password_open_only_their_own_door(doors: Broker) -> None:
    """A gateway's password is worth nothing at the vehicles' listener, nor any other elsewhere."""
    homes: dict[str, Party] = {"bob": "users", OTHER: "vehicles"}
    doors.add("gateways", "gateway-2")
    for name, home in (homes | {"gateway-2": "gateways"}).items():
        for party in ("vehicles", "users", "gateways"):
            if party != home:
                with pytest.raises(RefusedError):
                    Client(doors, party, name, password=doors.passwords[home][name])
        Client(doors, home, name).cut()


def test_nobody_connects_without_a_good_password(doors: Broker) -> None:
    """No anonymous client, no wrong password, at any door."""
    for party in PARTIES:
        for name in (None, "", "nobody", "onlooker"):
            with pytest.raises(RefusedError):
                Author(doors.ports[party], name)
    known: list[tuple[Party, str]] = [("vehicles", OWN), ("users", "alice"), ("gateways", "gateway")]
    for party, name in [*known, ("gateways", "")]:
        with pytest.raises(RefusedError):
            Client(doors, party, name, password="wrong")


def test_a_vehicle_cannot_take_over_a_session_by_its_client_id(doors: Broker) -> None:
    """Two vehicles that claim one client id both stay connected: the broker uses their names."""
    with Client(doors, "vehicles", OWN, client_id="same") as first:
        with Client(doors, "vehicles", OTHER, client_id="same"):
            assert first.publish(f"v1/vehicles/{OWN}/mode")
        first.subscribe(f"v1/vehicles/{OWN}/receipt")
