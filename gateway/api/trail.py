"""What callers read and do, as the audit trail says it."""

from __future__ import annotations

from gateway.api.deps import Deps
from gateway.ports import AuditEntry, Token


async def audit(deps: Deps, who: Token, action: str, subject: str = "", /, **details: object) -> None:
    """Write into the audit trail what a caller did to what, in which role, this moment."""
    entry = AuditEntry(deps.clock.now(), who.person, action, subject, {"role": who.role, **details})
    await deps.store.audit([entry])
