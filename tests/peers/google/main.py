"""A function of functions-framework."""

import functions_framework


@functions_framework.http
def hello(request):
    body = request.get_data()
    if body == b"fail":
        raise ValueError("no such order")
    return body, 200, {"content-type": request.content_type or "text/plain", "x-has-token": str("authorization" in request.headers)}
