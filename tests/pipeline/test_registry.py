"""An act of a person on the registry: one writer, one transaction, and an import beside it is not undone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.effects import Effect, Register
from gateway.domain.people.facts import AcceptTransfer, Consent, Hashed, StartTransfer
from gateway.domain.security_code import key_of
from gateway.domain.signals import Challenged, Registration
from gateway.errors import StoreError
from gateway.ports import Decision, RegistryRow, Token
from tests.pipeline.conftest import VIN, Rig

KEY = {"salt": "aa", "rounds": 1, "key": key_of("1234", "aa", 1).hex()}
ENTRY = Registration(vin=VIN, main_user="anna", model="estate")


async def act(rig: Rig, fact: Any) -> tuple[Effect, ...]:
    waiting = asyncio.create_task(rig.decider.act(VIN, fact))
    await asyncio.sleep(0)
    await rig.settle()
    return await waiting


def consent(rig: Rig, given: bool = True) -> Consent:
    return Consent(
        received_at=rig.clock.now(),
        by="Anna",
        role="main_user",
        user="anna",
        consent="dealer_data",
        given=given,
    )


async def test_an_act_on_the_registry_is_written_and_audited_with_the_state(rig: Rig) -> None:
    await rig.store.register([ENTRY])
    before = await rig.store.registry_version()
    effects = await act(rig, consent(rig))
    stored = await rig.store.registration(VIN)
    assert stored is not None
    assert [one.registration for one in effects if isinstance(one, Register)] == [stored]
    assert (stored.consents, stored.consented_at) == (
        {"dealer_data": True},
        {"dealer_data": rig.clock.now()},
    )
    assert await rig.store.registry_version() == before + 1
    assert [row["action"] for row in (await rig.store.audit_page(0, 10)).items] == ["consent.given"]


async def test_an_import_beside_the_gateway_is_not_undone(rig: Rig) -> None:
    await rig.store.register([ENTRY])
    await act(rig, consent(rig))
    imported = Registration(vin=VIN, main_user="anna", model="van")
    await rig.store.register([imported])  # the gateway has not looked yet
    await act(rig, consent(rig, given=False))
    stored = await rig.store.registration(VIN)
    assert stored is not None
    assert (stored.model, stored.consents) == ("van", {"dealer_data": False})


async def test_two_acts_in_one_batch_both_count(rig: Rig) -> None:
    await rig.store.register([ENTRY])
    first = asyncio.create_task(rig.decider.act(VIN, consent(rig)))
    second = asyncio.create_task(rig.decider.act(VIN, consent(rig, given=False)))
    await asyncio.sleep(0)
    await rig.settle()
    await asyncio.gather(first, second)
    stored = await rig.store.registration(VIN)
    assert stored is not None
    assert stored.consents == {"dealer_data": False}


async def test_an_entry_made_from_another_than_the_stored_one_is_refused(rig: Rig) -> None:
    await rig.store.register([ENTRY])
    other = Registration(vin=VIN, main_user="ben")
    with pytest.raises(StoreError, match="another writer"):
        await rig.store.commit(Decision(registrations=(RegistryRow(other, None),)))
    assert await rig.store.registration(VIN) == ENTRY


async def test_an_act_survives_a_restart(rig: Rig) -> None:
    await rig.store.register([ENTRY])
    await act(rig, consent(rig))
    await rig.restart()
    await act(rig, consent(rig, given=False))
    stored = await rig.store.registration(VIN)
    assert stored is not None
    assert stored.consents == {"dealer_data": False}


async def handed_over_but_for_the_car(rig: Rig) -> None:
    """Both persons have given their word; tokens and a notification of the old users are there."""
    await rig.store.register([replace(ENTRY, secondary_users=("bert",), security_code_key=KEY)])
    for name, user in (("a", "anna"), ("b", "bert"), ("c", "carl")):
        token = Token(name, name, "main_user", name, rig.clock.now(), None, user, VIN)
        await rig.store.add_token(token)
    words: dict[str, Any] = {"received_at": rig.clock.now(), "by": "x", "role": "main_user"}
    asked = Challenged(received_at=rig.clock.now(), challenge="q", user="anna", purpose="transfer")
    await act(rig, asked)
    start = StartTransfer(
        **words, user="anna", to_user="carl", code=Hashed("t1", "h"), answered=True, challenge="q"
    )
    await act(rig, start)
    await act(rig, AcceptTransfer(**words, user="carl", fits="t1"))
    rig.clock.advance(1)


async def left(rig: Rig) -> tuple[str | None, list[str], set[str]]:
    """Main user, tokens that count, and whom a notification waits for."""
    entry = await rig.store.registration(VIN)
    assert entry is not None
    tokens = [one.id for one in await rig.store.tokens() if one.revoked_at is None]
    return entry.main_user, tokens, {one.user for one in await rig.store.notifications(100)}


async def test_a_hand_over_is_one_transaction(rig: Rig) -> None:
    """While the store fails nothing of it has happened; then all of it has, and the car has its receipt."""
    await handed_over_but_for_the_car(rig)
    assert await left(rig) == ("anna", ["a", "b", "c"], {"anna", "carl"})
    rig.failing = True
    rig.send("mode", {"event_id": "m1", "occurred_at": rig.clock.now(), "remote_access_enabled": True})
    await rig.settle()
    assert await left(rig) == ("anna", ["a", "b", "c"], {"anna", "carl"})
    assert rig.receipts == []
    rig.failing = False
    await rig.settle()
    assert await left(rig) == ("carl", ["c"], {"carl"})
    assert [one["event_ids"] for one in rig.receipts] == [["m1"]]


async def test_an_import_that_the_gateway_has_not_seen_is_not_undone_by_a_hand_over(rig: Rig) -> None:
    """The commit finds another entry than it was made from: decided again on what is there now."""
    await handed_over_but_for_the_car(rig)
    await rig.store.register([replace(ENTRY, main_user="dora", model="van")])
    rig.send("mode", {"event_id": "m1", "occurred_at": rig.clock.now(), "remote_access_enabled": True})
    await rig.settle()
    if rig.decider._kept:
        await rig.decider._retry()
    await rig.settle()
    entry = await rig.store.registration(VIN)
    assert entry is not None
    assert (entry.main_user, entry.model) == ("dora", "van")
    assert [one["event_ids"] for one in rig.receipts] == [["m1"]]
    assert "transfer.overtaken" in [row["action"] for row in (await rig.store.audit_page(0, 100)).items]
