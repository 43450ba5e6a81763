"""A function as a wasi:http component: it answers with what it was asked, or misbehaves as its path says."""

from componentize_py_types import Ok
from wit_world import exports
from wit_world.imports.types import Fields, Method_Put, OutgoingBody, OutgoingResponse, ResponseOutparam

CHUNK = 4096  # what one write may have, by wasi:io


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, response_out):
        path = request.path_with_query() or "/"
        if path == "/spin":
            while True:
                pass
        if path == "/recurse":
            depth(0)
        if path == "/hoard":
            hoard = []
            while True:
                hoard.append(b"x" * (1 << 20))
        response = OutgoingResponse(Fields.from_list([("x-made-by", b"componentize-py")]))
        response.set_status_code(201)
        body = response.body()
        ResponseOutparam.set(response_out, Ok(response))
        put = isinstance(request.method(), Method_Put)
        told = b"".join(request.headers().get("x-told")).decode()
        text = f"{'PUT' if put else 'POST'} {path} {told} {read(request.consume()).decode()}".encode()
        with body.write() as stream:
            if path == "/flood":
                while True:
                    stream.blocking_write_and_flush(b"x" * CHUNK)
            stream.blocking_write_and_flush(text)
        OutgoingBody.finish(body, None)


def read(body):
    """The request's body, to its end."""
    parts = []
    with body.stream() as stream:
        try:
            while True:
                parts.append(stream.blocking_read(CHUNK))
        except Exception:  # the stream's end is told as an error
            return b"".join(parts)


def depth(n):
    return depth(n + 1) + 1
