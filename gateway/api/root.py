"""What stands at the root for monitoring: health and metrics."""

from __future__ import annotations

from typing import Literal

from litestar import Response, Router, get
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from gateway.api.deps import FromApp
from gateway.ports import HealthReport


class Alive(Struct, frozen=True):
    """The process runs."""

    status: Literal["alive"]
    instance: str


PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
NOT_READY = {
    503: ResponseSpec(HealthReport, description="It can't; the body says what.", generate_examples=False)
}


@get("/health/live", operation_id="live", summary="Does the process run?")
async def live(deps: FromApp) -> Alive:
    """Answer whatever else is wrong: a restart would not help against a lost broker."""
    return Alive("alive", deps.instance)


@get("/health/ready", operation_id="ready", summary="Can it hear, store and deliver?", responses=NOT_READY)
async def ready(deps: FromApp) -> Response[HealthReport]:
    """Answer 200 while broker, store and canary are good; trouble with a SOC path alone is ``degraded``."""
    report = await deps.health.report()
    return Response(report, status_code=503 if report.status == "not_ready" else 200)


@get("/metrics", operation_id="metrics", summary="Metrics for Prometheus", media_type=PROMETHEUS)
async def metrics(deps: FromApp) -> bytes:
    """Metrics as Prometheus text."""
    return deps.metrics()


routes = Router("/", route_handlers=[live, ready, metrics], tags=["health"])
