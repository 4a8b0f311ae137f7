"""What `milepost validator status` tells a person."""

from __future__ import annotations

import os
import time
from pathlib import Path

from click.testing import CliRunner

from agent.cli.validator import validator
from agent.host import status_file


def test_it_says_how_far_back_its_horizon_goes(tmp_path: Path) -> None:
    """(section 2) What it cannot know is seen before somebody's strikes have to be counted."""
    config = tmp_path / "validator.toml"
    config.write_text(f'[agent]\nstate_dir = "{tmp_path}"\n')
    said = {"status": "online", "at": time.time(), "pid": os.getpid(), "account": "G", "rounds": [], "reviews": []}
    status_file.write(tmp_path, {**said, "ended": {}, "troubles": [], "history": {"elder": 17, "latest": 90}})
    told = CliRunner().invoke(validator, ["status"], obj=str(config), standalone_mode=False)
    assert "from ledger 17 on" in told.output
    assert told.return_value == 0
