#!/usr/bin/env python3
"""What 'starling doctor' says on a virtual LAN where something is wrong: a firewall, another mesh, an address without a node,
a certificate that is over. Where no namespaces can be made, the tests are skipped and say why."""

import json

from hosts import Hosts, run_tests, until
from lan import SUBNET, tool


class Doctor(Hosts):
    def says(self, host, level, words):
        """Waits until the doctor of a host says so; its exit code tells whether there is trouble."""
        told = []

        def now():
            ran = self.run_on(host, "doctor", "--json")
            findings = json.loads(ran.stdout)["findings"]
            self.assertEqual(int(any(each["level"] == "trouble" for each in findings)), ran.returncode)
            told[:] = findings
            return any(each["level"] == level and words in f"{each['what']} {each['advice']}" for each in findings)
        self.assertTrue(until(now), (words, told))

    def drop(self, host, what):
        """From now on the host's firewall drops this alone; nothing where it is empty."""
        rule = f"\n{what} drop" if what else ""
        tool(*self.lan.within(host, "nft", "-f", "-"), script="table inet doctor\ndelete table inet doctor\n"
             f"table inet doctor {{\nchain in {{\ntype filter hook input priority 0;{rule}\n}}\n}}\n")

    def test_it_names_what_keeps_nodes_apart(self):
        self.assertEqual(0, self.run_on(0, "init").returncode)
        self.assertEqual(0, self.run_on(2, "init").returncode)
        self.drop(0, 'iifname "eth0" meta l4proto udp')
        self.up(0, "--peer", f"{SUBNET}.99:4000")
        self.says(0, "trouble", "not even this node's own")
        self.says(0, "trouble", f"no answer from {SUBNET}.99:4000")
        self.drop(0, "")
        self.says(0, "notice", "beacons leave by eth0 and no member's is heard there")

        self.up(2)
        self.says(0, "notice", f"came from {SUBNET}.3:")

        self.invited(0, 1)
        for host in (0, 1):
            self.drop(host, 'iifname "eth0" meta l4proto tcp')
        self.up(1)
        self.says(1, "trouble", f"at {SUBNET}.1:")
        self.says(1, "trouble", "dialled in vain")
        for host in (0, 1):
            self.drop(host, "")
        self.says(1, "fine", "1 peer linked")
        self.says(1, "fine", "of members heard on eth0")
        self.says(0, "fine", "1 peer linked")
        people = self.run_on(1, "doctor")
        self.assertRegex(people.stdout, r"(?m)^fine    1 peer linked$")

    def test_it_tells_of_a_certificate_that_is_over(self):
        self.assertEqual(0, self.run_on(0, "init").returncode)
        self.up(0)
        self.invited(0, 1, "--expires", "4s")
        self.up(1)
        self.says(1, "fine", "1 peer linked")
        self.says(1, "trouble", "certificate has been over for")
        self.says(0, "notice", "turned away at the door: expired")
        self.invited(0, 2, "--expires", "1h")
        self.up(2)
        self.says(2, "notice", "certificate ends in")


if __name__ == "__main__":
    run_tests()
