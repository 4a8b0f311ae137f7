"""All kinds. To add one: questions and an answer in a file beside this one, an entry in its KINDS, then
`python -m tools.vectors make tests/vectors`."""

from __future__ import annotations

from tools.vectors import boxes, committee, content, documents, learning
from tools.vectors.kind import Kind

KINDS: tuple[Kind, ...] = (
    *documents.KINDS,
    *content.KINDS,
    *boxes.KINDS,
    *learning.KINDS,
    *committee.KINDS,
)
