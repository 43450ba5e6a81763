"""Prints the forms in which Microsoft's own library asks Entra for tokens, one a line, as sorted fields.

Arguments: tenant, client id, client secret, scope, and a file with a federated token.
"""

import json
import sys
from urllib.parse import parse_qsl, urlencode

from azure.core.pipeline.transport import HttpTransport
from azure.core.rest import HttpResponse
from azure.core.rest._http_response_impl import HttpResponseImpl
from azure.identity import ClientSecretCredential, WorkloadIdentityCredential

tenant, client, secret, scope, file = sys.argv[1:]


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
    """Answers for Entra, and keeps what was asked."""

    def __init__(self):
        self.forms = []

    def __enter__(self):
        return self

    def __exit__(self, *args):
        pass

    def open(self):
        pass

    def close(self):
        pass

    def send(self, request, **kwargs):
        base = f"https://login.microsoftonline.com/{tenant}"
        if request.method == "GET":
            return Answer(request, {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "issuer": f"{base}/v2.0",
            })
        body = request.content if hasattr(request, "content") else request.body
        body = body.decode() if isinstance(body, bytes) else body if isinstance(body, str) else urlencode(request.data)
        self.forms.append((request.url, body))
        return Answer(request, {"token_type": "Bearer", "expires_in": 3599, "access_token": "eyJ.x.y"})


for make in (
    lambda transport: ClientSecretCredential(tenant, client, secret, transport=transport, disable_instance_discovery=True),
    lambda transport: WorkloadIdentityCredential(
        tenant_id=tenant, client_id=client, token_file_path=file, transport=transport, disable_instance_discovery=True
    ),
):
    transport = Recorder()
    make(transport).get_token(scope)
    url, form = transport.forms[-1]
    fields = sorted((name, value) for name, value in parse_qsl(form, strict_parsing=True) if name != "client_info")
    print(json.dumps({"url": url, "fields": dict(fields)}))
