"""Every error that leaves a room, sorted by who can mend it.

    CanalisError
    |- AuthorError            the author can mend it: say what is wrong, where, and what to do
    |  |- GraphError          the graph cannot run; carries every fault
    |  |- ParameterError      a value does not fit the parameter it is meant for
    |  |- YamlInvalid         a YAML file does not say what it must; carries every fault with its line
    |  |- NameInvalid         a name breaks its grammar
    |  |- NotFound            nothing has that name
    |  |- AlreadyExists       something else has that name
    |  |- StillUsed           something else would not work without it
    |  |- Disabled            it is there, and somebody has switched it off
    |  |- KeyReused           an idempotency key came again with another request
    |  |- ScheduleInvalid     a schedule's rule cannot be used; carries every fault
    |  |- TooMany             there are as many of them as there may be
    |  |- NotAllowed          who asks is unknown
    |  |- Forbidden           who asks is known, and may not do this
    |  |- NotResumable        a run has nothing to go on with, or not yet
    |  |- NotOver             a run that is to be deleted has not ended
    |  |- DatastoreRefused    the storage of a datastore does not let us in, or is not there
    |  |- NotSupported        what v1 could do and this service cannot; says what to do instead
    |  |- BadRequest          the request itself cannot be read
    |  |  `- HashMismatch     a file was changed while it was being sent
    |  |- SettingInvalid      a setting of the service has a value that it cannot have
    |  |- AddressRefused      nothing is sent to an address like that
    |  `- TooLarge            over a stated limit
    |- MessageUnreadable      a message on the bus is none of ours, or a newer service's
    `- WorldError             time or an operator can mend it: leave the message on the bus
       |- Conflict            somebody else wrote first; read again
       |- StoreFull           no room left where the state is kept
       |- Unreachable         who a document is for does not answer
       `- StoreUnavailable    the storage does not answer, or refuses
          `- SecretUnreadable   a kept secret cannot be opened

What only we can mend is an AssertionError with the value that broke it. A `code` is stable: it travels
over HTTP, stands in docs/reference/errors.md, and people search for it.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, ClassVar


class CanalisError(Exception):
    """Base of all errors that carry a stable code."""

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class AuthorError(CanalisError):
    """Something the author wrote or asked for cannot be done."""

    code = "author_error"
    http_status = 422


class GraphError(AuthorError, ValueError):
    """The author's graph cannot run. Lists every fault, not only the first."""

    code = "graph_invalid"


class ParameterError(AuthorError, ValueError):
    """A value does not fit the pipeline parameter it is meant for."""

    code = "parameter_invalid"


class YamlInvalid(AuthorError, ValueError):
    """A YAML file does not say what it must. Lists every fault, each with its line and the keys that lead to it."""

    code = "yaml_invalid"


class NameInvalid(AuthorError, ValueError):
    """A name breaks the grammar of names of its kind."""

    code = "name_invalid"


class NotFound(AuthorError):
    """Nothing of that kind has that name."""

    code = "not_found"
    http_status = 404


class AlreadyExists(AuthorError):
    """Something of that kind has that name already."""

    code = "already_exists"
    http_status = 409


class StillUsed(AuthorError):
    """Something else would not work without what is to be deleted."""

    code = "still_used"
    http_status = 409


class Disabled(AuthorError):
    """What is to be started is there, and somebody has disabled it."""

    code = "disabled"
    http_status = 409


class KeyReused(AuthorError):
    """An idempotency key came again, with another request than the first time."""

    code = "key_reused"


class ScheduleInvalid(AuthorError, ValueError):
    """The rule of a schedule cannot be used. Lists every fault, not only the first."""

    code = "schedule_invalid"


class TooMany(AuthorError):
    """There are as many of them as there may be."""

    code = "too_many"
    http_status = 429


class NotAllowed(AuthorError):
    """The caller is unknown: no token came, or one that is not good here."""

    code = "not_allowed"
    http_status = 401


class Forbidden(AuthorError):
    """The caller is known, and may not do this."""

    code = "forbidden"
    http_status = 403


class NotResumable(AuthorError):
    """The run has not ended, or nothing of it would run again."""

    code = "not_resumable"
    http_status = 409


class NotOver(AuthorError):
    """A run that is to be deleted has not ended."""

    code = "not_over"
    http_status = 409


class DatastoreRefused(AuthorError):
    """The storage that a datastore stands for does not let us in with its credentials, or is not there."""

    code = "datastore_refused"


class NotSupported(AuthorError):
    """This service cannot do that. The message says what it can do instead."""

    code = "not_supported"


class BadRequest(AuthorError):
    """The request cannot be read as what the route expects."""

    code = "bad_request"
    http_status = 400


class HashMismatch(BadRequest):
    """A file's bytes are not those that its hash was made of: it was changed in between."""

    code = "hash_mismatch"


class TooLarge(AuthorError):
    """Something is larger than a stated limit."""

    code = "too_large"
    http_status = 413


class SettingInvalid(AuthorError, ValueError):
    """A setting of the service has a value that it cannot have."""

    code = "setting_invalid"


class AddressRefused(AuthorError, ValueError):
    """Nothing is sent to that address: it is malformed, not encrypted, or leads into a network that is not public."""

    code = "address_refused"


class MessageUnreadable(CanalisError):
    """A message on the bus is none of ours, or was sent by a newer service. Names the run in `run_id`, if it does."""

    code = "message_unreadable"

    @property
    def run_id(self) -> str | None:
        """The run that the message names; None when it names none, or nobody can tell."""
        found = self.details.get("run_id")
        return found if isinstance(found, str) else None


class WorldError(CanalisError):
    """Not the author's doing and not ours; it may be gone when asked again."""

    code = "unavailable"
    http_status = 503


class Conflict(WorldError):
    """Somebody else wrote first. Read again and decide again."""

    code = "conflict"
    http_status = 409


class StoreFull(WorldError):
    """No room is left where the state is kept. Nothing was written by half."""

    code = "store_full"
    http_status = 507


class Unreachable(WorldError):
    """Who a document was sent to did not answer in time. It may have come all the same."""

    code = "unreachable"


class StoreUnavailable(WorldError):
    """The storage does not answer, or refuses to be written to."""

    code = "store_unavailable"


class SecretUnreadable(StoreUnavailable):
    """A kept secret cannot be opened: the service has another key, or what is stored was changed."""

    code = "secret_unreadable"


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk, a quota, a limit on the size of files
_NO_RIGHT = (errno.EROFS, errno.EACCES, errno.EPERM)


def of_system(error: OSError, path: Path) -> StoreFull | StoreUnavailable | None:
    """What the system says of a file of the service, in the operator's words; None when no operator can mend it."""
    if error.errno in _NO_ROOM:
        return StoreFull(f"No room is left for {path}: free some disk space; nothing was lost")
    if error.errno in _NO_RIGHT:
        return StoreUnavailable(f"{path} cannot be written ({error.strerror}): check the folder's rights")
    return None


def all_errors() -> dict[str, type[CanalisError]]:
    """Every error class by its code, so that a client can raise what the service raised."""
    found: dict[str, type[CanalisError]] = {}
    pending: list[type[CanalisError]] = [CanalisError]
    while pending:
        kind = pending.pop()
        found.setdefault(kind.code, kind)  # one without a code of its own is its parent to others
        pending.extend(kind.__subclasses__())
    return found
