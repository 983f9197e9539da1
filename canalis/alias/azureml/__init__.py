"""Stands where v1's package stood. The folder above it is on the import path of every step."""

try:
    import canalis.azureml as _canalis
except ImportError:
    # The interpreter of this step has no Canalis of its own: use the one that this folder belongs to.
    import sys
    from pathlib import Path

    sys.path.append(str(Path(__file__).resolve().parents[3]))
    import canalis.azureml as _canalis

_canalis.refuse_the_original()
_canalis.install_finder()


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(name)
    import importlib

    return importlib.import_module(f"azureml.{name}")
