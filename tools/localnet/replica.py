"""A second Horizon on the same network that is some ledgers late, as replicas behind one name are."""

from __future__ import annotations

from collections import deque

from .database import open_database
from .node import Node
from .record import Chapter
from .view import View


class Replica(View):
    """Shows each ledger once the node is `lag` ledgers past it. What is posted to it goes to the node at once.

    It keeps its own copy in memory and never goes back: a larger lag makes it stand still for a while.
    """

    def __init__(self, node: Node, lag: int) -> None:
        db = open_database(None, node.passphrase)
        node.db.backup(db)
        super().__init__(db, node.passphrase, node.rules, node.keep)
        self.lag = lag
        self._node = node
        self._behind: deque[Chapter] = deque()
        node.followers.append(self.follow)

    def __repr__(self) -> str:
        return f"<Replica ledger={self.header.ledger_seq} lag={self.lag}>"

    @property
    def node(self) -> Node:
        return self._node

    def follow(self, chapter: Chapter) -> None:
        """The node has closed a ledger."""
        self._behind.append(chapter)
        self._catch_up()

    def set_lag(self, ledgers: int) -> None:
        self.lag = ledgers
        self._catch_up()

    def _catch_up(self) -> None:
        due = len(self._behind) - self.lag
        for _ in range(due):
            self.take(self._behind.popleft())
        if due > 0:
            self.wake()
