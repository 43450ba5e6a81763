"""Unmodified functions, as AWS Lambda and Google's Functions Framework take them."""
import os

started = []


def handler(event, context):
    started.append(context.aws_request_id)
    if event.get("fail"):
        raise RuntimeError("as asked")
    return {
        "sum": sum(event["numbers"]),
        "request": context.aws_request_id,
        "function": context.function_name,
        "memory": context.memory_limit_in_mb,
        "left_ms": context.get_remaining_time_in_millis(),
        "custom": context.client_context.custom if context.client_context else None,
        "calls": len(started),
        "handler": os.environ["_HANDLER"],
    }


def web(request):
    if request.path == "/fail":
        raise RuntimeError("as asked")
    return {"path": request.path, "name": request.args.get("name"), "body": request.get_json()}
