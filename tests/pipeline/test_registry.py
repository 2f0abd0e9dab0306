"""An act of a person on the registry: one writer, one transaction, and an import beside it is not undone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.domain.effects import Effect, Register
from gateway.domain.people.facts import Consent
from gateway.domain.signals import Registration
from gateway.errors import StoreError
from gateway.ports import Decision, RegistryRow
from tests.pipeline.conftest import VIN, Rig

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
    assert [row["action"] for row in await rig.store.audit_page(0, 10)] == ["consent.given"]


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
