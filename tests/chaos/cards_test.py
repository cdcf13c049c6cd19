#!/usr/bin/env python3
"""Nodes find each other whatever network cards their machines have: several, some of which lead nowhere, with aliases, with
IPv6 alone, with none. On virtual machines with cards of their own. Where no namespaces can be made, the test is skipped and
says why."""

import json
import subprocess

from hosts import Hosts, run_tests, until
from lan import tool

LEFT, MIDDLE, RIGHT, ODD = range(4)


class Cards(Hosts):
    """Hosts LEFT, MIDDLE and ODD are on the LAN; RIGHT is only on a second one, where MIDDLE has its other card."""
    count = 4

    def ip(self, host, *arguments):
        tool("ip", "-n", self.lan.namespace(host), *arguments)

    def tool_or_skip(self, why, *command):
        """For what not every machine that has namespaces allows."""
        try:
            tool(*command)
        except (subprocess.CalledProcessError, OSError) as error:
            self.skipTest(f"{why}: {getattr(error, 'stderr', '') or error}".strip())

    def asked(self, host, verb):
        ran = self.run_on(host, verb, "--json")
        self.assertEqual(0, ran.returncode, ran.stderr)
        return json.loads(ran.stdout)

    def found(self, host, *others):
        """The host is linked with these, and with nobody else."""
        ids = {self.asked(other, "status")["node"] for other in others}
        linked = lambda: {peer["id"] for peer in self.asked(host, "peers")["peers"]}
        self.assertTrue(until(lambda: linked() == ids), (host, linked(), ids, self.run_on(host, "doctor").stdout))

    def crosses(self, host, *others):
        """What is written here arrives there."""
        self.assertEqual(0, self.run_on(host, "incr", f"from-{host}", "1").returncode)
        count = self.run_on(host, "count", f"from-{host}").stdout
        for other in others:
            self.assertTrue(until(lambda: self.run_on(other, "count", f"from-{host}").stdout == count), (host, other))

    def second_lan(self):
        """RIGHT leaves the LAN, and is on another with a card of MIDDLE's."""
        self.ip(RIGHT, "link", "del", "eth0")
        self.ip(RIGHT, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1", "netns", self.lan.namespace(MIDDLE))
        for host, card, number in ((RIGHT, "eth0", 2), (MIDDLE, "eth1", 1)):
            self.ip(host, "addr", "add", f"10.78.0.{number}/24", "brd", "+", "dev", card)
            self.ip(host, "link", "set", card, "up")

    def cards_that_lead_nowhere(self, host):
        """As Docker, a VPN and a container host leave them."""
        self.ip(host, "link", "add", "docker0", "type", "bridge")
        self.ip(host, "addr", "add", "172.17.0.1/16", "brd", "+", "dev", "docker0")
        self.ip(host, "link", "set", "docker0", "up")
        with self.subTest("a tunnel"):
            self.tool_or_skip("no tunnels here",
                              "ip", "-n", self.lan.namespace(host), "tuntap", "add", "dev", "tun0", "mode", "tun")
            self.ip(host, "addr", "add", "10.8.0.2", "peer", "10.8.0.1", "dev", "tun0")
            self.ip(host, "link", "set", "tun0", "up")
        self.ip(host, "addr", "add", f"10.77.0.{100 + host}/24", "dev", "eth0", "label", "eth0:1")
        self.ip(host, "addr", "add", f"192.168.77.{host + 1}/24", "brd", "+", "dev", "eth0")

    def test_nodes_find_each_other_where_there_is_a_path(self):
        self.second_lan()
        for host in (LEFT, MIDDLE):
            self.cards_that_lead_nowhere(host)
        self.assertEqual(0, self.run_on(MIDDLE, "init").returncode)
        self.up(MIDDLE)
        for host in (LEFT, RIGHT, ODD):
            self.invited(MIDDLE, host)

        with self.subTest("two LANs, and a node with a card on each; bridges and tunnels without anybody"):
            self.up(LEFT)
            self.up(RIGHT)
            self.found(MIDDLE, LEFT, RIGHT)
            self.found(LEFT, MIDDLE)
            self.found(RIGHT, MIDDLE)
            self.crosses(LEFT, MIDDLE, RIGHT)
            self.crosses(RIGHT, MIDDLE, LEFT)

        with self.subTest("no route and no address at all, and then IPv6 link-local alone"):
            self.ip(ODD, "link", "set", "eth0", "down")
            self.ip(ODD, "addr", "flush", "dev", "eth0")
            end = self.up(ODD)
            self.found(ODD)
            self.crosses(ODD)
            self.ip(ODD, "link", "set", "eth0", "up")
            self.found(ODD, MIDDLE, LEFT)
            self.crosses(ODD, MIDDLE, LEFT, RIGHT)
            for peer in self.asked(ODD, "peers")["peers"]:
                self.assertTrue(peer["address"].startswith("[fe80:"), peer)

        end()
        self.tool_or_skip("IPv6 cannot be switched off, and the rest needs that",
                          *self.lan.within(ODD, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"))
        with self.subTest("IPv4 alone, and nothing but the local network is routed"):
            self.ip(ODD, "addr", "add", "10.77.0.50/24", "brd", "+", "dev", "eth0")
            self.up(ODD)
            self.found(ODD, MIDDLE, LEFT)

        with self.subTest("the address changes while all run"):
            self.lan.move(ODD, 60)
            self.found(ODD, MIDDLE, LEFT)
            self.crosses(ODD, MIDDLE, LEFT, RIGHT)
            self.crosses(LEFT, ODD)
            self.assertTrue(until(lambda: any(peer["address"].startswith("10.77.0.60:")
                                              for peer in self.asked(LEFT, "peers")["peers"])))


if __name__ == "__main__":
    run_tests()
