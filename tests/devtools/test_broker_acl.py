"""The shipped access rules, proven on the real broker over every topic of the interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from devtools.broker import Broker, Party
from devtools.mosquitto import Mosquitto
from tests.devtools.client import ANSWER_S, Client, RefusedError

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
EVERYTHING = (
    ALL_UP | ALL_DOWN | REQUESTS | ANSWERS | NOTES | SOC | OTHER_SOC | GATEWAY_OWN
    | CANARY_EVENT | CANARY_RECEIPT | TRAPS | {"v1", "other/topic", "$SYS/broker/uptime"}
)  # fmt: skip

# Names that could mean more than they say, at each door: the broker grants them nothing at all.
WILD: list[tuple[Party, str]] = [
    ("vehicles", "+"), ("vehicles", "x/#"), ("vehicles", f"{OWN}/#"), ("vehicles", "+/x"),
    ("users", "+"), ("users", "x#"),
    ("gateways", "+"), ("gateways", OWN), ("gateways", "alice"), ("gateways", "gateway-unknown"),
]  # fmt: skip

Rights = tuple[set[str], set[str]]
RIGHTS: dict[tuple[Party, str], Rights] = {
    ("vehicles", OWN): (_vehicle(OWN, UP), _vehicle(OWN, DOWN) | STATUS),
    ("vehicles", OTHER): (_vehicle(OTHER, UP), _vehicle(OTHER, DOWN) | STATUS),
    # A vehicle called like a gateway, and a user called like a VIN, are just that: a vehicle and a user.
    ("vehicles", "gateway"): ({"v1/vehicles/gateway/telemetry"}, {"v1/vehicles/gateway/receipt"} | STATUS),
    ("users", "alice"): (
        _user("alice", "request"),
        _user("alice", "response") | {"v1/users/alice/notifications"} | STATUS,
    ),
    ("users", OWN): (set(), STATUS),
    ("users", "gateway"): (set(), STATUS),
    ("users", "soc"): (set(), SOC | STATUS),
    ("gateways", "gateway"): (
        ALL_DOWN | ANSWERS | NOTES | SOC | OTHER_SOC | GATEWAY_OWN | CANARY_EVENT | CANARY_RECEIPT
        | {topic for topic in TRAPS if topic.endswith("receipt")},
        ALL_UP | REQUESTS | GATEWAY_OWN | CANARY_EVENT | CANARY_RECEIPT
        | {topic for topic in TRAPS if topic.endswith("telemetry")},
    ),
    **{odd: (set(), set()) for odd in WILD},
    # A slash is filled in as it is; the levels it adds fit no topic of the interface.
    ("users", f"alice/vehicles/{OWN}/remote-access"): (set(), STATUS),
    ("vehicles", f"{OWN}/remote-access"): (set(), STATUS),
}  # fmt: skip


OTHER_AUTHORS: list[tuple[Party, str]] = [("users", "bob"), ("vehicles", "alice"), ("vehicles", "x")]


@pytest.fixture(scope="module")
def doors(mosquitto: Mosquitto) -> Iterator[Broker]:
    """A broker that knows every name of the table."""
    with Broker(mosquitto=mosquitto) as broker:
        for party, name in RIGHTS:
            broker.passwords[party].setdefault(name, "secret")
        broker.add("users", "bob")
        broker.add("vehicles", "alice", "x")
        broker.add("gateways")
        yield broker


@pytest.mark.parametrize(("party", "name"), RIGHTS, ids=str)
def test_writes_are_exactly_those_of_the_interface(doors: Broker, party: Party, name: str) -> None:
    """Over every topic, a party may write its own and no other."""
    with Client(doors, party, name) as client:
        written = {topic for topic in EVERYTHING if not topic.startswith("$SYS") and client.publish(topic)}
    assert written == RIGHTS[party, name][0]


def test_reads_are_exactly_those_of_the_interface(doors: Broker) -> None:
    """Whoever subscribes to everything receives its own topics and no other."""
    with ExitStack() as stack:
        readers = {who: stack.enter_context(Client(doors, *who)) for who in RIGHTS}
        authors = [*readers.values(), *(stack.enter_context(Client(doors, p, n)) for p, n in OTHER_AUTHORS)]
        for reader in readers.values():
            reader.subscribe("#")
        unwritten = {
            topic
            for topic in EVERYTHING - {"v1", "other/topic", "$SYS/broker/uptime"}
            if not any(author.publish(topic) for author in authors)
        }
        read = {who: {topic for topic, _ in reader.received()} for who, reader in readers.items()}
    assert unwritten == set()
    assert read == {who: rights[1] for who, rights in RIGHTS.items()}


def test_only_gateways_read_the_broker_statistics(doors: Broker) -> None:
    """$SYS tells how many vehicles are connected: for gateways only."""
    with ExitStack() as stack:
        seen = {}
        for who in RIGHTS:
            client = stack.enter_context(Client(doors, *who))
            client.subscribe("$SYS/broker/version")
            seen[who] = bool(client.received())
    assert {who for who, sees in seen.items() if sees} == {("gateways", "gateway")}


def test_a_will_can_speak_only_for_its_own_vehicle(doors: Broker) -> None:
    """A last will is held to the same rules as a message."""
    own, other = (f"v1/vehicles/{vin}/connection" for vin in (OWN, OTHER))
    with Client(doors, "gateways", "gateway") as gateway:
        gateway.subscribe("v1/vehicles/+/connection")
        for will in (other, own):
            try:
                Client(doors, "vehicles", OWN, will=will).cut()
            except RefusedError:
                assert will == other
        assert gateway.messages.get(timeout=ANSWER_S)[0] == own
        assert gateway.received() == []


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
