"""docs/protocol.md says what every document on the wire holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.core import dispute, documents, registry
from agent.core import round as rounds

TEXT = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")


def _parts(kind: type[documents.Part]) -> list[type[documents.Part]]:
    return [kind, *(part for sub in kind.__subclasses__() for part in _parts(sub))]


MODULES = [module.__name__ for module in (dispute, documents, registry, rounds)]
PARTS = [p for p in _parts(documents.Part) if p.__module__ in MODULES and p.model_fields]


def section(part: type[documents.Part]) -> str:
    """The table of one part: under its heading, or with its name at its head."""
    heading = re.search(rf"^### .*\b{part.__name__}\b.*\n\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    table = heading or re.search(rf"^(\| {part.__name__} \|.*\n(?:\|.*\n)+)", TEXT, re.MULTILINE)
    return table[1] if table else ""


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_field_of_a_document_is_explained_and_no_other(part: type[documents.Part]) -> None:
    first_cells = "\n".join(line.split("|")[1] for line in section(part).splitlines())
    assert set(re.findall(r"`(\w+)`", first_cells)) == set(part.model_fields)
