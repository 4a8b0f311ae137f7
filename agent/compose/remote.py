"""The settings that the workshop may change over the air, and how far: `settle` holds a wish against a configuration.

Over the air a gate becomes stricter than the vehicle's own configuration has it, never laxer: whoever gets hold of a
broker can keep a vehicle from working, as `hold` does, and no more. What could cost money, drain the battery or tell
where the car was is not in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from agent.core.gates import BANDS
from agent.fleet.desired import WishOutcome
from agent.host.layers import nest
from agent.host.sections import Config
from agent.sentences import what_is_wrong


def _as_it_likes(wish: Any, own: Any) -> str:
    return ""


def _no_more(wish: Any, own: Any) -> str:
    return f"It may be at most the vehicle's own {own:g}." if wish > own else ""


def _no_less(wish: Any, own: Any) -> str:
    return f"It may be no less than the vehicle's own {own:g}." if wish < own else ""


def _only_waiting(wish: Any, own: Any) -> str:
    return "Over the air a metered link may only be spared." if wish != own and wish != "wait" else ""


CHANGEABLE: Mapping[str, Callable[[Any, Any], str]] = {
    "mqtt.metric_s": _as_it_likes,
    "gates.pause_above_c": _no_more,
    "gates.resume_below_c": _no_more,
    "gates.pause_below_volts": _no_less,
    "gates.resume_above_volts": _no_less,
    "gates.disk_free_mb": _no_less,
    "gates.pause_above_load": _no_more,
    "gates.resume_below_load": _no_more,
    "gates.metered": _only_waiting,
}
"""Key, and what is said against a wish, given the vehicle's own value; '': nothing."""


@dataclass(frozen=True, slots=True)
class RemoteChange:
    """`config`: the vehicle's own with the `taken` settings in it."""

    config: Config
    taken: Mapping[str, Any]
    refused: Mapping[str, str]

    @property
    def outcome(self) -> WishOutcome:
        return WishOutcome({key: _value(self.config, key) for key in CHANGEABLE}, self.refused)


def settle(own: Config, wishes: Mapping[str, object]) -> RemoteChange:
    """Each setting taken or refused by itself, with a sentence. Pure, and the same again for what it has settled."""
    taken: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for key, wish in wishes.items():
        why = _against(own, key, wish)
        if why:
            refused[key] = why
        else:
            taken[key] = wish
    for low, high in BANDS:
        band = {f"gates.{name}": _value(own, f"gates.{name}") for name in (low, high)}
        below, above = (taken.get(key, value) for key, value in band.items())
        if below > above:
            for key in band.keys() & taken.keys():
                del taken[key]
                refused[key] = f"gates.{low} would be {below:g}, above gates.{high} with {above:g}: wish for both."
    return RemoteChange(_with(own, taken), taken, refused)


def _against(own: Config, key: str, wish: Any) -> str:
    if key not in CHANGEABLE:
        return "It cannot be changed over the air."
    section, _, name = key.partition(".")
    table = getattr(own, section)
    try:
        type(table).model_validate({**dict(table), name: wish}, strict=True)
    except ValidationError as error:
        for mistake in error.errors(include_url=False, include_input=False):
            if mistake["loc"] == (name,):  # else it is a band's, which is looked at with all wishes together
                why = what_is_wrong(mistake["msg"])
                return f"{why[:1].upper()}{why[1:]}."
    return CHANGEABLE[key](wish, _value(own, key))


def _value(config: Config, key: str) -> Any:
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)


def _with(own: Config, taken: Mapping[str, Any]) -> Config:
    """Every value was checked against its field before."""
    changed = {name: getattr(own, name).model_copy(update=values) for name, values in nest(taken).items()}
    return own.model_copy(update=changed)
