"""The board as a table for a terminal."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from agent.core import money
from agent.fleet.page.cards import JobCard, VehicleCard
from agent.fleet.page.dashboard import Dashboard
from agent.fleet.status import OFFLINE, ONLINE

STYLES = {ONLINE: "green", OFFLINE: "red"}
MOST_ROWS = 200


def table(dashboard: Dashboard, now: float, rows: int = MOST_ROWS) -> Group:
    """Vehicles, those in need first, and the fleet in one line."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Vehicle", "Online", "Healthy", "Fresh", "Doing"):
        grid.add_column(name)
    for name in ("Accepted", "Rejected", "XLM"):
        grid.add_column(name, justify="right")
    doing = {job.vehicle: job for job in dashboard.jobs.values() if not job.is_over}
    cards = sorted(dashboard.vehicles.values(), key=lambda card: (-card.need, card.key))
    for card in cards[:rows]:
        grid.add_row(
            card.key,
            Text(card.status, STYLES.get(card.status, "dim")),
            _healthy(card),
            Text(_ago(now - card.said_at) if card.said_at else "never", "" if card.fresh else "yellow"),
            _doing(card, doing.get(card.key)),
            str(card.outcomes.get("accepted", 0)),
            str(card.outcomes.get("rejected", 0)),
            money.text(card.paid)[:-5],
        )
    return Group(grid, Text(summary(dashboard, len(cards) - rows), "dim"))


def summary(dashboard: Dashboard, hidden: int = 0) -> str:
    counts = dashboard.counts()
    words = [f"{counts['vehicles']} vehicles"]
    words += [f"{counts[name]} {name}" for name in ("online", "healthy", "fresh")]
    words += [f"{count} {state}" for state, count in counts["states"].items()]
    words += [f"{counts['missed']} gaps"] if counts["missed"] else []
    words += [f"{hidden} more not shown"] if hidden > 0 else []
    return " · ".join(words)


def _healthy(card: VehicleCard) -> Text:
    if card.healthy is None:
        return Text("unknown", "dim")
    return Text("healthy", "green") if card.healthy else Text("not healthy", "red")


def _doing(card: VehicleCard, job: JobCard | None) -> Text:
    """As plain text: what vehicles say is no markup."""
    if card.troubles:
        return Text(card.troubles[0])
    return Text(f"{job.id}: {job.state}" if job else "")


def _ago(seconds: float) -> str:
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size * 1.5:
            return f"{seconds / size:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"
