"""The command line."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command that was typed. What the author can mend is one line, not a trace."""
    from canalis.cli import commands  # noqa: F401  the app has its commands once they are loaded
    from canalis.cli.words import app
    from canalis.contract.errors import CanalisError
    from canalis.exceptions import AzureMLException

    try:
        app()
    except CanalisError as error:
        print(f"canalis: {error.message} [{error.code}]", file=sys.stderr)
        sys.exit(1)
    except AzureMLException as error:
        code = f" [{error.code}]" if error.code else ""
        print(f"canalis: {error.message}{code}", file=sys.stderr)
        sys.exit(1)
