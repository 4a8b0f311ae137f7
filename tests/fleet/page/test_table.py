from __future__ import annotations

from rich.console import Console

from agent.fleet.page.table import summary, table
from tests.fleet.page.street import honest
from tests.fleet.page.test_dashboard import Street


def test_the_terminal_shows_those_in_need_first_and_the_fleet_in_a_line() -> None:
    street = Street()
    street.car("fine").live(honest(1)[:5])
    street.car("ill").say("The camera gives black frames.")
    gone = street.car("gone")
    street.broker.cut(gone.link)
    dashboard = street.look()
    console = Console(width=120, record=True)
    console.print(table(dashboard, street.clock.now()))
    lines = console.export_text().splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["north/gone", "north/ill", "north/fine"]
    assert "trip-000001: trained" in lines[3]
    assert "The camera gives black frames." in lines[2]
    assert summary(dashboard) == "3 vehicles · 2 online · 0 healthy · 3 fresh · 1 trained"
