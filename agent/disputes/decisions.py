"""What the arbiter, a person, has decided: one file an entry, which the daemon reads when it draws a ruling.

Written beside a daemon that has the journal. Until the ruling is signed a decision may be
changed by another one.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from agent import files
from agent.core.fields import Credit, Reason
from agent.core.ids import StakeId
from agent.errors import Malformed
from agent.sentences import first_mistake

FOLDER = "arbiter/decided"
MOST_BYTES = 4096


class Decision(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    credit: Credit
    """VLM stroops; 0: refunded."""
    reason: Reason


class Decisions:
    """In a folder under the state directory."""

    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir / FOLDER

    def decide(self, entry: StakeId, decision: Decision) -> None:
        with files.room_for(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        files.write_whole(self._path(entry), decision.model_dump_json().encode())

    def of(self, entry: StakeId) -> Decision | None:
        """None: it is not decided. Raises Malformed."""
        path = self._path(entry)
        if not path.is_file():
            return None
        with path.open("rb") as file:
            data = file.read(MOST_BYTES)
        try:
            return Decision.model_validate_json(data)
        except ValidationError as error:
            raise Malformed(what=f"the decision {path}", why=first_mistake(error)) from None

    def _path(self, entry: StakeId) -> Path:
        return self.folder / f"{entry}.json"
