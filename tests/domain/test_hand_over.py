"""Resale: a vehicle is handed over by three words, and nothing of the old owner stays."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain.effects import Revoke
from gateway.domain.people.code_change import remote_access_suspended
from gateway.domain.people.facts import (
    AcceptTransfer,
    CancelTransfer,
    Hashed,
    StartTransfer,
)
from gateway.domain.signals import Registered, Registration, SetMode
from tests.domain.cars import VIN, at
from tests.domain.streets import CONTACTS, DAY, SERVICES, Street, invite


def test_a_hand_over_takes_three_words_and_leaves_nothing_of_the_old_owner() -> None:
    street = Street(
        secondary_users=("bert",), contacts=CONTACTS, driver_cards=("DC-1",), consents={"position": True}
    )
    invite(street, "dora", "i1")
    mode = SetMode(received_at=at(street.second), mode="transport", by="kim", role="operator", reason="-")
    street.car.take(mode)
    street.states(True)
    assert street.hand_over() == []
    assert street.entry.main_user == "anna"
    street.states(True, occurred_s=0)  # an old statement is no word of the car
    assert street.entry.main_user == "anna"
    street.car.effects.clear()
    street.states(False)
    vehicle = street.car.vehicle
    assert street.entry == Registration(vin=VIN, main_user="carl", services=SERVICES)
    assert (vehicle.modes.running, vehicle.modes.past, vehicle.people.invitations) == ((), (), ())
    assert vehicle.people.transfer is None
    assert remote_access_suspended(vehicle)
    assert [one for one in street.car.effects if isinstance(one, Revoke)] == [
        Revoke(("anna", "bert"), unnamed=True)
    ]
    assert street.told() == [("carl", "transfer_completed")]
    assert "mode.ended" in street.audit()


def test_the_cars_word_may_come_first() -> None:
    street = Street()
    street.act(StartTransfer, "anna", to_user="carl", code=Hashed("t1", "h"), **street.prove())
    street.states(False)
    assert street.act(AcceptTransfer, "carl", fits="t1") == []
    assert street.entry.main_user == "carl"


def test_a_hand_over_needs_the_code_the_person_and_no_theft() -> None:
    street = Street()
    start: dict[str, Any] = {"to_user": "carl", "code": Hashed("t1", "h")}
    assert street.act(StartTransfer, "anna", **start) == ["security_code_required"]
    assert street.act(StartTransfer, "bert", **start) == ["not_main_user"]
    alarm_id = street.alarm()
    assert street.act(StartTransfer, "anna", **start, **street.prove()) == ["call_soc"]
    street.close(alarm_id)
    assert street.act(StartTransfer, "anna", **start, **street.prove()) == []
    assert street.act(AcceptTransfer, "eve", fits="t1") == ["code_wrong"]


def test_a_hand_over_waits_for_the_alarm_and_goes_on_by_itself() -> None:
    street = Street()
    assert street.hand_over() == []
    alarm_id = street.alarm()
    street.states(False)
    street.states(True)
    assert street.entry.main_user == "anna"
    assert street.audit().count("transfer.waits") == 1
    street.close(alarm_id)
    assert street.entry.main_user == "carl"


def test_acceptance_under_a_theft_alarm_is_put_off_without_using_the_code_up() -> None:
    street = Street()
    street.act(StartTransfer, "anna", to_user="carl", code=Hashed("t1", "h"), **street.prove())
    alarm_id = street.alarm()
    assert street.act(AcceptTransfer, "carl", fits="t1") == ["call_soc"]
    street.close(alarm_id)
    assert street.act(AcceptTransfer, "carl", fits="t1") == []


def test_a_hand_over_lapses_after_a_week() -> None:
    street = Street()
    street.hand_over()
    street.later(7 * DAY)
    street.states(False)
    assert street.entry.main_user == "anna"
    assert ("carl", "transfer_lapsed") in street.told()


def test_a_hand_over_ends_when_an_import_names_somebody_else() -> None:
    street = Street()
    street.hand_over()
    street.second += 1
    imported = Registration(vin=VIN, main_user="dora")
    street.car.take(Registered(received_at=at(street.second), registration=imported))
    assert street.car.vehicle.people.transfer is None
    assert "transfer.overtaken" in street.audit()
    street.states(False)
    assert street.entry == imported


def test_another_main_user_by_an_import_ends_the_tokens_of_the_one_before() -> None:
    street = Street(main_user=None)
    ended = []
    for owner in ("anna", "anna", "carl", None, "dora"):
        street.second += 1
        imported = Registration(vin=VIN, main_user=owner)
        effects = street.car.take(Registered(received_at=at(street.second), registration=imported))
        ended.append([one.users for one in effects if isinstance(one, Revoke) and one.unnamed])
    assert ended == [[], [], [("anna",)], [("carl",)], []]
    street.second += 1
    unreadable = street.car.take(Registered(received_at=at(street.second), registration=None))
    assert not [one for one in unreadable if isinstance(one, Revoke)]


@pytest.mark.parametrize(("user", "role"), [("anna", "main_user"), ("carl", "main_user"), (None, "admin")])
def test_a_hand_over_can_be_called_off(user: str | None, role: str) -> None:
    street = Street()
    street.hand_over()
    assert street.act(CancelTransfer, "eve") == ["not_main_user"]
    assert street.act(CancelTransfer, user, role) == []
    street.states(False)
    assert street.entry.main_user == "anna"
    assert street.act(CancelTransfer, user, role) == ["unknown_transfer"]
