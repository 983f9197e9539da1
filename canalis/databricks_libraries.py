"""Libraries that a Databricks step wants on its cluster, by their v1 names.

Source   Databricks REST API, Libraries
"""

from __future__ import annotations

from typing import Any

from canalis.environment import Environment


class _Library:
    """What every library can say of itself."""

    def _document(self) -> dict[str, Any]:
        """As Databricks is told of it."""
        raise NotImplementedError(type(self).__name__)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._document()!r})"


class MavenLibrary(_Library):
    """A package of Maven's. coordinates   group:artifact:version"""

    def __init__(
        self, coordinates: str | None = None, repo: str | None = None, exclusions: list[str] | None = None
    ) -> None:
        self.coordinates = coordinates
        self.repo = repo
        self.exclusions = exclusions

    def _document(self) -> dict[str, Any]:
        said = {"coordinates": self.coordinates, "repo": self.repo, "exclusions": self.exclusions}
        return {"maven": _given(said)}


class PyPiLibrary(_Library):
    """A package of PyPI's, with a version or without."""

    def __init__(self, package: str | None = None, repo: str | None = None) -> None:
        self.package = package
        self.repo = repo

    def _document(self) -> dict[str, Any]:
        return {"pypi": _given({"package": self.package, "repo": self.repo})}


class RCranLibrary(_Library):
    """A package of R's CRAN."""

    def __init__(self, package: str | None = None, repo: str | None = None) -> None:
        self.package = package
        self.repo = repo

    def _document(self) -> dict[str, Any]:
        return {"cran": _given({"package": self.package, "repo": self.repo})}


class JarLibrary(_Library):
    """A jar in DBFS or in a storage account."""

    def __init__(self, library: str | None = None) -> None:
        self.library = library

    def _document(self) -> dict[str, Any]:
        return {"jar": self.library}


class EggLibrary(_Library):
    """An egg in DBFS or in a storage account."""

    def __init__(self, library: str | None = None) -> None:
        self.library = library

    def _document(self) -> dict[str, Any]:
        return {"egg": self.library}


KINDS: dict[str, type[_Library]] = {
    "maven_libraries": MavenLibrary,
    "pypi_libraries": PyPiLibrary,
    "egg_libraries": EggLibrary,
    "jar_libraries": JarLibrary,
    "rcran_libraries": RCranLibrary,
}


def documents(given: dict[str, list[Any] | None], step: str) -> list[dict[str, Any]]:
    """Libraries as Databricks is told of them, from v1's lists. Raises ValueError."""
    found = []
    for name, libraries in given.items():
        if libraries is not None and not isinstance(libraries, list):
            raise ValueError(f"{name} of step '{step}' must be a list")
        for library in libraries or []:
            if not isinstance(library, KINDS[name]):
                raise ValueError(f"{name} of step '{step}' has {library!r}: it must be of {KINDS[name].__name__}")
            found.append(library._document())
    return found


def of_environment(environment: Environment) -> list[dict[str, Any]]:
    """What an environment asks for: pip's packages, and those of its Spark section."""
    wanted = environment.python.conda_dependencies
    pip = wanted.pip_packages if wanted is not None else []
    # What v1 adds by itself speaks to a service that is not there, and has never been of use on a Databricks cluster.
    found: list[dict[str, Any]] = [{"pypi": {"package": one}} for one in pip if not str(one).startswith("azureml-")]
    for package in environment.spark.packages:
        said = package if isinstance(package, dict) else vars(package)
        coordinates = ":".join(str(said[part]) for part in ("group", "artifact", "version"))
        found.append({"maven": {"coordinates": coordinates}})
    return found


def _given(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}
