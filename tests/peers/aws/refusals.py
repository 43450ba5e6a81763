"""boto3 is refused by Merit: every refusal is the error that an SDK expects, and none has run anything."""

import base64
import datetime
import http.client
import json
import os
import urllib.parse

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from common import ENDPOINT, client, refused, run

lam = client()
CREDENTIALS = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])


def echo(**arguments):
    return refused(lam.invoke, **{"FunctionName": "echo", "Payload": b"{}", **arguments})


def a_wrong_secret():
    wrong = client(aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"], aws_secret_access_key="x" * 40)
    for payload in (b"{}", b""):
        code, status, _ = refused(wrong.invoke, FunctionName="echo", Payload=payload)
        assert (code, status) == ("InvalidSignatureException", 403)


def an_unknown_key():
    unknown = client(aws_access_key_id="MRTA" + "A" * 16, aws_secret_access_key="x" * 40)
    code, status, error = refused(unknown.invoke, FunctionName="echo", Payload=b"{}")
    assert (code, status) == ("UnrecognizedClientException", 403) and "merit keys create --aws" in str(error)


def a_session_token():
    with_token = client(
        aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        aws_session_token="token",
    )
    code, status, error = refused(with_token.invoke, FunctionName="echo", Payload=b"{}")
    assert (code, status) == ("UnrecognizedClientException", 403) and "AWS_SESSION_TOKEN" in str(error)


def a_clock_that_is_wrong():
    right = botocore.auth.get_current_datetime
    for minutes, words in ((-6, "Signature expired"), (6, "Signature not yet current")):
        botocore.auth.get_current_datetime = lambda *a, **k: right(*a, **k) + datetime.timedelta(minutes=minutes)
        try:
            code, status, error = echo()
        finally:
            botocore.auth.get_current_datetime = right
        assert (code, status) == ("InvalidSignatureException", 403) and words in str(error), error


def an_unknown_function():
    code, status, error = refused(lam.invoke, FunctionName="ekho", Payload=b"{}")
    assert (code, status) == ("ResourceNotFoundException", 404)
    assert "Function not found: arn:aws:lambda:eu-west-1:000000000000:function:ekho" in str(error), error
    assert isinstance(error, lam.exceptions.ResourceNotFoundException)


def an_unknown_qualifier():
    code, status, error = echo(Qualifier="beta")
    assert (code, status) == ("ResourceNotFoundException", 404) and "function:echo:beta" in str(error)


def a_throttled_function():
    code, status, error = refused(lam.invoke, FunctionName="throttled", Payload=b"{}")
    assert (code, status) == ("TooManyRequestsException", 429)
    assert isinstance(error, lam.exceptions.TooManyRequestsException)
    assert error.response["Reason"] == "ConcurrentInvocationLimitExceeded", error.response
    assert error.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"


def more_than_six_megabytes():
    code, status, error = echo(Payload=b"x" * (6 * 1024 * 1024 + 1))
    assert (code, status) == ("RequestTooLargeException", 413) and "6291456 bytes" in str(error), error


def more_than_a_megabyte_for_later():
    code, status, error = echo(InvocationType="Event", Payload=b"x" * (1024 * 1024 + 1))
    assert (code, status) == ("RequestTooLargeException", 413) and "1048576 bytes" in str(error), error


def terms_that_nothing_meets():
    context = base64.b64encode(json.dumps({"custom": {"merit-max-price": "0.000001"}}).encode()).decode()
    for kind in ("RequestResponse", "DryRun"):
        code, status, error = echo(InvocationType=kind, ClientContext=context)
        assert (code, status) == ("InvalidParameterValueException", 400) and "0.00001 USD" in str(error), error


def terms_that_cannot_be_read():
    context = base64.b64encode(json.dumps({"custom": {"merit-max-prize": "1"}}).encode()).decode()
    code, status, error = echo(ClientContext=context)
    assert (code, status) == ("InvalidParameterValueException", 400) and "x-merit-max-price" in str(error), error


def a_client_context_that_is_none():
    for context in ("!", base64.b64encode(b"x").decode(), base64.b64encode(b'"' + b"x" * 3000 + b'"').decode()):
        code, status, _ = echo(ClientContext=context)
        assert (code, status) == ("InvalidRequestContentException", 400), context[:9]


def arguments_that_are_none():
    no_checks = client()
    no_checks.meta.events.register("before-call.lambda.Invoke", lambda params, **_: params["headers"].update(change))
    for header, value in (("X-Amz-Invocation-Type", "Later"), ("X-Amz-Log-Type", "Head")):
        change = {header: value}
        code, status, error = refused(no_checks.invoke, FunctionName="echo", Payload=b"{}")
        assert (code, status) == ("InvalidParameterValueException", 400) and value in str(error), error


def what_merit_does_not_do():
    for call, arguments, instead in (
        (lam.delete_function, {"FunctionName": "echo"}, "merit functions put"),
        (lam.publish_version, {"FunctionName": "echo"}, "NAME.Q"),
        (lam.add_permission, {"FunctionName": "echo", "StatementId": "s", "Action": "a", "Principal": "p"}, "merit keys"),
        (lam.put_function_concurrency, {"FunctionName": "echo", "ReservedConcurrentExecutions": 1}, "concurrency"),
        (lam.list_layers, {}, "nothing else"),
    ):
        code, status, error = refused(call, **arguments)
        assert (code, status) == ("UnknownOperationException", 501) and instead in str(error), error


def raw(method, path, headers, body=None):
    """A request as no SDK sends it; its answer must be AWS's JSON all the same."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(ENDPOINT).netloc, timeout=20)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    error = json.loads(text)
    code = answer.headers["x-amzn-errortype"]
    assert error["__type"] == code and (error.get("message") or error.get("Message")), text
    assert answer.headers["x-amzn-requestid"] and answer.headers["content-type"] == "application/json", answer.headers
    return code, answer.status


PATH = "/2015-03-31/functions/echo/invocations"


def nothing_signed():
    assert raw("POST", PATH, {}, b"{}") == ("MissingAuthenticationTokenException", 403)
    assert raw("GET", "/2015-03-31/functions", {}) == ("MissingAuthenticationTokenException", 403)
    assert raw("POST", PATH, {"Authorization": "Bearer mrt_a_b"}, b"{}") == ("IncompleteSignatureException", 403)


def a_signature_in_pieces():
    for authorization in ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=00"):
        code, status = raw("POST", PATH, {"Authorization": authorization}, b"{}")
        assert (code, status) == ("IncompleteSignatureException", 403), (authorization, code)
    assert raw("GET", "/nowhere?X-Amz-Signature=0", {})[0] == "UnknownOperationException"
    assert raw("GET", "/aws", {}) == ("UnknownOperationException", 404)


def sent_as_signed(request):
    return raw(request.method, request.url[len(ENDPOINT) :], dict(request.headers), request.data)


def terms_that_are_not_signed():
    late = client()
    add = lambda request, **_: request.headers.__setitem__("X-Merit-Venues", "here")
    late.meta.events.register("before-send.lambda.Invoke", add)
    code, status, error = refused(late.invoke, FunctionName="echo", Payload=b"{}")
    assert (code, status) == ("InvalidSignatureException", 403) and "'x-merit-venues' must be" in str(error), error
    request = AWSRequest("POST", ENDPOINT + PATH)
    botocore.auth.SigV4QueryAuth(CREDENTIALS, "lambda", "eu-west-1", expires=60).add_auth(request)
    request.headers["X-Merit-Max-Price"] = "1000"
    assert sent_as_signed(request) == ("InvalidSignatureException", 403)


def a_payload_that_is_not_signed():
    request = AWSRequest("POST", ENDPOINT + PATH, {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, b"{}")
    botocore.auth.SigV4Auth(CREDENTIALS, "lambda", "eu-west-1").add_auth(request)
    assert sent_as_signed(request) == ("InvalidSignatureException", 403)


def a_refused_head_waits_for_no_body():
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(ENDPOINT).netloc, timeout=20)
    connection.putrequest("POST", PATH)
    connection.putheader("Content-Length", str(6 * 1024 * 1024))
    connection.endheaders(b"the rest never comes")
    assert connection.getresponse().status == 403


run(
    [
        a_wrong_secret,
        an_unknown_key,
        a_session_token,
        a_clock_that_is_wrong,
        an_unknown_function,
        an_unknown_qualifier,
        a_throttled_function,
        more_than_six_megabytes,
        more_than_a_megabyte_for_later,
        terms_that_nothing_meets,
        terms_that_cannot_be_read,
        a_client_context_that_is_none,
        arguments_that_are_none,
        what_merit_does_not_do,
        nothing_signed,
        a_signature_in_pieces,
        terms_that_are_not_signed,
        a_payload_that_is_not_signed,
        a_refused_head_waits_for_no_body,
    ]
)
