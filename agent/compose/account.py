"""The doctor's checks of the vehicle's account: what it holds, where its pay goes, and who has the last word on it."""

from __future__ import annotations

from agent.compose import vehicle
from agent.compose.doors import horizon
from agent.core.ledger import BASE_RESERVE, Account
from agent.core.money import UNIT, XLM, Asset, Stroops, text
from agent.host.doctor import Skipped, Wrong
from agent.host.sections import Config
from agent.ledger.keys import address
from agent.market.ownership import owner_of
from agent.market.payout import price
from agent.vehicle.offers import OPERATIONS


def funds(config: Config) -> str:
    account = horizon(config).account(own := address(config.agent.key_file))
    if account is None:
        raise Wrong(why=f"{own} is not on this network. Fund it with some XLM.")
    if account.free(XLM) < 100 * config.ledger.max_fee_stroops:
        raise Wrong(why=f"{text(account.free(XLM))} XLM can be spent: too little for fees. Fund {own}.")
    operator = config.market.operator
    stake = f", {text(account.free(Asset('DLC', operator)))} DLC to stake" if operator else ""
    return f"{text(account.free(XLM))} XLM to spend{stake}."


def payout(config: Config) -> str:
    wanted, ledger, own = vehicle.payout(config.market), horizon(config), address(config.agent.key_file)
    if wanted is None:
        raise Skipped(why="market.payout is not set: pay stays on the car.")
    if wanted.account == own:
        raise Wrong(why="market.payout is the car's own account. Name one of yours, or leave it out.")
    owner = ledger.account(wanted.account)
    if why := wanted.refusal(owner):
        raise Wrong(why=f"{why}. Pay waits on the car until that is mended.")
    assert owner is not None  # noqa: S101  (else it is refused)
    if why := wanted.without(owner):
        raise Wrong(why=f"{why}. Pay comes as XLM until that is mended.")
    if not wanted.asset.is_native and price(ledger, wanted.asset, UNIT) is None:
        raise Wrong(why=f"Nobody buys and sells {wanted.asset.code} for XLM at one price. Pay comes as XLM.")
    account = ledger.account(own)
    least = _least_kept(account, config.ledger.max_fee_stroops) if account else 0
    if wanted.keep is not None and wanted.keep < least:
        raise Wrong(why=f"market.keep of {text(wanted.keep)} XLM is less than the {text(least)} that an entry takes.")
    kept = "" if wanted.keep is None else f", {text(wanted.keep)} XLM stay here"
    return f"Pay goes to {wanted.to} as {wanted.asset.code}{kept}."


def owner(config: Config) -> str:
    account = horizon(config).account(own := address(config.agent.key_file))
    if account is None:
        raise Skipped(why=f"{own} is not on this network.")
    if not account.signers.get(own):
        raise Wrong(why=f"The key of {own} does not sign for it any more: its owner has taken it over.")
    if found := owner_of(account):
        return f"{found} has the last word on who signs for {own}."
    if others := [key for key, weight in account.signers.items() if weight and key != own]:
        raise Wrong(why=f"{', '.join(others)} can sign for {own}, and not as `milepost keys share` has it.")
    raise Skipped(why="Whoever has this key has the account. `milepost keys share` gives its owner the last word.")


def _least_kept(account: Account, max_fee: Stroops) -> Stroops:
    """XLM with which an account can enter a round of a model that it has no line of yet."""
    own = len(account.lines) - 1 + len(account.signers) - 1 + len(account.data)
    return (2 + own + 4) * BASE_RESERVE + OPERATIONS * max_fee
