"""
Composition root: builds every part, runs them in one task group, and closes them in reverse.

The only module that knows all. Stopping is not needed for correctness: a SIGKILL at any line loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from gateway import wire
from gateway.adapters import interpreter
from gateway.adapters.clock import SystemClock
from gateway.adapters.lock import only_one
from gateway.adapters.metrics import PrometheusMeters
from gateway.adapters.mqtt.connection import Will
from gateway.adapters.mqtt.self_test import self_test
from gateway.adapters.mqtt.sessions import MqttLink, Plan, Session
from gateway.adapters.mqtt.splitter import Version
from gateway.adapters.recording_files import RecordingFiles
from gateway.adapters.seal import open_seal
from gateway.adapters.sinks import open_sink, plan_of
from gateway.adapters.site_map import PmtilesFile
from gateway.adapters.storage import STORES
from gateway.api.app import build_app
from gateway.api.deps import Deps
from gateway.api.server import bind, serve
from gateway.errors import LinkDown, StoreError
from gateway.pipeline.canary import Canary
from gateway.pipeline.case_feed import CaseFeed
from gateway.pipeline.commanding import Commanding
from gateway.pipeline.decider import Decider
from gateway.pipeline.delivery import Delivery
from gateway.pipeline.feed import Feed
from gateway.pipeline.health import CANARY_GRACE_S, Health, offline
from gateway.pipeline.hearing import Hearing, MassLoss, ticker
from gateway.pipeline.inbox import Inbox
from gateway.pipeline.ingest import Ingest
from gateway.pipeline.messages import heartbeat
from gateway.pipeline.notifier import Notifier
from gateway.pipeline.outlet import Way
from gateway.pipeline.receipts import Receipts
from gateway.pipeline.recording import RecordedActs, Recorder
from gateway.pipeline.requests import Requests
from gateway.pipeline.retention import Retention
from gateway.pipeline.set_back import SetBack
from gateway.pipeline.survey import Survey
from gateway.pipeline.sys_topics import DROPPED, SysTopics
from gateway.pipeline.telemetry import TelemetryIntake
from gateway.pipeline.timers import Timers
from gateway.ports import Store
from gateway.settings import Settings
from gateway.wire import command_request, connection, telemetry
from gateway.wire.topics import gateway_topic, user_vehicle_topic, vehicle_topic

LOOK_FOR_CHANGES_S = 1.0
FORGET_AT_ONCE = 5_000
"""Of more vehicles than this, all are read again."""
NOTE_HEAD_EVERY_S = 3600.0
REACH_AGAIN_S = 0.5
COALESCE_TELEMETRY_S = 0.002
CHALLENGE_BYTES = 32
REQUESTS = user_vehicle_topic("+", "+", command_request.KIND)


async def run(settings: Settings, log: Any) -> None:
    """
    Run the gateway until SIGTERM or SIGINT.

    Errors:  StartError with one clear sentence.
    """
    interpreter.tune()
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        bind(settings.api.listen).close()  # a taken port must stop the start before anything runs
        stack.enter_context(only_one(Path(settings.gateway.data_dir)))
        tasks, farewell = await _build(settings, log, stack)
        running = asyncio.create_task(_together(tasks), name="gateway")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        log.info("gateway.stopping")
        stopping.cancel()
        await farewell()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    log.info("gateway.stopped")


async def _together(tasks: dict[str, Any]) -> None:
    async with asyncio.TaskGroup() as group:
        for name, task in tasks.items():
            group.create_task(task, name=name)


async def _build(
    settings: Settings, log: Any, stack: AsyncExitStack
) -> tuple[dict[str, Any], Callable[[], Awaitable[None]]]:
    """Build every part. One straight function: splitting it would hide which part is given to which."""
    instance, canary_vin, clock = settings.gateway.instance, settings.canary.vin, SystemClock()
    seal, rng, meters = (
        open_seal(settings.seal_key_file),
        random.Random(secrets.randbits(64)),  # noqa: S311  # jitter
        PrometheusMeters(),
    )

    store = STORES["sqlite"](settings.database, canary_vin, settings.store.keeping)
    stack.callback(store.close)
    log.info("store.opened", path=str(settings.database))
    before, after = store.migrated
    if before != after:
        log.info("store.migrated", before=before, after=after)

    inbox = Inbox()
    intake = TelemetryIntake(inbox, meters)
    ingest = Ingest(inbox, intake, meters)
    dropped = SysTopics(ingest, clock, meters, log)
    plans = _plans(ingest, dropped, instance, clock)
    link = MqttLink([_session(one, settings, clock=clock, rng=rng, meters=meters, log=log) for one in plans])
    requests = Requests(
        inbox,
        intake,
        link,
        clock=clock,
        meters=meters,
        log=log,
        new_challenge=lambda: secrets.token_hex(CHALLENGE_BYTES),
        seal=seal,
    )
    ingest.on_request = requests.take

    ways = []
    for one in settings.sinks:
        sink = open_sink(one, clock=clock, link=link, logger=log)
        stack.push_async_callback(sink.close)
        ways.append(Way(plan_of(one), sink, one.heartbeat))
    await store.plan_sinks([way.plan for way in ways])

    feed_id = await store.feed_id()
    delivery = Delivery(store=store, ways=ways, feed_id=feed_id, clock=clock, rng=rng, meters=meters, log=log)
    decider = Decider(
        inbox,
        store,
        Receipts(link, meters, log),
        clock=clock,
        meters=meters,
        log=log,
        instance=instance,
        canary_vin=canary_vin,
        thresholds=settings.thresholds,
        socs=frozenset(way.plan.soc for way in ways if way.plan.role == "primary"),
        availability=settings.availability,
    )
    await decider.open()
    feed, live_cases = Feed(store), CaseFeed(store)
    feed.begin(decider.sequences())
    canary = Canary(link, clock, settings.canary, secrets.token_hex(4), log)
    hearing = Hearing(link, canary, clock, settings.canary.interval_s + CANARY_GRACE_S)
    mass_loss = MassLoss(clock, intake.heard_since)
    tick = ticker(hearing.since, intake.heard_at, mass_loss, lambda: link.connected)
    timers = Timers(inbox, clock, intake.hand_over, tick)
    decider.on_messages = [delivery.committed, feed.committed]
    decider.on_unrecorded, decider.on_escalated = delivery.unrecorded, delivery.escalated
    decider.on_canary, decider.on_cases = canary.seen, live_cases.committed
    decider.on_leaving = (commanding := Commanding(link, clock, meters, log)).send
    decider.on_silent, decider.stated = mass_loss.note, requests.stated
    decider.on_wake = timers.wake
    decider.on_modes = timers.pin
    decider.on_watched, decider.on_awaited = intake.watch, intake.await_word
    survey = Survey(store, decider, clock, settings.availability, log)
    await _guard_clock(SetBack(store, clock, meters, log, instance), decider, intake, timers, survey)
    for subject in await timers.load(store):
        intake.watch(subject, True)  # until the vehicle's state is read again
    recorder = await _record(settings, ingest, store, stack, clock=clock, meters=meters, log=log)
    health = Health(
        link=link,
        store=store,
        decider=decider,
        delivery=delivery,
        canary=canary,
        canary_interval_s=settings.canary.interval_s,
        inbox=inbox,
        clock=clock,
        tally=meters,
        instance=instance,
        log=log,
        hearing=hearing,
        mass_loss=mass_loss,
        recorder=recorder,
    )
    app = build_app(
        Deps(
            store=store,
            acts=decider if recorder is None else RecordedActs(decider, recorder),
            commands=requests,
            feed=feed,
            cases=live_cases,
            vehicles=intake,
            health=health,
            sinks=delivery,
            seal=seal,
            clock=clock,
            instance=instance,
            metrics=meters.text,
            thresholds=settings.thresholds,
            availability=settings.availability,
            https=settings.api.https,
            origin=settings.api.origin,
            site_map=_site_map(settings.console.map_file, meters, log),
            on_code_refused=lambda code: meters.count("gateway_codes_refused_total", code=code),
            on_readers=lambda count: meters.gauge("gateway_sse_clients", count),
        )
    )
    tasks = {
        "http": serve(
            app,
            settings.api.listen,
            lambda url: log.info("gateway.started", url=url, instance=instance),
            certificate=settings.api.certificate,
            on_cut_off=lambda: meters.count("gateway_slow_readers_total"),
        ),
        "mqtt": _connect(settings, link, log),
        "decider": decider.run(),
        "timers": timers.run(link.wait_connected),
        "canary": canary.run(link.wait_connected),
        "heartbeat": _heartbeat(canary, delivery, settings, feed_id, clock),
        "health": health.run(),
        "delivery": delivery.run(),
        "answers": commanding.run(),
        "notifier": Notifier(store, link, log).run(),
        "broker": dropped.run(link.wait_connected),
        "registry": _watch_registry(store, decider, log),
        "survey": survey.run(),
        "retention": Retention(store, clock, meters, log).run(),
        "audit": _note_head(store, log),
    }
    if recorder is not None:
        tasks["recording"] = recorder.run()
    return tasks, health.farewell


def _site_map(stated: str | None, meters: PrometheusMeters, log: Any) -> PmtilesFile | None:
    return None if stated is None else PmtilesFile(Path(stated), meters, log)


async def _guard_clock(
    guard: SetBack, decider: Decider, intake: TelemetryIntake, timers: Timers, survey: Survey
) -> None:
    """Find out, before anything is decided, whether the clock was set back while the gateway was down."""
    decider.before_turn = guard.look
    guard.on_set_back = [decider.set_back, intake.set_back, timers.set_back, survey.set_back]
    await guard.at_start()


async def _record(
    settings: Settings,
    ingest: Ingest,
    store: Store,
    stack: AsyncExitStack,
    *,
    clock: SystemClock,
    meters: PrometheusMeters,
    log: Any,
) -> Recorder | None:
    """Record what vehicles say, if that is configured; None if not."""
    if settings.recording.folder is None:
        return None
    files = RecordingFiles(Path(settings.recording.folder), settings.recording)
    recorder = Recorder(store, files, clock=clock, meters=meters, log=log, canary_vin=settings.canary.vin)
    ingest.on_heard = recorder.hear
    stack.push_async_callback(recorder.close)
    log.warning("recording.started", path=settings.recording.folder, max_days=settings.recording.max_days)
    return recorder


def _plans(ingest: Ingest, dropped: SysTopics, instance: str, clock: SystemClock) -> list[Plan]:
    """One session per class of traffic, so that no flood of one costs another."""

    def filters(session: wire.Session) -> tuple[str, ...]:
        return tuple(vehicle_topic("+", topic.kind) for topic in wire.TOPICS if topic.session == session)

    def never(_topic: str) -> bool:
        return False

    def will() -> Will:
        return Will(gateway_topic(instance, "status"), offline(clock.now()))

    return [
        Plan("events", filters("events"), 1, ingest.take, never, will=will, is_crowded=ingest.is_crowded),
        Plan(
            "commands", (*filters("commands"), REQUESTS), 1, ingest.take, never, is_crowded=ingest.is_crowded
        ),
        Plan(
            "telemetry",
            (*filters("telemetry"), vehicle_topic("+", telemetry.KIND), DROPPED),
            1,
            dropped.take,
            lambda topic: topic.endswith(f"/{connection.KIND}") or topic == DROPPED,
            optional=(DROPPED,),
            coalesce_s=COALESCE_TELEMETRY_S,
            glances=ingest,
            is_crowded=ingest.is_crowded,
        ),
    ]


def _session(
    plan: Plan,
    settings: Settings,
    *,
    clock: SystemClock,
    rng: random.Random,
    meters: PrometheusMeters,
    log: Any,
) -> Session:
    return Session(
        plan,
        settings.mqtt,
        client_id=f"{settings.gateway.instance}-{plan.name}",
        clock=clock,
        rng=rng,
        meters=meters,
        log=log,
    )


async def _connect(settings: Settings, link: MqttLink, log: Any) -> None:
    """Prove manual acknowledgement first; a broker that is away is waited for."""
    version = await _prove(settings, log)
    log.info("mqtt.self_tested", mqtt_version=version)
    for session in link.sessions.values():
        session.version = version
    await link.run()


async def _prove(settings: Settings, log: Any) -> Version:
    while True:
        try:
            return await self_test(settings.mqtt, settings.gateway.instance)
        except LinkDown as error:
            log.warning("mqtt.disconnected", session="self-test", reason=str(error))
            await asyncio.sleep(REACH_AGAIN_S)


async def _heartbeat(
    canary: Canary, delivery: Delivery, settings: Settings, feed_id: str, clock: SystemClock
) -> None:
    """Tell sinks that ask for it that the gateway can hear."""
    interval_s = settings.canary.interval_s
    while True:
        await asyncio.sleep(interval_s)
        if canary.age_s is not None and canary.age_s < 2 * interval_s:
            delivery.heartbeat(heartbeat(feed_id, settings.gateway.instance, clock.now()))


async def _watch_registry(store: Store, decider: Decider, log: Any) -> None:
    """A change by any process takes effect within two seconds."""
    known = -1
    while True:
        try:
            version = await store.registry_version()
            vins = await store.registered_since(known, FORGET_AT_ONCE) if known not in {-1, version} else []
        except StoreError:
            version, vins = known, []
        if vins:
            log.info("registry.changed", version=version)
            decider.forget(vins if len(vins) < FORGET_AT_ONCE else None)
        known = version
        await asyncio.sleep(LOOK_FOR_CHANGES_S)


async def _note_head(store: Store, log: Any) -> None:
    """Say where the audit trail stands: logs are kept elsewhere, so the trail can't be made anew unseen."""
    while True:
        with contextlib.suppress(StoreError):  # the decider reports a failing store
            head = await store.audit_head()
            if head is not None:
                log.info("audit.head", head=str(head))
        await asyncio.sleep(NOTE_HEAD_EVERY_S)
