from __future__ import annotations

import re
from pathlib import Path

from agent.host import reference
from agent.host.config import trace
from agent.host.sections import Config

DOCS = Path(__file__).parents[2] / "docs"


def test_the_reference_says_what_the_code_does() -> None:
    """docs/configuration.md ends with the generated tables; `python -m agent.host.reference` prints them."""
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert text.endswith(reference.markdown())


def test_every_key_is_explained() -> None:
    tables = reference.tables()
    assert {table.name[0] for table in tables} == set(Config.model_fields)
    assert all(table.meaning for table in tables)
    assert all(entry.meaning.endswith(".") for table in tables for entry in table.entries)


def test_the_fresh_file_sets_nothing(tmp_path: Path) -> None:
    path = tmp_path / "milepost.toml"
    path.write_text(reference.commented_file(), encoding="utf-8")
    assert trace(path, environ={}).config == trace(environ={}).config


def test_removing_every_comment_sign_of_the_fresh_file_gives_the_defaults(tmp_path: Path) -> None:
    lines = reference.commented_file().splitlines()
    example = re.compile(r"# ([a-z_]+ = .*)")
    uncommented = [match[1] if (match := example.fullmatch(line)) and "…" not in line else line for line in lines]
    path = tmp_path / "milepost.toml"
    # The examples of further cameras, a geofence and TLS stand in tables that stay commented out.
    text = "\n".join(uncommented).split("# [[trip.geofences]]")[0]
    text = re.sub(r"^# \[\[camera\.others\]\]$.*?(?=^\[)", "", text, flags=re.DOTALL | re.MULTILINE)
    path.write_text(text, encoding="utf-8")
    loaded = trace(path, environ={})
    assert loaded.config.market == Config().market
    assert loaded.config.ledger == Config().ledger
    assert loaded.config.trip == Config().trip
    assert loaded.config.camera == Config().camera


def test_toml_values_are_toml() -> None:
    value = {"a": ["x", 'quote "', 1, 1.5, True], "b": Path("/tmp")}
    assert reference.toml_value(value) == '{ a = ["x", "quote \\"", 1, 1.5, true], b = "/tmp" }'
