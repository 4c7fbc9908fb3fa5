"""The version, which the changelog has as well."""

__version__ = "0.1.0"
