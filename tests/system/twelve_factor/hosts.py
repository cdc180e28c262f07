"""Hosts of a test's own: network namespaces with an address each, cables that can be cut, and power that can fail."""

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
    """A host at a network's switch. Nothing of its network is shared with any other, not even the loopback device.

    Addresses are known beforehand, without ARP: what is sent to a host whose cable is cut vanishes, as it does behind a
    router, and no kernel of this network says "no route to host".
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
        """Be here: this thread, the threads and processes that it starts, and their connections."""
        with Path("/proc/thread-self/ns/net").open() as before, Path("/run/netns", self.name).open() as here:
            _enter(here.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    @contextmanager
    def running(self, server: AbstractContextManager[Server]) -> Iterator[Server]:
        """Start a server here, and end it here."""
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
        """Let packets vanish for a while: whoever waits for an answer, on either side, is told nothing."""
        self._unplug()
        try:
            yield
        finally:
            self.plug_in()

    def plug_in(self) -> None:
        """Have a cable that is in order."""
        ip("-netns", self._switch, "link", "set", self._cable, "up")

    def _unplug(self) -> None:
        ip("-netns", self._switch, "link", "set", self._cable, "down")

    def lose_power(self) -> None:
        """End everything that runs here at once, and without a word to anyone."""
        self._unplug()
        wait_for(f"nothing runs at {self.name}", self._killed)

    def _remove(self) -> None:
        wait_for(f"nothing runs at {self.name}", self._killed)
        ip("netns", "delete", self.name)

    def _killed(self) -> bool:
        processes = ip("netns", "pids", self.name).split()
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        return not processes


class Network:
    """A switch and its hosts, all of them namespaces: the machine's own network is not touched."""

    def __init__(self) -> None:
        self.name = f"barah-{uuid4().hex[:8]}"
        self.cleanup = ExitStack()
        self._hosts = 0

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            try:
                ip("netns", "add", self.name)
                cleanup.callback(ip, "netns", "delete", self.name)
                ip("-netns", self.name, "link", "add", "switch", "up", "type", "bridge")
            except (OSError, AssertionError) as error:
                skip_or_fail(f"no network namespaces here, which only root may make: {error}")
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
