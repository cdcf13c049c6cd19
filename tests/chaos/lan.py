"""A virtual LAN of network namespaces: a switch and hosts, all of which this program makes and takes away again. Nothing in
it reaches the machine's own network. Faults are rules of nftables in each host's own namespace."""

import os
import shutil
import subprocess

SUBNET = "10.77.0"  # of the LAN alone; no other namespace has a route to it
TOOL_SECONDS_MAX = 20


class Unavailable(Exception):
    """This machine cannot make the LAN; why."""


def tool(*arguments, script=None):
    return subprocess.run(arguments, input=script, capture_output=True, text=True, timeout=TOOL_SECONDS_MAX, check=True)


class Lan:
    def __init__(self, hosts):
        self.name = f"starling-{os.getpid()}"
        self.hosts = hosts
        self.address = {}  # host → number of its address
        self.made = []
        if os.geteuid() != 0:
            raise Unavailable("only root may make network namespaces")
        for program in ("ip", "nft"):
            if shutil.which(program) is None:
                raise Unavailable(f"'{program}' is not installed")
        try:
            self._make()
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
            self.remove()
            raise Unavailable(f"no virtual LAN: {getattr(error, 'stderr', '') or error}".strip()) from error

    def namespace(self, host):
        return f"{self.name}-{host}"

    def within(self, host, *command):
        """A command line that runs on the host."""
        return ["ip", "netns", "exec", self.namespace(host), *command]

    def _make(self):
        switch = self.namespace("switch")
        for namespace in [switch] + [self.namespace(host) for host in range(self.hosts)]:
            tool("ip", "netns", "add", namespace)
            self.made.append(namespace)
        tool("ip", "-n", switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        tool("ip", "-n", switch, "link", "set", "br0", "up")
        for host in range(self.hosts):
            port, namespace = f"p{host}", self.namespace(host)
            tool("ip", "-n", switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace)
            tool("ip", "-n", switch, "link", "set", port, "master", "br0", "up")
            tool("ip", "-n", namespace, "link", "set", "eth0", "address", self.card(host))
            tool("ip", "-n", namespace, "link", "set", "lo", "up")
            tool("ip", "-n", namespace, "link", "set", "eth0", "up")
            self.move(host, host + 1)
            self.rules(host, set(), 0)

    def remove(self):
        for namespace in self.made:
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, timeout=TOOL_SECONDS_MAX, check=False)
        self.made = []

    @staticmethod
    def card(host):
        return f"02:00:00:00:{host >> 8:02x}:{host & 255:02x}"

    def move(self, host, number):
        """The host gets another address."""
        namespace = self.namespace(host)
        tool("ip", "-n", namespace, "addr", "flush", "dev", "eth0", "scope", "global")
        tool("ip", "-n", namespace, "addr", "add", f"{SUBNET}.{number}/24", "brd", "+", "dev", "eth0")
        tool("ip", "-n", namespace, "route", "replace", "224.0.0.0/4", "dev", "eth0")
        self.address[host] = number

    def set_link(self, host, up):
        tool("ip", "-n", self.namespace(host), "link", "set", "eth0", "up" if up else "down")
        if up:
            self.move(host, self.address[host])  # routes went with the link

    def rules(self, host, deaf_to, loss_permille):
        """What comes to the host is dropped where it is of those hosts, and of the rest so much by chance."""
        lines = ["table inet chaos", "delete table inet chaos", "table inet chaos {", "chain in {",
                 "type filter hook input priority 0;", 'iifname "lo" accept']
        lines += [f"ether saddr {self.card(other)} drop" for other in sorted(deaf_to)]
        if loss_permille:
            lines.append(f"numgen random mod 1000 < {loss_permille} drop")
        tool(*self.within(host, "nft", "-f", "-"), script="\n".join(lines + ["}", "}", ""]))
