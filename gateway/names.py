"""Every log event and every metric, each with what it means. A name that is not here can't be logged."""

from __future__ import annotations

LOG_EVENTS: dict[str, str] = {
    # gateway
    "gateway.started": "All parts run; the listening address is given.",
    "gateway.stopping": "A signal asked the gateway to stop.",
    "gateway.stopped": "Everything is closed.",
    "gateway.blind": "The gateway can't hear, store or deliver; the reasons are given.",
    "gateway.recovered": "The gateway is well again.",
    "gateway.task_failed": "A part failed unexpectedly and is started again.",
    # MQTT
    "mqtt.connected": "A session is connected and subscribed.",
    "mqtt.disconnected": "A session lost its connection and will come back.",
    "mqtt.refused": "The broker refuses the connection; the reason code is given.",
    "mqtt.session_lost": "The broker did not keep the session: vehicles will send again.",
    "mqtt.taken_over": "Another client with the same id took the session: two gateways have one name.",
    "mqtt.self_tested": "Manual acknowledgement works.",
    "mqtt.publish_refused": "The broker refused a publish, or had nobody for it.",
    "mqtt.publish_dropped": "The outgoing queue was full; what is lost is asked for again.",
    "mqtt.protocol_fallback": "The broker speaks MQTT 3.1.1 only.",
    "mqtt.slow_reader": "The MQTT library lacks a private name and reads by itself: more work for an event.",
    "mqtt.retained_ignored": "A replayed retained message was ignored.",
    "mqtt.broker_dropped": "The broker reports dropped messages.",
    "mqtt.sys_not_granted": "The broker grants no $SYS; drops there can't be seen.",
    # ingest
    "event.quarantined": "A payload can't be decoded and was kept.",
    "event.repeated": "An event came again with equal content.",
    "event.forged": "An event came again with other content.",
    "telemetry.dropped": "Derived facts were dropped because the inbox is full.",
    # alarms
    "alarm.raised": "A new alarm is recorded.",
    "alarm.updated": "A further trigger was added to an alarm.",
    "alarm.suppressed": "A trigger was held back by a special mode.",
    "alarm.acknowledged": "An operator has seen the alarm.",
    "alarm.closed": "An operator closed the alarm.",
    "alarm.unrecorded": "The store fails; the alarm went to the SOC unrecorded.",
    "vehicle.state_unreadable": "A stored vehicle state can't be read; the vehicle starts anew.",
    # store
    "store.opened": "The store is open; version and path are given.",
    "store.migrated": "The schema was brought to a newer version.",
    "store.failing": "A transaction failed; it is tried again and nothing is acknowledged.",
    "store.recovered": "The store works again.",
    # delivery
    "delivery.done": "A sink confirmed a message.",
    "delivery.retried": "A sink did not confirm a message; it is tried again.",
    "delivery.parked": "A sink will not take a message; an operator must look.",
    "delivery.failing": "A sink has confirmed nothing for a while.",
    "delivery.recovered": "A sink confirms again.",
    "delivery.stood_by": "A standby sink was given what a primary has not confirmed.",
    # people
    "api.denied": "A request without sufficient rights.",
    "api.failed": "A request ended in an unexpected error.",
    "registry.changed": "The registry has changed.",
    # recording
    "recording.started": "Vehicles' messages are recorded: the files hold positions.",
    "recording.lost": "Messages are missing from the recording; the reason is given.",
    # canary
    "canary.late": "The canary did not come back in time.",
    "notification.failed": "The broker did not take a notification; it is tried again.",
}

METRICS: dict[str, str] = {
    "gateway_events_total": "Events recorded, by kind.",
    "gateway_duplicates_total": "Repeats with equal content.",
    "gateway_states_unreadable_total": "Stored vehicle states that could not be read.",
    "gateway_forged_total": "Repeats with other content.",
    "gateway_quarantined_total": "Payloads that could not be decoded, by topic kind.",
    "gateway_telemetry_total": "Telemetry messages decoded.",
    "gateway_telemetry_dropped_total": "Facts from telemetry that found the inbox full.",
    "gateway_retained_ignored_total": "Replayed retained messages ignored.",
    "gateway_unrecorded_total": "Alarms sent while the store failed.",
    "gateway_suppressed_total": "Triggers held back by special modes.",
    "gateway_alarms_total": "Feed messages, by type, cause and severity.",
    "gateway_receipts_dropped_total": "Receipts that found the outgoing queue full; the vehicle asks again.",
    "gateway_publish_refused_total": "Publishes that the broker refused.",
    "gateway_recorded_total": "Lines written to the recording.",
    "gateway_recording_lost_total": "Messages that are missing from the recording.",
    "gateway_inbox": "Facts waiting to be decided.",
    "gateway_batch_size": "Facts decided in one transaction.",
    "gateway_commit_seconds": "Duration of a commit.",
    "gateway_event_receipt_seconds": "From arrival of an event to its receipt.",
    "gateway_delivery_seconds": "From commit of a message to its confirmation, by sink.",
    "gateway_delivery_attempts_total": "Delivery attempts, by sink and outcome.",
    "gateway_delivery_backlog": "Vehicles with undelivered messages, by sink.",
    "gateway_canary_age_seconds": "Since the canary last came through broker and store.",
    "gateway_loop_lag_seconds": "How late the event loop is.",
    "gateway_mqtt_connected": "1 while a session is connected, by session.",
    "gateway_mqtt_fast_reader": "1 if a session's last connection was read by our own loop, by session.",
    "gateway_store_ok": "1 while the store works.",
    "gateway_sse_clients": "Live feed readers.",
    "gateway_broker_dropped": "Messages that the broker reports as dropped.",
}
