from __future__ import annotations

import threading

from agent.errors import Refused, Unavailable
from agent.host.doctor import Check, CheckState, Skipped, examine, healthy


def raising(error: Exception) -> str:
    raise error


def test_each_check_is_found_good_offline_skipped_or_wrong() -> None:
    checks = [
        Check("disk", lambda: "12 GB free."),
        Check("ledger", lambda: raising(Unavailable(what="Horizon"))),
        Check("broker", lambda: raising(Skipped(why="mqtt.enabled is false."))),
        Check("journal", lambda: raising(Refused(what="The journal", why="row 7 does not follow row 6"))),
        Check("camera", lambda: raising(RuntimeError("boom"))),
    ]
    findings = list(examine(checks))
    assert [(found.name, found.state.value) for found in findings] == [
        ("disk", "good"),
        ("ledger", "offline"),
        ("broker", "skipped"),
        ("journal", "wrong"),
        ("camera", "wrong"),
    ]
    assert findings[3].sentence == "The journal was refused: row 7 does not follow row 6"
    assert findings[4].sentence == "The check itself failed: RuntimeError: boom"


def test_a_check_that_hangs_holds_up_nobody() -> None:
    forever = threading.Event()
    findings = list(
        examine([Check("camera", lambda: str(forever.wait()), 0.2), Check("disk", lambda: "ok")], all_s=0.5)
    )
    assert not forever.is_set(), "it was not waited for"
    forever.set()
    assert findings[0].state is CheckState.WRONG
    assert findings[0].sentence.startswith("No answer within")
    assert findings[1].state is CheckState.GOOD


def test_being_offline_is_normal_and_being_wrong_is_not() -> None:
    offline = list(examine([Check("ledger", lambda: raising(Unavailable(what="Horizon")))]))
    wrong = list(examine([Check("key", lambda: raising(Refused(what="x", why="y")))]))
    assert healthy(offline)
    assert not healthy(wrong)
