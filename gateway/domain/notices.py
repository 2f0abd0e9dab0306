"""Everything that people are told, by kind and code (contract 5.4). What is not here has no text."""

from __future__ import annotations

NOTICES: dict[str, tuple[str, ...]] = {
    "data_bundle": ("low", "exhausted", "expiring", "expired", "renew_failed"),
    "special_mode": ("started", "changed", "ended", "reminder", "requested"),
    "service_term": ("ends_in_30_days", "ends_in_7_days", "ends_in_1_day", "ended", "certified"),
    "card_battery": ("low",),
    "ownership": (
        "cards_changed",
        "contacts_changed",
        "paired",
        "user_joined",
        "user_removed",
        "code_changed",
        "code_reset",
        "transfer_started",
        "transfer_accepted",
        "transfer_cancelled",
        "transfer_lapsed",
        "transfer_completed",
    ),
    "remote_access": ("security_code_locked",),
}
"""A new one: its code here, its sentence in each file of ``gateway/texts``. Never a silent alarm."""
