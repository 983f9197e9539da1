"""Packages made on the spot, which are installed in no time and without a network."""

from __future__ import annotations

import base64
import hashlib
import textwrap
import zipfile
from pathlib import Path

# A build backend beside its package. `scene` is the folder of the scene: it counts builds there, and does what is asked.
_BACKEND = """
import os, time, zipfile
from pathlib import Path

SCENE = Path({scene!r})

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with (SCENE / "builds").open("a") as file:
        file.write(f"{{os.getpid()}}\\n")
    {does}
    info = "{name}-1.0.dist-info"
    with zipfile.ZipFile(Path(wheel_directory, "{name}-1.0-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("{name}.py", "VALUE = 7\\n")
        wheel.writestr(f"{{info}}/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n")
        wheel.writestr(f"{{info}}/WHEEL", "Wheel-Version: 1.0\\nGenerator: scene\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{{info}}/RECORD", "")
    return "{name}-1.0-py3-none-any.whl"
"""


def source_of(scene: Path, name: str, does: str = "pass") -> str:
    """The folder of a package that must be built; the builds are written into <scene>/builds.

    does   lines that run while it is built
    """
    folder = scene / f"source-{name}"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "1.0"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    lines = textwrap.indent(textwrap.dedent(does), "    ").strip()
    (folder / "backend.py").write_text(_BACKEND.format(scene=str(scene), name=name, does=lines))
    return f"{name} @ {folder.as_uri()}"


def builds(scene: Path) -> list[int]:
    """The processes that have built something in a scene."""
    file = scene / "builds"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def wheel_of(folder: Path, name: str, text: str, version: str = "1.0") -> Path:
    """A wheel of one module."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: scene\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}")
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name_in, content in files.items():
            wheel.writestr(name_in, content)
    return path
