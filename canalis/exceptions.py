"""The v1 exception tree, by its v1 names, so that old `except` clauses catch what they always caught.

Source   reference section 19
"""

from __future__ import annotations

from typing import Self

from canalis.contract.errors import CanalisError, Forbidden, GraphError, NotAllowed, NotFound, ParameterError


class AzureMLException(Exception):
    """Base of all v1 exceptions.

    code   our stable word for the fault, where there is one
    """

    def __init__(self, message: str = "", inner_exception: BaseException | None = None, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.inner_exception = inner_exception
        self.code = code


class UserErrorException(AzureMLException):
    """The caller asked for something that cannot be."""


class AuthenticationException(UserErrorException):
    """The caller is not known."""


class NotSignedIn(AuthenticationException, NotAllowed):
    """The service does not know the caller: no token came, or one that is not good there."""

    def __init__(self, message: str = "", inner_exception: BaseException | None = None) -> None:
        super().__init__(message, inner_exception, NotAllowed.code)


class NotPermitted(UserErrorException, Forbidden):
    """The service knows the caller, who lacks a role for this; v1 has no name of its own for it."""

    def __init__(self, message: str = "", inner_exception: BaseException | None = None) -> None:
        super().__init__(message, inner_exception, Forbidden.code)


class PipelineRefused(UserErrorException, GraphError):
    """A pipeline cannot run, or not with the values that a submission gives. Lists every fault."""

    def __init__(self, error: CanalisError) -> None:
        super().__init__(error.message, error, GraphError.code)
        self.details = error.details


class ParameterRefused(UserErrorException, ParameterError):
    """A value that a submission gives cannot be that of its parameter."""

    def __init__(self, error: CanalisError) -> None:
        super().__init__(error.message, error, ParameterError.code)
        self.details = error.details


class WorkspaceException(AzureMLException):
    """Something is wrong with the workspace."""


class ProjectSystemException(AzureMLException):
    """Something is wrong with the project's folder."""


class ComputeTargetException(AzureMLException):
    """Something is wrong with a compute target."""


class ExperimentExecutionException(AzureMLException):
    """A run could not be started or looked at."""


class RunNotFound(ExperimentExecutionException, NotFound):
    """There is no such run."""

    def __init__(self, message: str = "", inner_exception: BaseException | None = None) -> None:
        super().__init__(message, inner_exception, NotFound.code)


class RunEnvironmentException(AzureMLException):
    """There is no run around this script."""


class RunConfigurationException(AzureMLException):
    """A run configuration cannot be used."""


class SnapshotException(AzureMLException):
    """The source files of a step cannot be taken."""


class TrainingException(AzureMLException):
    """A training failed."""


class WebserviceException(AzureMLException):
    """Something is wrong with a web service or a model."""


class ModelNotFoundException(AzureMLException):
    """No such model."""


class ModelPathNotFoundException(AzureMLException):
    """No such file for a model."""


class ActivityFailedException(AzureMLException):
    """A run that was waited for has failed. The message holds its error as JSON.

    was_shown   whether its end was printed while it was waited for
    """

    def __init__(
        self,
        message: str = "",
        error_details: str = "",
        inner_exception: BaseException | None = None,
        was_shown: bool = False,
    ) -> None:
        super().__init__(message, inner_exception)
        self.error_details = error_details
        self.was_shown = was_shown


class ParallelRunException(AzureMLException):
    """A parallel run failed."""


class ServiceException(AzureMLException):
    """The service answered with an error."""

    def __init__(self, message: str = "", status_code: int = 0, code: str = "") -> None:
        super().__init__(message, code=code)
        self.status_code = status_code


class ErrorResponseException(ServiceException):
    """The service has refused something about published pipelines, endpoints, drafts or schedules.

    v1 had it in a private module, and scripts catch it from there to learn that an endpoint is not there.
    """

    @classmethod
    def of(cls, error: CanalisError) -> Self:
        """The same error, as v1 told it."""
        found = cls(error.message, error.http_status, error.code)
        found.inner_exception = error
        return found


class DatasetValidationError(UserErrorException):
    """A dataset cannot be as it is said: no file is there, or the rows of its files cannot be read."""


class DatasetExecutionError(UserErrorException):
    """The rows of a dataset cannot be read: its files are not what it says they are."""
