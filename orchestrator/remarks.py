"""What people say of runs and steps: tags, properties, names. Kept beside the run, which does not change."""

from __future__ import annotations

from canalis.contract.ports import Document, Ports

ANNOTATIONS = "annotations"  # kind of the documents with what people say of runs


def annotate(ports: Ports, name: str, news: Document) -> None:
    """Merge tags, properties and names into what people have said of a run; None removes a tag."""
    known = ports.documents.get(ANNOTATIONS, name)
    body = dict(known.body) if known else {}
    for part, value in news.items():
        body[part] = {**body.get(part, {}), **value} if isinstance(value, dict) else value
    ports.documents.put(ANNOTATIONS, name, body, etag=known.etag if known else None, if_absent=known is None)


def annotations_of(ports: Ports, name: str) -> Document:
    """What people have said of a run or a step run."""
    found = ports.documents.get(ANNOTATIONS, name)
    return found.body if found else {}


def merged(first: dict[str, str], said: Document) -> dict[str, str]:
    """Tags or properties as they were given, with what was said since; None takes one away."""
    return {name: value for name, value in {**first, **said}.items() if value is not None}
