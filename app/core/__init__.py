"""Shared infrastructure. Imports no feature."""
