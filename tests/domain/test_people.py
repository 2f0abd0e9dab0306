"""The fields of the registry, the security code and erasure, as people change them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.effects import Revoke
from gateway.domain.people.code_change import remote_access_suspended
from gateway.domain.people.facts import (
    ChangeCode,
    Consent,
    EraseUser,
)
from tests.domain.cars import START, at
from tests.domain.streets import CODE, CONTACTS, DAY, SERVICES, Street, invite


@pytest.mark.parametrize(
    ("changes", "roles"),
    [
        ({"driver_cards": ("DC-1",)}, {"workshop", "admin"}),
        ({"model": "van"}, {"admin"}),
        ({"country": "NL"}, {"admin"}),
        ({"equipment": ("siren",)}, {"admin"}),
        ({"soc": "north"}, {"admin"}),
        ({"services": {}}, {"admin"}),
        ({"main_user": "carl"}, {"admin"}),
        ({"secondary_users": ("bert",)}, {"admin"}),
        ({"contacts": CONTACTS}, {"main_user"}),
        ({"language": "nl"}, {"main_user", "admin"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_field_changes_by_its_roles_only(changes: dict[str, Any], roles: set[str]) -> None:
    for role in ("main_user", "secondary_user", "workshop", "operator", "supervisor", "auditor", "admin"):
        street = Street()
        before = street.entry
        user = {"main_user": "anna", "secondary_user": "bert"}.get(role)
        proof = street.prove() if role == "main_user" else None
        refused = street.change(role, user, proof=proof, **changes)
        assert (refused == []) == (role in roles), role
        (name, value), *_ = changes.items()
        assert getattr(street.entry, name) == (value if role in roles else getattr(before, name))


def test_one_field_that_may_not_be_changed_refuses_all() -> None:
    street = Street()
    assert street.change("workshop", driver_cards=("DC-1",), model="van") == ["not_authorised"]
    assert street.entry.driver_cards == ()


def test_an_eighth_card_is_refused_and_the_seven_stay() -> None:
    street, seven = Street(), tuple(f"DC-{n}" for n in range(7))
    assert street.change("workshop", driver_cards=seven) == []
    assert street.change("workshop", driver_cards=(*seven, "DC-7")) == ["invalid_request"]
    assert street.entry.driver_cards == seven


def test_contacts_need_the_code_and_the_old_ones_are_kept_a_week() -> None:
    street = Street(contacts=CONTACTS)
    assert street.change("main_user", "anna", contacts=()) == ["security_code_required"]
    assert street.change("main_user", "anna", proof=street.prove(), contacts=()) == []
    assert ("anna", "contacts_changed") in street.told()
    assert [one.contacts for one in street.car.vehicle.people.past_contacts] == [CONTACTS]
    street.later(7 * DAY)
    street.later(1)
    assert street.car.vehicle.people.past_contacts == ()


def test_a_challenge_serves_once() -> None:
    street = Street(contacts=CONTACTS)
    proof = street.prove()
    assert street.change("main_user", "anna", proof=proof, contacts=()) == []
    assert street.change("main_user", "anna", proof=proof, contacts=()) == ["security_code_wrong"]


def test_wrong_answers_lock_and_alarm_as_everywhere() -> None:
    street = Street()
    wrong = {"answered": True, "challenge": None}
    codes = [street.change("main_user", "anna", proof=wrong, contacts=()) for _ in range(4)]
    assert codes == [["security_code_wrong"]] * 3 + [["security_code_locked"]]


def test_another_main_user_is_another_owner() -> None:
    street = Street(secondary_users=("bert",), contacts=CONTACTS, driver_cards=("DC-1",))
    assert street.change("admin", main_user="carl", model="van") == []
    entry = street.entry
    assert (entry.main_user, entry.model, entry.secondary_users, entry.contacts, entry.driver_cards) == (
        "carl",
        "van",
        (),
        (),
        (),
    )
    assert [one for one in street.car.effects if isinstance(one, Revoke)] == [
        Revoke(("anna", "bert"), unnamed=True)
    ]


def test_no_main_user_is_taken_away_under_an_open_theft_alarm() -> None:
    street = Street()
    street.alarm()
    for changed in (None, "carl"):
        assert street.change("admin", main_user=changed) == ["call_soc"]
    assert street.entry.main_user == "anna"


def test_consents_have_a_time_and_end_at_once() -> None:
    street = Street()
    assert street.act(Consent, "bert", "secondary_user", consent="position", given=True) == ["not_main_user"]
    assert street.act(Consent, "anna", consent="position", given=True) == []
    assert street.act(Consent, "anna", consent="position", given=False) == []
    assert street.entry.consents == {"position": False}
    assert street.entry.consented_at == {"position": at(street.second)}


# -- the security code ------------------------------------------------------------------------------------


def test_another_code_suspends_remote_access_until_the_car_grants_it_anew() -> None:
    street = Street()
    street.states(True)
    assert not remote_access_suspended(street.car.vehicle)
    new = {**CODE, "salt": "bb"}
    assert street.act(ChangeCode, "anna", key=new) == ["security_code_required"]
    assert street.act(ChangeCode, "anna", key=new, **street.prove()) == []
    assert street.entry.security_code_key == new
    assert remote_access_suspended(street.car.vehicle)
    street.states(True, occurred_s=0)  # stated before the change, however late it arrives
    street.states(False)
    assert remote_access_suspended(street.car.vehicle)
    street.states(True)
    assert not remote_access_suspended(street.car.vehicle)


def test_a_reset_by_an_admin_ends_lock_outs_and_a_first_code_needs_no_proof() -> None:
    street = Street()
    for _ in range(3):
        street.act(ChangeCode, "anna", key=CODE, answered=True)
    assert street.act(ChangeCode, None, "admin", key=None) == []
    assert street.entry.security_code_key is None
    assert street.act(ChangeCode, "anna", key=CODE) == []
    assert street.act(ChangeCode, "bert", "main_user", key=CODE) == ["not_main_user"]


# -- erasure ----------------------------------------------------------------------------------------------


def test_an_erased_user_leaves_nothing_in_the_state() -> None:
    street = Street(secondary_users=("bert",))
    street.prove("bert")
    street.act(ChangeCode, "bert", key=CODE, answered=True)
    invite(street, "dora", "i1")
    for gone in ("bert", "dora", "anna"):
        assert street.act(EraseUser, None, "admin", erased=gone) == []
        assert f"'{gone}'" not in repr(street.car.vehicle)
    assert street.entry.main_user is None
    assert street.entry.services == SERVICES


def test_no_car_is_orphaned_under_an_open_theft_alarm() -> None:
    street = Street(secondary_users=("bert",))
    street.alarm()
    assert street.act(EraseUser, "anna", erased="anna") == ["call_soc"]
    assert street.act(EraseUser, "bert", "secondary_user", erased="bert") == []
    assert (street.entry.main_user, street.entry.secondary_users) == ("anna", ())
    assert timedelta(0) < street.car.now - START
