"""Data as YAML that canalis.yaml_reading reads back as the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

_WIDTH = 2**30  # lines are never broken: a text that is folded over several is hard to compare
# PyYAML writes these as they are, and reads a blank or a line's end for them.
_ODD = re.compile("[\r\x85\u2028\u2029\ufeff]")


class _Dumper(yaml.SafeDumper):
    """Writes out what stands twice, since aliases are not read."""

    def ignore_aliases(self, data: Any) -> bool:
        """Always."""
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """A text. None is in quotes, since without them people mean nothing by it, and so is what ends lines oddly."""
        style = "'" if data == "None" else '"' if _ODD.search(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


_Dumper.add_representer(str, _Dumper.represent_str)


def as_yaml(data: Any) -> str:
    """The text of a file, its keys in the order in which they were given."""
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return str(text)


def write_whole(target: Path, text: str) -> None:
    """Write a text file as a whole or not at all, in place of one that is there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".part-{target.name}")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
