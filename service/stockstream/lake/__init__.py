"""Athena's tables, views and queries on this machine: the same files, run by DuckDB on the archive's own objects."""

from stockstream.lake.archive import LocalArchive, fetch_archive
from stockstream.lake.definitions import AthenaFiles, find_athena_files
from stockstream.lake.runner import Lake, Only, QueryResult

__all__ = ["AthenaFiles", "Lake", "LocalArchive", "Only", "QueryResult", "fetch_archive", "find_athena_files"]
