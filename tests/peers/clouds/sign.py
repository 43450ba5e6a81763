"""Signs requests by the vendors' own code: alibabacloud-tea-openapi and tencentcloud-sdk-python.

Reads one JSON object a line from stdin and writes the Authorization header it makes, one line each.
"""

import base64
import datetime
import hashlib
import json
import sys

from alibabacloud_tea_openapi.utils import Utils
from tencentcloud.common import abstract_client, credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.common.http.request import RequestInternal


class Request:
    """What the signer of Alibaba Cloud looks at."""

    def __init__(self, asked):
        self.method = asked["method"]
        self.pathname = asked["path"]
        self.query = asked["query"]
        self.headers = asked["headers"]


def acs3(asked):
    body_sha256 = hashlib.sha256(base64.b64decode(asked["body"])).hexdigest() if asked["signs_body"] else ""
    return Utils.get_authorization(Request(asked), "ACS3-HMAC-SHA256", body_sha256, asked["id"], asked["secret"])


class Client(abstract_client.AbstractClient):
    _apiVersion = "2018-04-16"
    _endpoint = "scf.tencentcloudapi.com"
    _service = "scf"


def tc3(asked):
    day = datetime.datetime.fromtimestamp(asked["seconds"], datetime.timezone.utc).strftime("%Y-%m-%d")
    profile = ClientProfile(httpProfile=HttpProfile(endpoint=asked["host"]))
    client = Client(credential.Credential(asked["id"], asked["secret"]), "ap-guangzhou", profile)
    request = RequestInternal(asked["host"], "POST", asked["path"])
    request.header["Content-Type"] = asked["content_type"]
    request.header["Host"] = asked["host"]
    request.header["X-TC-Timestamp"] = str(asked["seconds"])
    request.data = base64.b64decode(asked["body"])
    if asked["unsigned"]:
        request.header["X-TC-Content-SHA256"] = "UNSIGNED-PAYLOAD"
    signature = client._get_tc3_signature({}, request, day, "scf", asked["secret"])
    return (
        f"TC3-HMAC-SHA256 Credential={asked['id']}/{day}/scf/tc3_request, "
        f"SignedHeaders=content-type;host, Signature={signature}"
    )


SCHEMES = {"acs3": acs3, "tc3": tc3}

for line in sys.stdin:
    asked = json.loads(line)
    print(SCHEMES[asked["scheme"]](asked))
