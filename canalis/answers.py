"""What the service answers, in v1's terms: what the author can mend becomes the exception that v1 had for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from canalis.contract.errors import AuthorError, GraphError, NotFound, ParameterError
from canalis.exceptions import (
    ErrorResponseException,
    ParameterRefused,
    PipelineRefused,
    UserErrorException,
    WebserviceException,
)

_Answer = TypeVar("_Answer")


@contextmanager
def in_v1s_words() -> Iterator[None]:
    """What the author can mend becomes a UserErrorException, as in v1."""
    try:
        yield
    except AuthorError as error:
        if isinstance(error, UserErrorException):
            raise
        raise UserErrorException(error.message, error, error.code) from error


def asked(question: Callable[[], _Answer]) -> _Answer:
    """What the service answers; what the author can mend becomes a UserErrorException, as in v1."""
    with in_v1s_words():
        return question()


def accepted(submission: Callable[[], _Answer]) -> _Answer:
    """What comes of a submission; a fault of it or of its values is a UserErrorException, and a ValueError too."""
    try:
        return submission()
    except UserErrorException:
        raise
    except ParameterError as error:
        raise ParameterRefused(error) from error
    except GraphError as error:
        raise PipelineRefused(error) from error


def answered(question: Callable[[], _Answer]) -> _Answer:
    """The same for published pipelines, endpoints and schedules, of which v1 raised ErrorResponseException.

    A parameter's fault is a UserErrorException, and a ValueError too: v1 found it before it asked.
    """
    try:
        return question()
    except ParameterError as error:
        raise ParameterRefused(error) from error
    except AuthorError as error:
        raise ErrorResponseException.of(error) from error


def of_models(question: Callable[[], _Answer]) -> _Answer:
    """The same for models, of which v1 raised WebserviceException; who may not ask is told so as everywhere."""
    try:
        return question()
    except UserErrorException:
        raise
    except AuthorError as error:
        raise WebserviceException(error.message, error, error.code) from error


def is_there(question: Callable[[], object]) -> bool:
    """Whether the service knows what is asked for."""
    try:
        question()
    except NotFound:
        return False
    return True
