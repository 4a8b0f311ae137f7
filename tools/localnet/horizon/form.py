"""The one field that a client posts, read with a limit on its size."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qs

from starlette.requests import Request

from .problem import Problem

MAX_FORM_BYTES = 256 * 1024
"""Room for the largest envelope that decodes, in base64 and with every sign escaped."""

_MAX_DRAINED_BYTES = 32 * 1024 * 1024


async def read_field(request: Request, name: str) -> str:
    """The value of a form's field, from a urlencoded or a multipart body; empty where it is not there."""
    kind = request.headers.get("content-type", "")
    raw = await _read_body(request)
    if kind.startswith("application/x-www-form-urlencoded"):
        values = parse_qs(raw.decode("ascii", "replace")).get(name)
        value = values[0] if values else None
    elif kind.startswith("multipart/form-data"):
        value = _multipart(kind, raw).get(name)
    elif kind:
        raise Problem("unsupported_media_type")
    else:
        value = None
    return value.strip() if value else ""


async def _read_body(request: Request) -> bytes:
    """The body, or 413. What is too long is read on and thrown away, so that the client hears the answer."""
    kept = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _MAX_DRAINED_BYTES:
            break
        if size <= MAX_FORM_BYTES:
            kept += chunk
    if size > MAX_FORM_BYTES:
        raise Problem("request_entity_too_large")
    return bytes(kept)


def _multipart(kind: str, raw: bytes) -> dict[str, str]:
    """A multipart form is a MIME message without its head."""
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + raw)
    fields: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            fields[name] = content.decode("ascii", "replace")
    return fields
