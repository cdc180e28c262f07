"""Starts commands, ends all their processes, and talks to those that serve HTTP."""

from tests.system.harness.process.client import HttpClient
from tests.system.harness.process.commands import run_at_terminal, run_command
from tests.system.harness.process.program import Program
from tests.system.harness.process.service import Service
from tests.system.harness.process_table import children_of

__all__ = ["HttpClient", "Program", "Service", "children_of", "run_at_terminal", "run_command"]
