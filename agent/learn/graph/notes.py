"""What exporters note down in a model file besides the network: texts that change nothing that is computed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

NOTES = frozenset({"doc_string", "metadata_props", "producer_name", "producer_version", "model_version"})
"""Fields of any message in a model file that change nothing that is computed."""
PATH = re.compile(r"(?:[A-Za-z]:\\|(?<![\w.:/])/)[\w.+@ -]+(?:[/\\][\w.+@ -]+)+")
"""A file's place on some computer, on POSIX or on Windows."""

Note = tuple[str, str]
"""The field it stands in, and its text."""

KINDS: dict[str, Callable[[Note], bool]] = {
    # what it is called: whether a note is one; the first that holds
    "stack traces": lambda note: "stack_trace" in note[1] or 'File "' in note[1],
    "file paths": lambda note: PATH.search(note[1]) is not None,
    "tools' names": lambda note: note[0].startswith("producer_"),
    "doc strings": lambda note: note[0] == "doc_string",
    "metadata": lambda note: True,
}


def strip(proto: Any) -> None:
    """Forget paths, stack traces, notes and names of tools, wherever an exporter put them, and fields that no version
    of ONNX has."""
    proto.DiscardUnknownFields()
    for message, field, _ in _fields(proto):
        message.ClearField(field)


def notes(proto: Any) -> Iterator[Note]:
    """Every note in a model file."""
    for _, field, value in _fields(proto):
        if field == "metadata_props":
            yield from ((field, f"{entry.key}: {entry.value}") for entry in value)
        else:
            yield field, str(value)


def kind(note: Note) -> str:
    return next(name for name, holds in KINDS.items() if holds(note))


def _fields(message: Any) -> Iterator[tuple[Any, str, Any]]:
    """Each message that has a note, the note's field, and its value."""
    from google.protobuf.message import Message  # type: ignore[import-untyped]

    for field, value in message.ListFields():
        if field.name in NOTES:
            yield message, field.name, value
        elif field.message_type is not None:
            for inner in (value,) if isinstance(value, Message) else value:
                yield from _fields(inner)
