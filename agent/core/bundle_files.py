"""What the files of a bundle are called (PROTOCOL section 2)."""

from __future__ import annotations

ROUND = "round.json"
WEIGHTS = "weights.safetensors"
GRAPH = "model.onnx"
TEACHER = "teacher.onnx"
ROOT = "root.sealed"
CONTRIBUTION = "contribution.json"
UPDATE = "update.sealed"
TEST_SET = "set.sealed"
RECORD = "record.json"
DISPUTE = "dispute.json"
RULING = "ruling.json"
