"""Hosts in network namespaces, each with an address, a cable that can be cut, and a power supply that can fail."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self, TypeVar
from uuid import uuid4

from tests.support.environment import wait_for
from tests.support.services import skip_or_fail
from tests.system.harness.run import run_name

Server = TypeVar("Server")
ADDRESS, MAC = "10.8.8.{}", "02:00:0a:08:08:{:02x}"
HOSTS = range(1, 17)
CLONE_NEWNET = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


def ip(*arguments: str, commands: str = "") -> str:
    """Run `ip`."""
    done = subprocess.run(["ip", *arguments], input=commands, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, (arguments, commands, done.stderr)
    return done.stdout


class Host:
    """A host at a network's switch, with its own loopback device.

    The neighbour tables are static: packets to a host whose cable is cut are dropped silently, as behind a router. With
    ARP, the sender's kernel would report "no route to host".
    """

    def __init__(self, network: "Network", number: int, name: str) -> None:
        self.address, self.name = ADDRESS.format(number), f"{network.name}-{name}"
        self._switch, self._cable = network.name, f"cable{number}"
        ip("netns", "add", self.name)
        network.cleanup.callback(self._remove)
        ip("-netns", self._switch, "-batch", "-", commands=f"""
            link add {self._cable} type veth peer name eth0 address {MAC.format(number)} netns {self.name}
            link set {self._cable} master switch up
        """)  # fmt: skip
        others = (f"neigh add {ADDRESS.format(n)} lladdr {MAC.format(n)} dev eth0 nud permanent" for n in HOSTS)
        ip("-netns", self.name, "-batch", "-", commands="\n".join([
            "link set lo up", f"address add {self.address}/24 dev eth0", "link set eth0 up", *others,
        ]))  # fmt: skip

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Move this thread into the host's network, with all threads and processes that it starts."""
        with Path("/proc/thread-self/ns/net").open() as before, Path("/run/netns", self.name).open() as here:
            _enter(here.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    @contextmanager
    def running(self, server: AbstractContextManager[Server]) -> Iterator[Server]:
        """Start and end a server in the host's network."""
        with ExitStack() as stack:
            with self.inside():
                started = stack.enter_context(server)
            try:
                yield started
            finally:
                with self.inside():
                    stack.close()

    @contextmanager
    def cable_cut(self) -> Iterator[None]:
        """Drop all packets to and from the host. Neither side of a connection gets an error."""
        self.unplug()
        try:
            yield
        finally:
            self.plug_in()

    def plug_in(self) -> None:
        """Connect the host to the switch."""
        ip("-netns", self._switch, "link", "set", self._cable, "up")

    def unplug(self) -> None:
        """Disconnect the host from the switch."""
        ip("-netns", self._switch, "link", "set", self._cable, "down")

    def lose_power(self) -> None:
        """Kill all processes of the host. Their peers get no packet of it."""
        self.unplug()
        wait_for(f"all processes of {self.name} have ended", self._all_killed)

    def _remove(self) -> None:
        wait_for(f"all processes of {self.name} have ended", self._all_killed)
        ip("netns", "delete", self.name)

    def _all_killed(self) -> bool:
        processes = ip("netns", "pids", self.name).split()
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        return not processes


class Network:
    """A switch and its hosts. The machine's own network is not changed."""

    def __init__(self) -> None:
        self.name = f"{run_name()}-{uuid4().hex[:4]}"
        self.cleanup = ExitStack()
        self._hosts = 0

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            try:
                ip("netns", "add", self.name)
                cleanup.callback(ip, "netns", "delete", self.name)
                ip("-netns", self.name, "link", "add", "switch", "up", "type", "bridge")
            except (OSError, AssertionError) as error:
                skip_or_fail(f"only root may create network namespaces: {error}")
            self.cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.cleanup.close()

    def host(self, name: str) -> Host:
        """Add a host."""
        self._hosts += 1
        return Host(self, self._hosts, name)


def _enter(namespace: int) -> None:
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "cannot enter the network namespace")
