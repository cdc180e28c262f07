"""Hosts whose cables can be cut, and clients that load a service."""

from tests.system.harness.network.hosts import Host, Network, ip
from tests.system.harness.network.traffic import Traffic, traffic

__all__ = ["Host", "Network", "Traffic", "ip", "traffic"]
