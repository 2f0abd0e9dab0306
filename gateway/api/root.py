"""What stands at the root: health, metrics, and the operators' page with its files."""

from __future__ import annotations

from importlib.resources import files

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, SkipValidation

from gateway.api.answers import Alive
from gateway.api.deps import FromApp
from gateway.api.problems import Problem
from gateway.ports import HealthReport

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}

NOT_READY = {
    503: ResponseSpec(HealthReport, description="It can't; the body says what.", generate_examples=False)
}

Console = dict[str, bytes]
Files = NamedDependency[SkipValidation[Console]]


def load_console() -> Console:
    """Every file of the page, read once: they are part of the package."""
    folder = files("gateway") / "console"
    return {
        one.name: one.read_bytes() for one in folder.iterdir() if one.name.rpartition(".")[2] in MEDIA_TYPES
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


@get("/", include_in_schema=False)
async def console(console_files: Files) -> Response[bytes]:
    """The operators' page."""
    return _file(console_files, "index.html")


@get("/console/{name:str}", include_in_schema=False)
async def console_file(console_files: Files, name: FromPath[str]) -> Response[bytes]:
    """A file of the operators' page."""
    return _file(console_files, name)


def _file(console_files: Console, name: str) -> Response[bytes]:
    if name not in console_files:
        raise Problem(404, "not_found", "There is no such file.")
    return Response(console_files[name], media_type=MEDIA_TYPES[name.rpartition(".")[2]])


routes = Router("/", route_handlers=[live, ready, metrics, console, console_file], tags=["health"])
