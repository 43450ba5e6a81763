"""An HTTP program of the standard library only: it answers on $PORT, and does what the path says."""
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

lock = threading.Lock()
running = 0
most = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        global running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            self.act(urlparse(self.path))
        finally:
            with lock:
                running -= 1

    def act(self, url):
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if url.path == "/sleep":
            time.sleep(int(query["ms"]) / 1000)
        if url.path == "/burn":
            end = time.thread_time() + int(query["ms"]) / 1000
            while time.thread_time() < end:
                pass
        if url.path == "/exit":
            os._exit(int(query["status"]))
        if url.path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"short")
            self.close_connection = True
            return
        if url.path == "/large":
            return self.reply(200, b"x" * int(query["bytes"]))
        if url.path == "/deaf":
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        echo = {"method": self.command, "path": self.path, "headers": dict(self.headers.items()), "body": body.decode(), "most": most}
        self.reply(int(query.get("status", 200)), json.dumps(echo).encode())

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Own", "passed on")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def log_message(self, *arguments):
        pass


def leave(*_):
    print("told to end", flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, leave)
ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
