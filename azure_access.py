"""What the app in Azure signs in with, and where it keeps secrets."""

from __future__ import annotations

from typing import Any

from adapters.sealed import SealedDocuments
from azure_settings import Settings
from canalis.contract.ports import DocumentStore, Vault


def vault_of(settings: Settings, documents: DocumentStore, credential: Any) -> Vault:
    """Where secrets are kept: all of them sealed among the documents, or those of authors in a Key Vault of theirs."""
    sealed = SealedDocuments(documents, settings.vault_keys)
    if not settings.vault:
        return sealed
    from adapters.azure_vault import AuthorsVault  # a client that an app without a Key Vault need not load

    return AuthorsVault(settings.vault, credential or _identity(settings), sealed)


def credential_of(settings: Settings) -> Any:
    """The app's own identity; None where connection strings say how to sign in."""
    return _identity(settings) if settings.tables.startswith("https://") else None


def _identity(settings: Settings) -> Any:
    from azure.identity import ManagedIdentityCredential  # half a second that a machine without one need not wait

    return ManagedIdentityCredential(client_id=settings.identity or None)
