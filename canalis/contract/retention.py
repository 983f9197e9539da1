"""How long a workspace keeps what runs leave behind, and what is said of clearing it away."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from canalis.contract.graph import Part

RETENTION = "retention"  # name of the document, among the settings, with the policy
HOUR_S = 3600.0

_Age = Annotated[float, Field(ge=HOUR_S, le=100 * 366 * 24 * HOUR_S)]


class Policy(Part):
    """How long things are kept, in seconds; None keeps them for good.

    runs_s           after its end a run, with all that belongs to it
    intermediate_s   after its end what steps of a run have handed each other: outputs at places of the run's own that
                     have no pipeline output name
    """

    runs_s: _Age | None = None
    intermediate_s: _Age | None = None


class Amount(Part):
    """How many things, and how many bytes they take together."""

    count: StrictInt = 0
    bytes: StrictInt = 0


class Thing(Part):
    """One of the things, by kind and name."""

    kind: str
    name: str
    bytes: StrictInt


class Spared(Part):
    """A run that is old enough to go, and who needs it."""

    run: str
    needed_by: str


class Clearing(Part):
    """What was found that nobody needs: what goes, or in a dry run what would.

    found     by kind: runs, intermediate, graphs, snapshots, content, incoming, leftovers
    waiting   the same that was found before, and goes when its rest is over
    largest   of all that was found
    spared    runs that are old enough and needed, the first of them; `spared_count` of all
    rest_s    what is found is out of sight at once, and goes after so many seconds, if still nobody needs it
    """

    dry_run: bool
    policy: Policy
    found: dict[str, Amount] = Field(default_factory=dict)
    waiting: dict[str, Amount] = Field(default_factory=dict)
    largest: tuple[Thing, ...] = ()
    spared: tuple[Spared, ...] = ()
    spared_count: StrictInt = 0
    rest_s: float


class Deleted(Part):
    """The runs that were deleted together."""

    runs: tuple[str, ...]
