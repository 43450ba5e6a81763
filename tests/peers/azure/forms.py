"""Prints how Microsoft's own library asks for tokens: a client's secret, a federated token, and a machine's identity.

Reads one JSON object a line from stdin (tenant, client, secret, scope, file: one with a federated token), and prints three
lines for each: the address, the fields of the form or of the query, and whether the header `Metadata` was sent.
"""

import json
import sys
from urllib.parse import parse_qsl, urlencode, urlsplit

from azure.core.pipeline.transport import HttpTransport
from azure.core.rest._http_response_impl import HttpResponseImpl
from azure.identity import ClientSecretCredential, ManagedIdentityCredential, WorkloadIdentityCredential


class Answer(HttpResponseImpl):
    """An answer that was never sent."""

    def __init__(self, request, body):
        super().__init__(
            request=request,
            internal_response=None,
            block_size=4096,
            status_code=200,
            reason="OK",
            content_type="application/json",
            headers={"content-type": "application/json"},
            stream_download_generator=None,
        )
        self._content = json.dumps(body).encode()
        self._is_closed = self._is_stream_consumed = True


class Recorder(HttpTransport):
    """Answers for Entra and for a machine's identity service, and keeps what was asked."""

    def __init__(self, tenant):
        self.tenant, self.asked = tenant, []

    def __enter__(self):
        return self

    def __exit__(self, *args):
        pass

    def open(self):
        pass

    def close(self):
        pass

    def send(self, request, **kwargs):
        token = {"token_type": "Bearer", "expires_in": 3599, "access_token": "eyJ.x.y"}
        url = urlsplit(request.url)
        if url.path.startswith("/metadata/"):
            query = url.query or urlencode(getattr(request, "query", {}) or {})
            self.asked.append((request.url.partition("?")[0], query, request.headers.get("Metadata") == "true"))
            return Answer(request, {**token, "expires_in": "3599", "resource": "r"})
        base = f"https://login.microsoftonline.com/{self.tenant}"
        if request.method == "GET":
            return Answer(request, {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "issuer": f"{base}/v2.0",
            })
        body = request.content if hasattr(request, "content") else request.body
        body = body.decode() if isinstance(body, bytes) else body if isinstance(body, str) else urlencode(request.data)
        self.asked.append((request.url, body, False))
        return Answer(request, token)


for line in sys.stdin:
    asked = json.loads(line)
    tenant, client = asked["tenant"], asked["client"]
    for make in (
        lambda transport: ClientSecretCredential(
            tenant, client, asked["secret"], transport=transport, disable_instance_discovery=True
        ),
        lambda transport: WorkloadIdentityCredential(
            tenant_id=tenant,
            client_id=client,
            token_file_path=asked["file"],
            transport=transport,
            disable_instance_discovery=True,
        ),
        lambda transport: ManagedIdentityCredential(client_id=client, transport=transport),
    ):
        transport = Recorder(tenant)
        make(transport).get_token(asked["scope"])
        url, form, metadata = transport.asked[-1]
        fields = {name: value for name, value in parse_qsl(form, strict_parsing=True) if name != "client_info"}
        print(json.dumps({"url": url, "fields": fields, "metadata": metadata}))
