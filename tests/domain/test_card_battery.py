"""A weak cell is told once, to the main user, and names no card."""

from __future__ import annotations

from gateway.domain.effects import Notify
from tests.domain.cars import Car, at, card, registered

DAY_S = 86400


def told(car: Car) -> list[Notify]:
    return [effect for effect in car.effects if isinstance(effect, Notify)]


def test_a_low_cell_is_told_once_whatever_the_card_does() -> None:
    car = Car().live([registered(0, "DC-1", main_user="ann")], until_s=1)
    car.live([card(f"e{n}", n % 2 == 0, 10 + n, battery="low") for n in range(6)], until_s=100)
    assert told(car) == [Notify("ann", "card_battery", "low")]


def test_a_cell_that_recovers_for_a_day_is_the_same_weak_cell() -> None:
    facts = [
        card("a", True, 10, battery="low"),
        card("b", True, DAY_S, battery="ok"),
        card("c", True, 2 * DAY_S, battery="low"),
    ]
    car = Car().live([registered(0, "DC-1", main_user="ann"), *facts], until_s=3 * DAY_S)
    assert len(told(car)) == 1
    later = [card("d", True, 8 * DAY_S, battery="ok"), card("e", True, 90 * DAY_S, battery="low")]
    assert len(told(car.live(later, until_s=91 * DAY_S))) == 2


def test_a_late_statement_of_a_new_cell_does_not_tell_again() -> None:
    car = Car().live([registered(0, "DC-1", main_user="ann"), card("a", True, 10, battery="low")], until_s=20)
    car.live([card("late", True, 5, 30, battery="ok"), card("b", True, 40, battery="low")], until_s=50)
    assert len(told(car)) == 1


def test_foreign_cards_and_ownerless_cars_tell_nobody() -> None:
    strange = Car().live([registered(0, "DC-1", main_user="ann")], until_s=1)
    assert told(strange.live([card("a", True, 10, card_id="DC-9", battery="low")], until_s=20)) == []
    ownerless = Car().live([card("a", True, 10, battery="low")], until_s=20)
    assert told(ownerless) == []
    ownerless.take(registered(30, main_user="ann"), at(30))
    ownerless.live([card("b", True, 40, battery="low")], until_s=50)
    assert len(told(ownerless)) == 1
