"""The way to datastores: those of a workspace by name, and new ones. What they are is in datastore_kinds.py.

Source   reference section 3
"""

from __future__ import annotations

from urllib.parse import quote

from canalis.answers import asked
from canalis.datastore_kinds import AbstractDatastore
from canalis.datastore_known import of_document
from canalis.datastore_registering import Registering
from canalis.within import Within


class Datastore(Registering):
    """The way to a datastore: Datastore(workspace, name) is the datastore itself, of its own class.

    Without a name it is the default one. Raises UserErrorException when there is none of that name.
    """

    def __new__(cls, workspace: Within, name: str | None = None) -> AbstractDatastore:  # type: ignore[misc]
        """The datastore."""
        return cls.get(workspace, name or "default")

    @staticmethod
    def get(workspace: Within, datastore_name: str) -> AbstractDatastore:
        """The datastore of that name."""
        return of_document(workspace, asked(lambda: workspace._client.get(f"/datastores/{quote(datastore_name)}")))

    @staticmethod
    def get_default(workspace: Within) -> AbstractDatastore:
        """The datastore that is used where none is named."""
        return Datastore.get(workspace, "default")
