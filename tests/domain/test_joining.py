"""How people join a vehicle: a pairing code makes its main user, an invitation the others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from gateway.domain.effects import Revoke
from gateway.domain.people.facts import (
    Hashed,
    Join,
    MakePairingCode,
    Pair,
    RemoveUser,
)
from gateway.domain.people.state import fits, hashed
from gateway.domain.set_back import set_back
from gateway.domain.signals import Registered, Registration
from tests.domain.cars import START, VIN, at
from tests.domain.streets import DAY, Street, invite

# -- pairing ----------------------------------------------------------------------------------------------


def unowned(**entry: Any) -> Street:
    street = Street(main_user=None, **entry)
    assert street.act(MakePairingCode, None, "workshop", code=Hashed("p1", "h")) == []
    return street


def test_a_pairing_code_makes_a_main_user_once() -> None:
    street = unowned()
    assert street.act(Pair, "anna", fits="p1") == []
    assert street.entry.main_user == "anna"
    assert street.act(Pair, "carl", fits="p1") == ["code_wrong"]
    assert street.entry.main_user == "anna"


def test_a_secondary_users_try_says_why_and_uses_nothing_up() -> None:
    street = unowned(secondary_users=("bert",))
    assert street.act(Pair, "bert", "secondary_user", fits="p1") == ["not_main_user"]
    assert street.act(Pair, "bert", "main_user", fits="p1") == ["not_main_user"]
    assert street.act(Pair, "anna", fits="p1") == []


def test_only_the_last_code_counts_and_not_for_ever() -> None:
    street = unowned()
    assert street.act(MakePairingCode, None, "admin", code=Hashed("p2", "h")) == []
    assert street.act(Pair, "anna", fits="p1") == ["code_wrong"]
    street.later(DAY)
    assert street.act(Pair, "anna", fits="p2") == ["code_wrong"]


def test_wrong_codes_lock_the_vehicle_each_time_for_longer() -> None:
    street = unowned()
    for wait_s in (15 * 60.0, 3600.0):
        assert [street.act(Pair, f"x{n}", fits=None) for n in range(3)] == [["code_wrong"]] * 3
        assert street.act(Pair, "anna", fits="p1") == ["code_locked"]
        street.later(wait_s)
    assert street.act(Pair, "anna", fits="p1") == []


def test_a_vehicle_with_a_main_user_gets_no_pairing_code() -> None:
    assert Street().act(MakePairingCode, None, "admin", code=Hashed("p1", "h")) == ["has_main_user"]


def test_what_is_kept_of_a_code_is_not_the_code() -> None:
    kept = Hashed("5a17", hashed("12345678", "5a17"))
    street = unowned()
    street.act(MakePairingCode, None, "admin", code=kept)
    assert fits(street.car.vehicle.people.pairing, "12345678") == "5a17"
    assert fits(street.car.vehicle.people.pairing, "12345679") is None
    assert fits(None, "12345678") is None
    assert "12345678" not in repr(street.car.vehicle)


def test_a_clock_set_back_lengthens_no_code_and_no_lock_out() -> None:
    street, hour = unowned(), timedelta(hours=1)
    for n in range(3):
        street.act(Pair, f"x{n}", fits=None)
    people = street.car.vehicle.people
    moved = set_back(street.car.vehicle, hour, START).people
    assert people.pairing is not None
    assert moved.pairing is not None
    assert people.tries.locked_until is not None
    assert moved.pairing.expires_at == people.pairing.expires_at - hour
    assert moved.tries.locked_until == people.tries.locked_until - hour


# -- invitations ------------------------------------------------------------------------------------------


def test_an_invitation_serves_its_person_once_and_the_last_one_counts() -> None:
    street = Street()
    assert invite(street, "bert", "i1") == []
    assert invite(street, "bert", "i2") == []
    assert street.act(Join, "bert", "secondary_user", fits="i1") == ["code_wrong"]
    assert street.act(Join, "eve", "secondary_user", fits="i2") == ["code_wrong"]
    assert street.act(Join, "bert", "secondary_user", fits="i2") == []
    assert street.entry.secondary_users == ("bert",)
    assert street.act(Join, "bert", "secondary_user", fits="i2") == ["code_wrong"]


def test_an_invitation_ends_after_twelve_hours() -> None:
    street = Street()
    invite(street, "bert", "i1")
    street.later(12 * 3600)
    assert street.act(Join, "bert", "secondary_user", fits="i1") == ["code_wrong"]


def test_codes_that_are_over_leave_no_trace_of_whom_they_named() -> None:
    street = unowned()
    street.change("admin", main_user="anna")
    invite(street, "bert", "i1")
    street.later(DAY + 1)
    people = street.car.vehicle.people
    assert (people.pairing, people.invitations) == (None, ())
    assert "bert" not in repr(street.car.vehicle)


def test_at_most_five_with_those_invited() -> None:
    street = Street(secondary_users=("a", "b", "c", "d"))
    assert invite(street, "e", "i1") == []
    assert invite(street, "f", "i2") == ["too_many_users"]
    assert invite(street, "e", "i3") == []


def test_an_invitation_by_a_former_main_user_serves_nobody() -> None:
    street = Street()
    invite(street, "bert", "i1")
    imported = Registration(vin=VIN, main_user="carl")
    street.second += 1
    street.car.take(Registered(received_at=at(street.second), registration=imported))
    assert street.act(Join, "bert", "secondary_user", fits="i1") == ["code_wrong"]


def test_a_removed_user_is_out_at_once() -> None:
    street = Street(secondary_users=("bert", "dora"))
    assert street.act(RemoveUser, "dora", "secondary_user", removed="bert") == ["not_main_user"]
    assert street.act(RemoveUser, "anna", removed="bert") == []
    assert street.act(RemoveUser, "dora", "secondary_user", removed="dora") == []
    assert street.entry.secondary_users == ()
    assert [one.users for one in street.car.effects if isinstance(one, Revoke)] == [("bert",), ("dora",)]
