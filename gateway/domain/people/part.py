"""How people's acts take part in the fold."""

from __future__ import annotations

from gateway.domain.outcome import Part
from gateway.domain.people.consents import set_consent
from gateway.domain.people.facts import Consent

PART = Part(acts={Consent: set_consent})
