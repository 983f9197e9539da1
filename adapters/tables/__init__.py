"""Runs and documents as rows of a table service: point reads, entity tags, transactions within one partition."""

from adapters.tables.asked import AskedTable
from adapters.tables.documents import TableDocuments
from adapters.tables.runs import TableRuns
from adapters.tables.table import Delete, Insert, Merge, Operation, Replace, Row, Table

__all__ = [
    "AskedTable",
    "Delete",
    "Insert",
    "Merge",
    "Operation",
    "Replace",
    "Row",
    "Table",
    "TableDocuments",
    "TableRuns",
]
