"""The configuration: its schema, and how a file becomes settings or a list of everything that is wrong with it."""

from chassis.config.catalog import Catalog, Route
from chassis.config.decode import decode, encode, list_files, parse_settings
from chassis.config.document import ConfigError, Problem
from chassis.config.hashes import hash_secrets
from chassis.config.schema import Settings
from chassis.config.units import Duration, Secret, Size, StoreUrl

__all__ = [
    "Catalog", "ConfigError", "Duration", "Problem", "Route", "Secret", "Settings", "Size", "StoreUrl",
    "decode", "encode", "hash_secrets", "list_files", "parse_settings",
]  # fmt: skip
