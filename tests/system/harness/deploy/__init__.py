"""Runs the service: by honcho, process by process, on a dyno, by Compose; from this tree, a copy, or a build."""

from tests.system.harness.deploy.builds import Build, make_build
from tests.system.harness.deploy.deploy import ONE_OF_EACH, Deploy, Worker
from tests.system.harness.deploy.formation import Formation
from tests.system.harness.deploy.procfile import PROCFILE
from tests.system.harness.deploy.trees import copy_tree, digests, tracked_files

__all__ = [
    "ONE_OF_EACH",
    "PROCFILE",
    "Build",
    "Deploy",
    "Formation",
    "Worker",
    "copy_tree",
    "digests",
    "make_build",
    "tracked_files",
]
