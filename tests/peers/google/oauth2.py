"""Google's token service, for a client that goes through a proxy: `oauth2.py CERTIFICATE KEY PUBLIC AUDIENCE ANSWER`.

Prints the port it listens on. It is the proxy (CONNECT), and behind it the server that the client wants, under the given
certificate. The assertion that is sent has to hold for google-auth, by the public key and for the audience; then the
answer is an ID token. Prints the name that was asked for and the claims' address, and ends.
"""

import json
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

certificate, key, public, audience, token = sys.argv[1:]
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()


def head(stream):
    lines = []
    while line := stream.readline().strip():
        lines.append(line.decode())
    return lines


with connection.makefile("rb") as stream:
    method, name, _ = head(stream)[0].split(" ")
assert method == "CONNECT", method
connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
with context.wrap_socket(connection, server_side=True) as secure:
    stream = secure.makefile("rb")
    line, *headers = head(stream)
    assert line == "POST /token HTTP/1.1", line
    length = next(int(value) for field, _, value in (h.partition(":") for h in headers) if field.lower() == "content-length")
    form = stream.read(length).decode()
    asked = {"public": Path(public).read_text(), "kid": "kid1", "audience": audience, "form": form, "now": int(time.time())}
    # Google's library puts the beginning back by ten seconds, and the end ahead.
    asked["lifetime"] = 3620
    verify = Path(__file__).with_name("verify.py")
    said = subprocess.run([sys.executable, verify], input=json.dumps(asked), capture_output=True, text=True)
    body = json.dumps({"id_token": token} if said.returncode == 0 else {"error": said.stderr.strip().rpartition("\n")[2]}).encode()
    status = b"200 OK" if said.returncode == 0 else b"400 Bad Request"
    head_of_answer = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
    secure.sendall(head_of_answer + body)
print(name, said.stdout.strip() or said.stderr.strip().rpartition("\n")[2], flush=True)
