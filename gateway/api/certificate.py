"""The certificate of car security: made by a workshop's check, printed by the owner for the insurer."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from typing import Annotated, Literal

from litestar import MediaType, Response, Router, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from gateway.api.deps import Caller, FromApp
from gateway.api.people import act, actor, registered
from gateway.api.problems import Problem, problems
from gateway.domain.certification import Certificate, NotCertified, certificate
from gateway.domain.people.facts import Certify
from gateway.ports import AuditEntry
from gateway.texts import TEXTS, language_of


class CertifyBody(Struct, frozen=True):
    """How the installation was checked."""

    method: Literal["installation_check", "test_alarm"]
    note: Annotated[str, Meta(max_length=500)] = ""


class CertificateView(Struct, frozen=True):
    """A certificate of car security."""

    number: str
    vin: str
    valid_from: datetime | None
    valid_until: datetime
    certified_by: str | None
    sha256: str


STYLE = (
    "body{font:12pt/1.5 serif;margin:3em auto;max-width:40em;color:#000;background:#fff}"
    "h1{font-size:20pt;border-bottom:2px solid}th{text-align:left;font-weight:normal;padding-right:2em;"
    "vertical-align:top}td{font-family:monospace;word-break:break-all}@media print{body{margin:0}}"
)
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
    f"{b64encode(sha256(STYLE.encode()).digest()).decode()}'"
)
WHY: dict[NotCertified, str] = {
    "not_available_in_country": "The service is not available in the vehicle's country.",
    "not_available_for_model": "The service is not available for the vehicle's model.",
    "equipment_missing": "The vehicle lacks the equipment for the service.",
    "not_ordered": "The service was not ordered.",
    "not_started": "The service has not begun.",
    "expired": "The service has ended.",
    "not_certified": "The installation was not certified yet: a workshop checks it.",
}
_page = ResponseSpec(str, description="A page to print.", media_type=MediaType.HTML, generate_examples=False)


@get(
    "/vehicles/{vin:str}/certificate",
    operation_id="readCertificate",
    summary="Download the certificate",
    media_type=MediaType.HTML,
    responses={200: _page, **problems(404, 409)},
)
async def read_certificate(deps: FromApp, who: Caller, vin: FromPath[str]) -> Response[str]:
    """The certificate as a page to print, in the vehicle's language; 409 with the cause if there is none."""
    granted, now = await registered(deps, who, vin), deps.clock.now()
    entry = granted.registration
    made = certificate(entry, now)
    details: dict[str, object] = {"role": who.role}
    if isinstance(made, Certificate):
        details |= {"number": made.number, "sha256": made.sha256}
    await deps.store.audit([AuditEntry(now, who.person, "certificate.read", vin, details)])
    if not isinstance(made, Certificate):
        raise Problem(409, made, WHY[made])
    language = language_of(entry.language, entry.country) if entry else "en"
    headers = {
        "Content-Security-Policy": POLICY,
        "Content-Disposition": f'inline; filename="certificate-{vin}.html"',
    }
    return Response(page(made, language, now), media_type="text/html", headers=headers)


@post(
    "/vehicles/{vin:str}/services/car_security/certify",
    operation_id="certify",
    summary="Certify car security",
    status_code=200,
    responses=problems(400, 404, 409, 413, 415, 422),
)
async def certify(
    deps: FromApp, who: Caller, vin: FromPath[str], data: JSONBody[CertifyBody]
) -> CertificateView:
    """State that the installation was checked, or that a test alarm came through; the certificate follows."""
    granted = await registered(deps, who, vin)
    await act(deps, vin, Certify(method=data.method, note=data.note, **actor(deps, granted)))
    made = certificate((await registered(deps, who, vin)).registration, deps.clock.now())
    if not isinstance(made, Certificate):
        raise Problem(409, made, WHY[made])
    return CertificateView(
        made.number, made.vin, made.valid_from, made.valid_until, made.certified_by, made.sha256
    )


def page(made: Certificate, language: str, now: datetime) -> str:
    """One page of HTML without anything to load."""
    words: dict[str, str] = TEXTS[language]["words"]["certificate"]
    rows = (
        ("number", made.number),
        ("vin", made.vin),
        ("model", made.model or "-"),
        ("valid_from", _day(made.valid_from)),
        ("valid_until", _day(made.valid_until)),
        ("certified_by", made.certified_by or "-"),
        ("printed_at", _day(now)),
        ("sha256", made.sha256),
    )
    table = "".join(
        f"<tr><th>{escape(words[name])}</th><td>{escape(value)}</td></tr>" for name, value in rows
    )
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{escape(words["title"])}'
        f" {escape(made.number)}</title><style>{STYLE}</style></head><body><h1>{escape(words['title'])}</h1>"
        f"<p>{escape(words['statement'])}</p><table>{table}</table><p>{escape(words['check'])}</p></body></html>"
    )


def _day(at: datetime | None) -> str:
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


routes = Router("/", route_handlers=[read_certificate, certify], tags=["vehicles"])
