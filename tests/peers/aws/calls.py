"""boto3 calls functions through Merit: everything that works."""

import base64
import hashlib
import json
import os
import re
import urllib.error
import urllib.request

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from common import ENDPOINT, client, run

lam = client()
ARN = "arn:aws:lambda:us-east-1:123456789012:function:"


def invoke(name="echo", payload=b"{}", **arguments):
    answer = lam.invoke(FunctionName=name, Payload=payload, **arguments)
    return answer, answer["Payload"].read()


def headers(answer):
    return answer["ResponseMetadata"]["HTTPHeaders"]


def a_plain_call():
    answer, body = invoke(payload=b'{"order": 17}')
    assert (answer["StatusCode"], answer["ExecutedVersion"], body) == (200, "$LATEST", b'{"order": 17}')
    assert "FunctionError" not in answer and "LogResult" not in answer
    return "receipt " + headers(answer)["x-amzn-requestid"]


def the_decision_is_told():
    told = headers(invoke()[0])
    assert told["x-merit-venue"] == "here" and told["x-merit-deployment"] == "here", told
    assert (told["x-merit-charge"], told["x-merit-attempts"]) == ("0.00001", "1"), told
    assert told["x-merit-invocation-id"] == told["x-amzn-requestid"] and told["x-merit-overhead-us"].isdigit()


def unicode():
    text = json.dumps({"größe": "日本語 🚀\u0000", "emoji": "\U0001f600"}, ensure_ascii=False).encode()
    assert invoke(payload=text)[1] == text


def no_payload():
    answer = lam.invoke(FunctionName="echo")
    assert answer["Payload"].read() == b""


def six_megabytes():
    payload = b'"' + b"x" * (6 * 1024 * 1024 - 2) + b'"'
    assert invoke(payload=payload)[1] == payload


def the_tail_of_the_log():
    answer, _ = invoke(LogType="Tail")
    tail = base64.b64decode(answer["LogResult"]).decode()
    request = answer["ResponseMetadata"]["RequestId"]
    report = re.search(
        r"^REPORT RequestId: (\S+)\tDuration: ([0-9.]+) ms\tBilled Duration: (\d+) ms\tMemory Size: (\d+) MB\t", tail, re.M
    )
    assert report and report[1] == request and report[4] == "128", tail
    assert int(report[3]) >= float(report[2]), tail
    assert tail.startswith(f"START RequestId: {request} Version: $LATEST\n") and f"END RequestId: {request}\n" in tail


def by_arn():
    for name in (ARN + "echo", ARN + "echo:$LATEST", "123456789012:function:echo", "function:echo", "echo:$LATEST"):
        assert invoke(name)[0]["StatusCode"] == 200, name
    assert invoke(Qualifier="$LATEST")[0]["StatusCode"] == 200


def a_qualifier_is_a_function_of_its_own():
    for name, arguments in (("echo", {"Qualifier": "prod"}), ("echo:prod", {}), (ARN + "echo:prod", {})):
        assert headers(invoke(name, **arguments)[0])["x-merit-deployment"] == "here"


def a_functions_own_error():
    answer, body = invoke("raises")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.loads(body) == {"errorType": "ValueError", "errorMessage": "no such order"}
    answer, _ = invoke("raises", LogType="Tail")
    assert "Status: error\t" in base64.b64decode(answer["LogResult"]).decode()


def a_dry_run():
    answer, body = invoke(InvocationType="DryRun")
    assert (answer["StatusCode"], body) == (204, b"")


def an_event():
    answer, body = invoke("later", b'"event"', InvocationType="Event")
    assert (answer["StatusCode"], body) == (202, b"")
    assert lam.invoke_async(FunctionName="later", InvokeArgs=b'"old"')["Status"] == 202


def client_context_and_terms_in_it():
    context = {"custom": {"merit-tags": "team=search", "mine": "yes"}, "client": {"app_title": "shop"}}
    encoded = base64.b64encode(json.dumps(context).encode()).decode()
    assert invoke(ClientContext=encoded)[0]["StatusCode"] == 200


def a_tenant():
    assert invoke(TenantId="tenant-7")[0]["StatusCode"] == 200


def terms_in_headers():
    def add(params, **_):
        params["headers"]["X-Merit-Max-Price"] = "0.001"
        params["headers"]["X-Merit-Tags"] = "team=search"

    lam.meta.events.register("before-call.lambda.Invoke", add)
    try:
        assert invoke()[0]["StatusCode"] == 200
    finally:
        lam.meta.events.unregister("before-call.lambda.Invoke", add)


def a_durable_execution_runs_once():
    first, body = invoke("once", b'"1"', DurableExecutionName="order-17")
    again, same = invoke("once", b'"1"', DurableExecutionName="order-17")
    assert body == same == b'"1"'
    arn = first["DurableExecutionArn"]
    assert arn == again["DurableExecutionArn"]
    assert arn.startswith("arn:aws:lambda:eu-west-1:000000000000:function:once:$LATEST/durable-execution/order-17/")
    assert headers(again)["idempotency-replayed"] == "true"
    try:
        invoke("once", b'"2"', DurableExecutionName="order-17")
    except lam.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "DurableExecutionAlreadyStartedException", error
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    else:
        raise AssertionError("another payload under the same name")


def a_stream_comes_piece_by_piece():
    answer = lam.invoke_with_response_stream(FunctionName="streams", Payload=b"{}", LogType="Tail")
    assert answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    pieces, end = [], None
    for event in answer["EventStream"]:
        if "PayloadChunk" in event:
            pieces.append(event["PayloadChunk"]["Payload"])
            # The next piece is not sent before this one has been seen.
            urllib.request.urlopen(os.environ["MERIT_UPSTREAM"] + "release", b"").read()
        else:
            end = event["InvokeComplete"]
    assert b"".join(pieces) == b"piece 0;piece 1;piece 2;" and len(pieces) == 3, pieces
    assert "ErrorCode" not in end and b"REPORT RequestId" in base64.b64decode(end["LogResult"]), end


def a_streamed_error():
    answer = lam.invoke_with_response_stream(FunctionName="raises", Payload=b"{}")
    end = [event["InvokeComplete"] for event in answer["EventStream"] if "InvokeComplete" in event]
    assert end[0]["ErrorCode"] == "Unhandled" and "no such order" in end[0]["ErrorDetails"], end


def an_abandoned_stream_does_no_harm():
    answer = lam.invoke_with_response_stream(FunctionName="echo", Payload=b'"x"')
    answer["EventStream"].close()
    assert invoke()[0]["StatusCode"] == 200


class OverBody(SigV4QueryAuth):
    """Signs the hash of a body that is sent later; botocore itself presigns requests without one."""

    def __init__(self, body, *arguments, **more):
        super().__init__(*arguments, **more)
        self.body = body

    def payload(self, request):
        return hashlib.sha256(self.body).hexdigest()


def presigned():
    credentials = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Aecho"
    for path, body in (("echo", b'{"by": "url"}'), (arn, b"")):
        url = f"{ENDPOINT}/2015-03-31/functions/{path}/invocations?Qualifier=%24LATEST"
        request = AWSRequest("POST", url)
        OverBody(body, credentials, "lambda", "eu-west-1", expires=60).add_auth(request)
        post = lambda body: urllib.request.urlopen(urllib.request.Request(request.url, body, method="POST"))
        with post(body) as answer:
            assert (answer.status, answer.read()) == (200, body)
        try:
            post(b"another body")
        except urllib.error.HTTPError as refused:
            assert refused.code == 403 and refused.headers["x-amzn-errortype"] == "InvalidSignatureException", refused
        else:
            raise AssertionError("another body than the signed one")


def below_aws_too():
    below = client(endpoint_url=ENDPOINT + "/aws")
    assert below.invoke(FunctionName="echo", Payload=b'"below"')["Payload"].read() == b'"below"'


run(
    [
        a_plain_call,
        the_decision_is_told,
        unicode,
        no_payload,
        six_megabytes,
        the_tail_of_the_log,
        by_arn,
        a_qualifier_is_a_function_of_its_own,
        a_functions_own_error,
        a_dry_run,
        an_event,
        client_context_and_terms_in_it,
        a_tenant,
        terms_in_headers,
        a_durable_execution_runs_once,
        a_stream_comes_piece_by_piece,
        a_streamed_error,
        an_abandoned_stream_does_no_harm,
        presigned,
        below_aws_too,
    ]
)
