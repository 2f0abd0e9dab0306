"""
A car owner's app in a page: lock the car, unlock it with the security code, and print all that comes back.

    python examples/owner_app.py mqtt://USER:PASSWORD@HOST:PORT VIN --code 1234 lock unlock

Written from docs/asyncapi.yaml alone; it needs paho-mqtt. Exit code 0 if every action was performed.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import queue
import sys
import time
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

FINAL = ("refused", "performed", "failed", "expired", "unknown")
LIVES_S = {"lock": 60, "unlock": 60, "locate": 60, "honk_flash": 30}  # the others: 600
GRACE_S = 5  # the last word comes when the request's life is over, and takes its way


class OwnerApp:
    """One connection of one person, for one car."""

    def __init__(self, url: str, vin: str) -> None:
        """Connect, and subscribe at each connect."""
        place = urlsplit(url)
        self.user, self.vin = unquote(place.username or ""), vin
        self.heard: queue.Queue[dict[str, Any]] = queue.Queue()
        self.subscribed: queue.Queue[bool] = queue.Queue()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.username_pw_set(self.user, unquote(place.password or ""))
        if place.scheme == "mqtts":
            self._client.tls_set()
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self.subscribed.put(True)
        self._client.on_message = self._on_message
        self._client.connect(place.hostname or "127.0.0.1", place.port or 1883)
        self._client.loop_start()
        self.subscribed.get(timeout=10)  # an answer must not come before somebody listens

    def command(self, action: str, code: str | None) -> str:
        """Ask for an action, print each status, and return the last one."""
        proof = {"challenge_response": self.prove(code, action)} if action == "unlock" and code else {}
        request_id = self.request(action, **proof)
        status = "no answer"
        until = time.monotonic() + LIVES_S.get(action, 600) + GRACE_S
        while status not in FINAL and (answer := self.answer(request_id, until)):
            status = answer["status"]
            print(f"{action}: {status} {answer.get('reason') or ''}".rstrip(), flush=True)
        return status

    def prove(self, code: str, purpose: str) -> str:
        """Ask for a challenge and answer it: the code itself never leaves this program."""
        asked = self.answer(self.request("challenge", params={"purpose": purpose}), time.monotonic() + 10)
        if not asked or "challenge" not in asked:
            sys.exit(f"no challenge: {asked.get('reason') if asked else 'no answer'}")
        key = hashlib.pbkdf2_hmac("sha512", code.encode(), asked["salt"].encode(), asked["rounds"], 32)
        text = f"{asked['challenge']}|{self.user}|{self.vin}|{purpose}"
        return hmac.new(key, text.encode(), "sha512").hexdigest()

    def request(self, action: str, **more: object) -> str:
        """Publish a request; its id is in every answer to it."""
        body = {"request_id": uuid.uuid4().hex, "action": action, "issued_at": datetime.now(UTC).isoformat()}
        topic = f"v1/users/{self.user}/vehicles/{self.vin}/remote-access/request"
        self._client.publish(topic, json.dumps(body | more), qos=1)
        return body["request_id"]

    def answer(self, request_id: str, until: float) -> dict[str, Any] | None:
        """Wait for the next answer to this request; None if none comes."""
        while (left_s := until - time.monotonic()) > 0:
            try:
                answer = self.heard.get(timeout=left_s)
            except queue.Empty:
                break
            if answer.get("request_id") == request_id:
                return answer
        return None

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        responses = f"v1/users/{self.user}/vehicles/{self.vin}/remote-access/response"
        client.subscribe([(responses, 1), (f"v1/users/{self.user}/notifications", 1)])

    def _on_message(self, _client: object, _userdata: object, message: mqtt.MQTTMessage) -> None:
        body = json.loads(message.payload)
        if message.topic.endswith("/notifications"):
            print(f"notification: {body['kind']} {body['code']}: {body['text']}", flush=True)
        else:
            self.heard.put(body)


def main() -> int:
    """Do one action after the other, then listen for a while."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().partition("\n")[0])
    parser.add_argument("url", help="mqtt://USER:PASSWORD@HOST:PORT, the listener for users")
    parser.add_argument("vin")
    parser.add_argument("actions", nargs="*", default=["lock", "unlock"])
    parser.add_argument("--code", help="the car's security code; unlock needs it")
    parser.add_argument(
        "--listen", type=float, default=0, metavar="SECONDS", help="for notifications, at the end"
    )
    options = parser.parse_intermixed_args()
    app = OwnerApp(options.url, options.vin)
    ended = [app.command(action, options.code) for action in options.actions]
    time.sleep(options.listen)
    return 0 if all(status == "performed" for status in ended) else 1


if __name__ == "__main__":
    sys.exit(main())
