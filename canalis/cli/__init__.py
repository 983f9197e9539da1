"""The command line."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command that was typed. What the author can mend is a line for each fault, not a trace."""
    from canalis.cli import commands  # noqa: F401  the app has its commands once they are loaded
    from canalis.cli.words import app
    from canalis.contract.errors import CanalisError
    from canalis.exceptions import AzureMLException

    try:
        app()
    except (CanalisError, AzureMLException) as error:
        from canalis.cli.faults import told

        print(told(error), file=sys.stderr)
        sys.exit(1)
