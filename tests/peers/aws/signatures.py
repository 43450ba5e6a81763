"""AWS's own signer over requests that Merit has made.

`signatures.py make SEED COUNT` prints calls to be made: one JSON object a line, with keys, tokens, regions, names and
payloads of any letters. `signatures.py check` reads requests as they were received, one JSON object a line, and prints the
Authorization header that botocore makes of each, by the same date and signed headers.
"""

import json
import random
import string
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

WORD = string.ascii_letters + string.digits + "-_"
LETTERS = WORD + " %+&=/?~.$:;,*'(!#\"\\{}[]é日字😀\u0301\u202e"
REGIONS = ["us-east-1", "eu-west-1", "ap-northeast-1", "us-gov-west-1", "cn-north-1"]


def text(letters, least, most):
    return "".join(random.choice(letters) for _ in range(random.randint(least, most)))


def target(region):
    name, qualifier = text(WORD, 1, 64), random.choice(["", ":$LATEST", f":{random.randint(1, 99999)}", f":v{text(WORD, 1, 40)}"])
    partition = "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov") else "aws"
    return random.choice([name, f"arn:{partition}:lambda:{region}:{random.randint(10**11, 10**12 - 1)}:function:{name}"]) + qualifier


def make(seed, count):
    random.seed(seed)
    for _ in range(count):
        region = random.choice(REGIONS)
        print(json.dumps({
            "id": text(string.ascii_letters + string.digits, 16, 40),
            "secret": text(LETTERS, 1, 60),
            "token": random.choice([None, text(string.ascii_letters + string.digits + "/+=", 1, 900)]),
            "region": region,
            "target": target(region),
            "payload": random.choice(["", json.dumps({text(LETTERS, 0, 9): text(LETTERS, 0, 300)}, ensure_ascii=False)]),
            "log_tail": random.choice([True, False]),
        }))


def check(asked):
    headers = {name.lower(): value for name, value in asked["headers"]}
    signed = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert {"host", "x-amz-date"} <= set(signed), signed
    auth = SigV4Auth(Credentials(asked["id"], asked["secret"], asked["token"]), asked["service"], asked["region"])
    request = AWSRequest(
        method=asked["method"],
        url=f"http://{headers['host']}{asked['target']}",
        headers={name: value for name, value in headers.items() if name in signed},
        data=bytes.fromhex(asked["body"]),
    )
    request.context["timestamp"] = headers["x-amz-date"]
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    names = auth.signed_headers(auth.headers_to_sign(request))
    return f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={names}, Signature={signature}"


if sys.argv[1] == "make":
    make(int(sys.argv[2]), int(sys.argv[3]))
else:
    for line in sys.stdin:
        print(check(json.loads(line)))
