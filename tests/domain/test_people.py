"""Who may change what of a vehicle, pair it, be invited to it, and hand it over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.effects import Audited, Notify, Refused, Register, Revoke
from gateway.domain.people.code_change import remote_access_suspended
from gateway.domain.people.facts import (
    AcceptTransfer,
    CancelTransfer,
    ChangeCode,
    ChangeEntry,
    Changes,
    Consent,
    EraseUser,
    Hashed,
    Invite,
    Join,
    MakePairingCode,
    Pair,
    RemoveUser,
    StartTransfer,
)
from gateway.domain.people.state import fits, hashed
from gateway.domain.security_code import key_of
from gateway.domain.set_back import set_back
from gateway.domain.signals import Challenged, Close, Mode, Registered, Registration, SetMode
from tests.domain.cars import START, VIN, Car, at, sensor, times

CODE = {"salt": "aa", "rounds": 2, "key": key_of("1234", "aa", 2).hex()}
DAY = 86_400.0
SERVICES = {"car_security": {"until": "2027-01-01T00:00:00Z", "certified": True}}
CONTACTS = ({"name": "Anna", "phone": "+31201234567"},)


class Street:
    """A car with its people; each act a second after the one before."""

    def __init__(self, **entry: Any) -> None:
        self.car, self.second = Car(), 0.0
        fields: dict[str, Any] = {
            "main_user": "anna",
            "security_code_key": CODE,
            "services": SERVICES,
            **entry,
        }
        self.car.take(Registered(received_at=START, registration=Registration(vin=VIN, **fields)))

    @property
    def entry(self) -> Registration:
        assert self.car.vehicle.registration is not None
        return self.car.vehicle.registration

    def later(self, seconds: float) -> None:
        self.second += seconds
        self.car.wait(at(self.second))

    def act(self, kind: Any, user: str | None, role: str = "main_user", **fields: Any) -> list[str]:
        """Act; returns the codes of refusals."""
        self.second += 1
        by = user or role
        fact = kind(received_at=at(self.second), by=by, role=role, user=user, **fields)
        effects = self.car.take(fact)
        registers = [one.registration for one in effects if isinstance(one, Register)]
        assert not registers or registers[-1] == self.car.vehicle.registration
        assert any(isinstance(one, Audited) for one in effects)
        return [one.code for one in effects if isinstance(one, Refused)]

    def prove(self, user: str = "anna") -> dict[str, Any]:
        self.second += 1
        challenge = f"c{self.second}"
        self.car.take(
            Challenged(received_at=at(self.second), challenge=challenge, user=user, purpose="transfer")
        )
        return {"answered": True, "challenge": challenge}

    def change(self, role: str, user: str | None = None, *, proof: Any = None, **changes: Any) -> list[str]:
        return self.act(ChangeEntry, user, role, changes=Changes(**changes), **(proof or {}))

    def states(self, enabled: bool, occurred_s: float | None = None) -> None:
        """Let the car state that remote access was switched."""
        self.second += 1
        occurred = self.second if occurred_s is None else occurred_s
        clocks = times(occurred, self.second)
        self.car.take(Mode(event_id=f"m{self.second}", remote_access_enabled=enabled, **clocks))

    def alarm(self) -> str:
        self.second += 1
        self.car.take(sensor(f"e{self.second}", self.second))
        return self.car.vehicle.alarms["intrusion"].alarm_id

    def close(self, alarm_id: str) -> None:
        self.second += 1
        self.car.take(Close(received_at=at(self.second), alarm_id=alarm_id, by="kim", disposition="test"))

    def hand_over(self, to: str = "carl") -> list[str]:
        """Both persons' words; the car's is still to come."""
        refused = self.act(StartTransfer, "anna", to_user=to, code=Hashed("t1", "h"), **self.prove())
        return refused or self.act(AcceptTransfer, to, fits="t1")

    def told(self) -> list[tuple[str, str]]:
        return [(one.user, one.code) for one in self.car.effects if isinstance(one, Notify)]

    def audit(self) -> list[str]:
        return [one.action for one in self.car.effects if isinstance(one, Audited)]


# -- fields -----------------------------------------------------------------------------------------------


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


def invite(street: Street, user: str, salt: str) -> list[str]:
    return street.act(Invite, "anna", invited=user, code=Hashed(salt, "h"))


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


# -- resale -----------------------------------------------------------------------------------------------


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
