"""
Who may call what: one table, written by hand. What is not in it is refused.

Whose vehicle it is comes on top: see ``grants``.
"""

from __future__ import annotations

from gateway.ports import Role

SOC: frozenset[Role] = frozenset({"operator", "supervisor", "auditor"})
ACTING: frozenset[Role] = frozenset({"operator", "supervisor"})
OWNERS: frozenset[Role] = frozenset({"main_user", "secondary_user"})
CONTROL: frozenset[Role] = frozenset({"auditor", "admin"})
DELIVERY: frozenset[Role] = frozenset({"supervisor", "auditor", "admin"})

POLICY: dict[str, frozenset[Role]] = {
    "GET /api/v1/alarms": SOC,
    "GET /api/v1/alarms/{alarm_id}": SOC,
    "POST /api/v1/alarms/{alarm_id}/acknowledge": ACTING,
    "POST /api/v1/alarms/{alarm_id}/close": ACTING,
    "GET /api/v1/cases": ACTING,
    "GET /api/v1/cases/{case_id}": ACTING,
    "GET /api/v1/cases/{case_id}/export": ACTING,
    "POST /api/v1/cases/{case_id}/claim": ACTING,
    "POST /api/v1/cases/{case_id}/release": ACTING,
    "POST /api/v1/cases/{case_id}/contact": ACTING,
    "POST /api/v1/cases/{case_id}/confirm": ACTING,
    "POST /api/v1/cases/{case_id}/dismiss": ACTING,
    "POST /api/v1/cases/{case_id}/police": ACTING,
    "POST /api/v1/cases/{case_id}/recover": ACTING,
    "POST /api/v1/cases/{case_id}/lost": ACTING,
    "POST /api/v1/cases/{case_id}/close": ACTING,
    "POST /api/v1/cases/{case_id}/note": ACTING,
    "GET /api/v1/handovers": SOC,
    "POST /api/v1/handovers": ACTING,
    "POST /api/v1/handovers/{n}/acknowledge": ACTING,
    "GET /api/v1/feed": SOC,
    "GET /api/v1/vehicles": SOC | OWNERS,
    "GET /api/v1/vehicles/{vin}": SOC | OWNERS,
    "GET /api/v1/vehicles/{vin}/track": SOC,
    "GET /api/v1/fleet-map": SOC,
    "GET /api/v1/fleet-map/countries": SOC,
    "GET /api/v1/site-map": SOC,
    "GET /api/v1/unprotected": SOC,
    "GET /api/v1/desk-meter": SOC,
    "GET /api/v1/vehicles/{vin}/certificate": SOC | OWNERS | {"workshop", "admin"},
    "POST /api/v1/vehicles/{vin}/services/car_security/certify": frozenset({"workshop", "admin"}),
    "POST /api/v1/vehicles/{vin}/test-alarm": ACTING | {"workshop", "admin"},
    "POST /api/v1/vehicles/{vin}/challenge": OWNERS,
    "POST /api/v1/vehicles/{vin}/commands": OWNERS | ACTING,
    "GET /api/v1/commands/{command_id}": SOC | OWNERS,
    "GET /api/v1/vehicles/{vin}/approvals": SOC,
    "POST /api/v1/vehicles/{vin}/theft-report": ACTING | {"main_user"},
    "GET /api/v1/vehicles/{vin}/special-modes": SOC | OWNERS | {"workshop"},
    "PUT /api/v1/vehicles/{vin}/special-modes/{mode}": frozenset({"main_user", "workshop", "operator"}),
    "DELETE /api/v1/vehicles/{vin}/special-modes/{mode}": frozenset({"main_user", "operator"}),
    "GET /api/v1/vehicles/{vin}/registry": SOC | {"admin", "main_user", "workshop"},
    "PUT /api/v1/vehicles/{vin}": frozenset({"admin", "main_user", "workshop"}),
    "PUT /api/v1/vehicles/{vin}/consents/{consent}": frozenset({"main_user"}),
    "PUT /api/v1/vehicles/{vin}/security-code": frozenset({"main_user", "admin"}),
    "POST /api/v1/vehicles/{vin}/pairing-code": frozenset({"admin", "workshop"}),
    "POST /api/v1/pairing": OWNERS,
    "GET /api/v1/vehicles/{vin}/users": frozenset({"main_user", "admin"}),
    "POST /api/v1/vehicles/{vin}/invitations": frozenset({"main_user"}),
    "POST /api/v1/joining": OWNERS,
    "DELETE /api/v1/vehicles/{vin}/users/{user}": OWNERS | {"admin"},
    "POST /api/v1/vehicles/{vin}/transfer": frozenset({"main_user"}),
    "DELETE /api/v1/vehicles/{vin}/transfer": frozenset({"main_user", "admin"}),
    "POST /api/v1/transfer-acceptance": frozenset({"main_user"}),
    "GET /api/v1/users/{user}/export": OWNERS | {"admin"},
    "DELETE /api/v1/users/{user}": OWNERS | {"admin"},
    "GET /api/v1/audit": CONTROL,
    "GET /api/v1/quarantine": CONTROL,
    "GET /api/v1/deliveries": DELIVERY,
    "POST /api/v1/deliveries/{delivery_id}/resend": DELIVERY,
    "POST /api/v1/sinks/{name}/test": DELIVERY,
}

PUBLIC = frozenset(
    {
        "GET /",
        "GET /console/session",
        "POST /console/session",
        "DELETE /console/session",
        "POST /console/password",
        "GET /console/{path}",
        "GET /health/live",
        "GET /health/ready",
        "GET /metrics",
        "GET /openapi.json",
    }
)
"""Open to everyone who reaches the port; none tells anything of a vehicle. Logging in has its own limits."""
