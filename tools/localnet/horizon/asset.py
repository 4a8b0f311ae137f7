"""Assets in writing: `native` or `CODE:ISSUER`, and the three fields that Horizon spreads them over."""

from __future__ import annotations

import re

from starlette.requests import Request
from stellar_sdk import xdr

from ..engine.assets import asset_from_xdr
from .address import is_account
from .problem import (
    ACCOUNT,
    ASSET,
    ASSET_CODE,
    ASSET_TYPE,
    MISSING,
    REQUIRED,
    bad_field,
)

NATIVE = "native"
_CODE = re.compile(r"[A-Za-z0-9]{1,12}\Z", re.ASCII)


def asset_text(asset: xdr.Asset) -> str:
    return str(asset_from_xdr(asset))


def asset_type(text: str) -> str:
    if text == NATIVE:
        return NATIVE
    # from the right: a refused transaction may carry a code with any byte in it
    return "credit_alphanum4" if text.rindex(":") <= 4 else "credit_alphanum12"


def asset_fields(text: str, prefix: str = "") -> dict[str, str]:
    """`{prefix}asset_type`, and for credit also `…_code` and `…_issuer`."""
    fields = {f"{prefix}asset_type": asset_type(text)}
    if text != NATIVE:
        fields[f"{prefix}asset_code"], _, fields[f"{prefix}asset_issuer"] = text.rpartition(":")
    return fields


def asset_order(text: str) -> tuple[int, str, str]:
    """Stellar's order of assets: native, short codes, long codes; then code, then issuer."""
    code, _, issuer = text.partition(":")
    return (0, "", "") if text == NATIVE else (1 if len(code) <= 4 else 2, code, issuer)


def parse_asset(text: str, field: str) -> str:
    """A canonical asset from a request, or the 400 that names its field."""
    if text == NATIVE:
        return NATIVE
    code, _, issuer = text.partition(":")
    if not _CODE.match(code) or not is_account(issuer):
        raise bad_field(field, ASSET)
    return text


def parse_assets(text: str, field: str) -> list[str]:
    """A list with commas, as the path endpoints take it."""
    return [_listed(one.strip(), field) for one in text.split(",") if one.strip()]


def _listed(text: str, field: str) -> str:
    code, _, issuer = text.partition(":")
    if text == NATIVE or (_CODE.match(code) and is_account(issuer)):
        return text
    part = "issuer" if _CODE.match(code) else "asset code"
    which = f", it contains an invalid {part}" if text.count(":") == 1 else ""
    raise bad_field(field, f"{text} is not a valid asset{which}")


def read_asset(request: Request, prefix: str) -> str | None:
    """The asset of `{prefix}asset_type`, `…_code` and `…_issuer`; None when the request names none."""
    query = request.query_params
    kind = query.get(f"{prefix}asset_type")
    if not kind:
        return None
    if kind == NATIVE:
        return NATIVE
    code, issuer = query.get(f"{prefix}asset_code", ""), query.get(f"{prefix}asset_issuer", "")
    if kind not in ("credit_alphanum4", "credit_alphanum12"):
        raise bad_field(f"{prefix}asset_type", ASSET_TYPE)
    if not is_account(issuer):
        raise bad_field(f"{prefix}asset_issuer", ACCOUNT if issuer else MISSING)
    asset = f"{code}:{issuer}"
    if not _CODE.match(code) or asset_type(asset) != kind:
        raise bad_field(f"{prefix}asset_code", ASSET_CODE)
    return asset


def require_asset(request: Request, prefix: str) -> str:
    asset = read_asset(request, prefix)
    if asset is None:
        raise bad_field(f"{prefix}asset_type", REQUIRED)
    return asset
