#!/usr/bin/env python3
"""A tiny provider: this machine runs one function, `wordcount`, and is paid for it by the call.

Python 3.11 and its standard library, and what docs/PROVIDERS.md says. It joins by REST: price sheet, endpoint, and
offers that it sends again before they expire, so that Merit stops sending calls here soon after this process dies.
SIGTERM or Ctrl-C withdraws the offers, lets running calls end, and prints what the month has brought in.

    MERIT_URL=http://127.0.0.1:8780 MERIT_KEY=mrt_... ./provider.py --venue tiny
"""

import argparse
import base64
import collections
import datetime
import hashlib
import hmac
import json
import os
import secrets
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOTS = 4
TTL_MS = 6000
RENEW_SECONDS = 2
STALE_SECONDS = 300  # how far the clocks of both ends may be apart
MAX_PAYLOAD_BYTES = 6 * 1024 * 1024

# What a call costs while nothing else runs here: so much for the call, and so much for memory and time.
REQUEST_DOLLARS = "0.0000002"
SHEET = """
name = "{venue}/wordcount"
currency = "USD"
seq = 1
source = "own"
rule = {{ granularity_us = 1000 }}
lines = [{{ meter = "request", rate = "{request}" }}, {{ meter = "gb_second", rate = "0.00001" }}]
[sources.own]
title = "what this machine costs its owner"
retrieved = "2026-11-21"
"""


def wordcount(payload):
    """The function: how often each word occurs, the most frequent first."""
    words = collections.Counter(payload.decode("utf-8").lower().split())
    return json.dumps(dict(sorted(words.items(), key=lambda item: (-item[1], item[0])))).encode()


class Signer:
    """Standard Webhooks, both ways: HMAC-SHA256 over `id.timestamp.body`."""

    def __init__(self):
        self.key = secrets.token_bytes(32)
        self.secret = "whsec_" + base64.b64encode(self.key).decode()
        self.seen = collections.OrderedDict()
        self.lock = threading.Lock()

    def sign(self, message_id, seconds, body):
        digest = hmac.new(self.key, f"{message_id}.{seconds}.".encode() + body, hashlib.sha256).digest()
        return "v1," + base64.b64encode(digest).decode()

    def refusal(self, headers, body):
        """Why a request is not to be run; nothing when it is Merit's, of now, and new."""
        message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not message_id or not stamp.isdecimal():
            return "no webhook-id or webhook-timestamp"
        if abs(int(stamp) - time.time()) > STALE_SECONDS:
            return "the signature is too old, or from the future"
        expected = self.sign(message_id, stamp, body)
        given = headers.get("webhook-signature", "").split(" ")
        if not any(hmac.compare_digest(expected.encode(), one.encode()) for one in given):
            return "the signature is wrong"
        with self.lock:
            while self.seen and next(iter(self.seen.values())) < time.time() - 2 * STALE_SECONDS:
                self.seen.popitem(last=False)
            if message_id in self.seen:
                return "this request has been here before"
            self.seen[message_id] = time.time()
        return None


class Calls(BaseHTTPRequestHandler):
    """The endpoint: checks who asks, runs the function, tells what it used, signs the reply."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > MAX_PAYLOAD_BYTES:
            self.close_connection = True
            return self.answer(413, b"a payload of known length, 6 MiB at most", {})
        body = self.rfile.read(int(length))
        refusal = self.server.signer.refusal(self.headers, body)
        if refusal:
            return self.answer(401, refusal.encode(), {})
        if self.path != "/wordcount":
            return self.answer(404, b"this machine runs /wordcount", {})
        with self.server.running():
            began, cpu = time.perf_counter(), time.thread_time()
            headers = {"content-type": "application/json"}
            try:
                reply = wordcount(body)
            except UnicodeDecodeError as error:
                # The function's own error, not the venue's: it ran, and is charged.
                reply, headers["merit-function-error"] = str(error).encode(), "NotText"
            headers["merit-meter-duration-us"] = str(int((time.perf_counter() - began) * 1e6))
            headers["merit-meter-cpu-us"] = str(int((time.thread_time() - cpu) * 1e6))
        self.answer(200, reply, headers)

    def answer(self, status, body, headers):
        # The reply has the id of its request and is signed as the request was.
        message_id, seconds = self.headers.get("webhook-id", ""), str(int(time.time()))
        signature = self.server.signer.sign(message_id, seconds, body)
        signed = {"webhook-id": message_id, "webhook-timestamp": seconds, "webhook-signature": signature}
        self.send_response(status)
        for name, value in {**headers, **signed, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing: Merit keeps the receipts."""


class Endpoint(ThreadingHTTPServer):
    """Counts what runs at once, for the price."""

    daemon_threads = True

    def __init__(self, address):
        super().__init__(address, Calls)
        self.signer = Signer()
        self.busy = 0
        self.changed = threading.Condition()

    def running(self):
        return self

    def __enter__(self):
        with self.changed:
            self.busy += 1

    def __exit__(self, *_):
        with self.changed:
            self.busy -= 1
            self.changed.notify_all()

    def wait_until_idle(self, seconds):
        with self.changed:
            self.changed.wait_for(lambda: self.busy == 0, seconds)


class Merit:
    """The provider door of a broker, as far as it is needed here."""

    def __init__(self, url, key, venue):
        self.base, self.key, self.venue = f"{url.rstrip('/')}/v1/venues/{venue}", key, venue
        # No proxy: this machine's own network.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, method, path, body=None):
        kind = "text/plain" if isinstance(body, str) else "application/json"
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
        headers = {"authorization": f"Bearer {self.key}", "content-type": kind}
        request = urllib.request.Request(f"{self.base}/{path}", data=data, headers=headers, method=method)
        try:
            with self.opener.open(request, timeout=10) as reply:
                text = reply.read()
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error
        return json.loads(text) if text else None

    def join(self, endpoint_url, secret):
        self.ask("PUT", "price-sheet", SHEET.format(venue=self.venue, request=REQUEST_DOLLARS))
        self.ask("PUT", "endpoint", {"url": endpoint_url, "secret": secret})

    def offer(self, busy):
        """All that is offered here, with a price that rises by a tenth for each slot that is taken."""
        price = Decimal(REQUEST_DOLLARS) * (10 + min(busy, SLOTS)) / 10
        offer = {
            "id": "wordcount-128",
            "function": "wordcount",
            "target": "/wordcount",
            "isolation": "provider",
            "architecture": "x86_64",
            "memory_mb": 128,
            "slots": SLOTS,
            "prices": {"request": f"{price:f}"},
            "rule": {"request": f"{REQUEST_DOLLARS} x (1 + busy / 10)", "busy": busy},
            "ttl_ms": TTL_MS,
        }
        answer = self.ask("PUT", "offers", {"offers": [offer]})
        for one in answer.get("held", []) + answer.get("rejected", []):
            print(f"{one['id']}: {one['reason']}: {one['message']}", file=sys.stderr, flush=True)

    def withdraw(self):
        self.ask("DELETE", "offers")

    def earned(self):
        month = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m")
        return self.ask("GET", f"statement?month={month}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--venue", required=True, help="the venue that the key is bound to")
    parser.add_argument("--listen", default="127.0.0.1:0", help="where calls come in (default %(default)s: any port)")
    parser.add_argument("--public-url", help="how Merit reaches that, when it is not http://LISTEN")
    arguments = parser.parse_args()
    for name in ("MERIT_URL", "MERIT_KEY"):
        if name not in os.environ:
            parser.error(f"set {name} in the environment")
    host, port = arguments.listen.rsplit(":", 1)
    endpoint = Endpoint((host, int(port)))
    threading.Thread(target=endpoint.serve_forever, daemon=True).start()

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    merit = Merit(os.environ["MERIT_URL"], os.environ["MERIT_KEY"], arguments.venue)
    merit.join(arguments.public_url or f"http://{host}:{endpoint.server_port}", endpoint.signer.secret)
    merit.offer(endpoint.busy)
    print(f"offering wordcount at {arguments.venue}", flush=True)
    while not stop.wait(RENEW_SECONDS):
        try:
            merit.offer(endpoint.busy)
        except urllib.error.URLError as error:
            print(f"no answer from Merit, trying again: {error.reason}", file=sys.stderr, flush=True)
    merit.withdraw()
    endpoint.wait_until_idle(30)
    statement = merit.earned()
    print(f"earned {statement['earned']} dollars with {statement['fills']} calls this month", flush=True)


if __name__ == "__main__":
    main()
