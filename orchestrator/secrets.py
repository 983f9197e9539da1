"""Secrets that authors keep, in the vault under names of their own. Names that differ in case alone are one."""

from __future__ import annotations

from difflib import get_close_matches

from canalis.contract.errors import NotFound, TooMany
from canalis.contract.masking import AUTHORS
from canalis.contract.ports import Vault
from canalis.contract.secrets import (
    SECRETS_MAX,
    SecretKept,
    SecretRead,
    SecretView,
    check_name,
    check_value,
    warning_of,
)

_NEAR_MAX = 5


def keep(vault: Vault, name: str, value: str) -> SecretKept:
    """Keep a secret in the place of the one before. Raises NameInvalid, TooLarge, TooMany, BadRequest for no text."""
    value, known = check_value(check_name(name), value), _names(vault)
    kept = _as_kept(known, name)
    if kept is None and len(known) >= SECRETS_MAX:
        raise TooMany(f"There are {len(known)} secrets, and there may be {SECRETS_MAX}: delete some")
    vault.keep(AUTHORS + (kept or name), value)
    return SecretKept(name=kept or name, warning=warning_of(name, value))


def read(vault: Vault, name: str) -> SecretRead:
    """A secret. Raises NotFound, with the names that are alike; SecretUnreadable."""
    known = _names(vault)
    kept = _as_kept(known, check_name(name))
    value = vault.read(AUTHORS + kept) if kept is not None else None
    if kept is None or value is None:
        folded = {one.lower(): one for one in known}
        near = [folded[one] for one in get_close_matches(name.lower(), folded, _NEAR_MAX, 0.6)]
        hint = f": there is {', '.join(near)}" if near else ""
        raise NotFound(f"There is no secret '{name}'{hint}", kind="secret", name=name, near=near)
    return SecretRead(name=kept, value=value)


def listed(vault: Vault) -> list[SecretView]:
    """All secrets by name, without their values."""
    return [SecretView(name=name) for name in _names(vault)]


def delete(vault: Vault, name: str) -> bool:
    """Forget a secret; whether there was one."""
    kept = _as_kept(_names(vault), check_name(name))
    return kept is not None and vault.forget(AUTHORS + kept)


def _names(vault: Vault) -> list[str]:
    kept = [name.removeprefix(AUTHORS) for name in vault.names() if name.startswith(AUTHORS)]
    return [
        name for name in kept if " " not in name
    ]  # those of datastores and computes are masked alike, and are no author's


def _as_kept(known: list[str], name: str) -> str | None:
    return next((one for one in known if one.lower() == name.lower()), None)
