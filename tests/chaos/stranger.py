#!/usr/bin/env python3
"""A stranger on the LAN: knows nobody's key and sends what it likes. Each verb says what it has done as one JSON line.

  stranger.py flood ADDRESS PORT CONNECTIONS   opens so many, of every kind, and goes on until its stdin is closed
  stranger.py claim ADDRESS PORT CONNECTIONS   each claims a frame of 200 MB, and sends some of it
  stranger.py beacons ADDRESS PORT COUNT       datagrams of noise to a node's port, to the shared one, to group and broadcast
  stranger.py record CARD FILE                 keeps what it sees of beacons and of dialled connections until its stdin is closed
  stranger.py replay FILE TIMES                sends all that was recorded again, so often
"""

import contextlib
import errno
import json
import os
import random
import resource
import select
import socket
import struct
import sys
import time

SECONDS_MAX = 150  # of one run, whoever waits for it
OPEN_MAX = 1000  # connections held at once
SHARED_PORT = 27465  # of beacons
GROUP = "239.255.83.76"
CARD = "eth0"  # of every host
BEACON_BYTES = 128
FRAME_CLAIMED = struct.pack(">Q", 200_000_000)
SENT_OF_CLAIM = 2_000_000  # bytes of each frame that claims more
STREAM_BYTES_MAX = 1 << 20  # recorded of one connection


def greeting(mechanism):
    return b"\xff" + bytes(8) + b"\x7f\x03\x00" + mechanism.ljust(20, b"\0") + bytes(32)


NULL_READY = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
PLAIN_HELLO = b"\x04\x12\x05HELLO\x05admin\x05admin"
CURVE_HELLO = b"\x04\xc8\x05HELLO" + bytes(194)
OPENINGS = (b"", b"\xff", greeting(b"CURVE"), greeting(b"CURVE") + CURVE_HELLO, greeting(b"NULL") + NULL_READY,
            greeting(b"PLAIN") + PLAIN_HELLO, b"GET / HTTP/1.0\r\n\r\n")
CLAIMS = (greeting(b"CURVE") + b"\x06" + FRAME_CLAIMED + b"\x05HELLO", greeting(b"NULL") + b"\x02" + FRAME_CLAIMED,
          greeting(b"NULL") + NULL_READY + b"\x02" + FRAME_CLAIMED, greeting(b"PLAIN") + b"\x06" + FRAME_CLAIMED)


def under_time(end):
    return time.monotonic() < end


def told_to_stop():
    return bool(select.select([sys.stdin], [], [], 0)[0])


def many_descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def say(**what):
    print(json.dumps(what), flush=True)


class Crowd:
    """Connections that are held open; the oldest goes where there are too many."""

    def __init__(self, address, port):
        self.family, *_, self.to = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        self.open = []
        self.made = 0

    def add(self, opening):
        if len(self.open) == OPEN_MAX:
            self.open.pop(0).close()
        connection = socket.socket(self.family)
        connection.settimeout(2)
        try:
            connection.connect(self.to)
        except OSError:
            connection.close()
            return
        self.open.append(connection)
        self.made += 1
        with contextlib.suppress(OSError):  # it is shown out
            connection.sendall(opening)


def flood(address, port, connections):
    many_descriptors()
    crowd = Crowd(address, int(port))
    end, said = time.monotonic() + SECONDS_MAX, False
    while under_time(end) and not told_to_stop():
        crowd.add(OPENINGS[crowd.made % len(OPENINGS)])
        if crowd.made >= int(connections) and not said:
            said = True
            say(made=crowd.made)


def claim(address, port, connections):
    many_descriptors()
    crowd = Crowd(address, int(port))
    for number in range(int(connections)):
        crowd.add(CLAIMS[number % len(CLAIMS)] + bytes(SENT_OF_CLAIM))
    say(made=crowd.made)


def beacons(address, port, count):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    broadcast = address.rsplit(".", 1)[0] + ".255"
    ways = [(address, int(port)), (address, SHARED_PORT), (GROUP, SHARED_PORT), (broadcast, SHARED_PORT)]
    noise = random.Random(1).randbytes(1 << 16)
    end, sent = time.monotonic() + SECONDS_MAX, 0
    while sent < int(count) and under_time(end):
        begin = sent * 7919 % (len(noise) - 4 * BEACON_BYTES)
        size = BEACON_BYTES if sent % 8 else sent % (4 * BEACON_BYTES)
        try:
            udp.sendto(noise[begin:begin + size], ways[sent % len(ways)])
        except OSError as error:
            if error.errno not in (errno.ENOBUFS, errno.EAGAIN, errno.ECONNREFUSED):
                raise
        sent += 1
    say(sent=sent)


class Recording:
    """What one card has seen: beacons, and what the diallers of TCP connections said."""

    def __init__(self):
        self.beacons = []  # [address, port, bytes]
        self.streams = {}  # (from, to) → {place in the stream: bytes}
        self.begins = {}  # (from, to) → number of its first byte

    def take(self, packet):
        if packet[12:14] == b"\x08\x00":
            begin, protocol = 14 + (packet[14] & 15) * 4, packet[23]
            end = 14 + struct.unpack_from(">H", packet, 16)[0]
            addresses = [socket.inet_ntoa(packet[at:at + 4]) for at in (26, 30)]
        elif packet[12:14] == b"\x86\xdd":
            begin, protocol = 54, packet[20]
            end = begin + struct.unpack_from(">H", packet, 18)[0]
            addresses = [socket.inet_ntop(socket.AF_INET6, packet[at:at + 16]) + "%" + CARD for at in (22, 38)]
        else:
            return
        body = packet[begin:end]
        if protocol not in (socket.IPPROTO_UDP, socket.IPPROTO_TCP) or len(body) < 8:
            return
        ends = tuple(zip(addresses, struct.unpack_from(">HH", body)))
        if protocol == socket.IPPROTO_TCP:
            self.take_segment(ends, body)
        elif len(body) == 8 + BEACON_BYTES:
            self.beacons.append([*ends[1], body[8:].hex()])

    def take_segment(self, ends, body):
        number, flags = struct.unpack_from(">I", body, 4)[0], body[13]
        if flags & 0x12 == 0x02:  # SYN without ACK: who dials
            self.begins[ends] = number + 1
        elif ends in self.begins:
            place = (number - self.begins[ends]) % (1 << 32)
            if place < STREAM_BYTES_MAX:
                self.streams.setdefault(ends, {})[place] = body[(body[12] >> 4) * 4:]

    def stream(self, ends):
        """As far as no segment is missing."""
        said = b""
        for place, part in sorted(self.streams[ends].items()):
            if place > len(said):
                break
            said = said[:place] + part
        return said

    def save(self, file):
        streams = [[*ends[1], self.stream(ends).hex()] for ends in self.streams]
        with open(file, "w", encoding="utf-8") as out:
            json.dump({"beacons": self.beacons, "streams": streams}, out)
        say(beacons=len(self.beacons), streams=len(streams), bytes=sum(len(said) // 2 for *_, said in streams))


def record(card, file):
    everything = 0x0003  # ETH_P_ALL
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(everything))
    tap.bind((card, 0))
    say(listening=card)
    recording, end = Recording(), time.monotonic() + SECONDS_MAX
    while under_time(end):
        ready = select.select([tap, sys.stdin], [], [], 1)[0]
        if tap in ready:
            recording.take(tap.recv(1 << 16))
        elif sys.stdin in ready:
            break
    recording.save(file)


def replay(file, times):
    many_descriptors()
    with open(file, encoding="utf-8") as recorded:
        saved = json.load(recorded)
    udp = {family: socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)}
    udp[socket.AF_INET].setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    heard = []
    for address, port, beacon in saved["beacons"]:
        family, *_, to = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0]
        heard.append((udp[family], to, bytes.fromhex(beacon)))
    crowds = [(Crowd(address, port), bytes.fromhex(said)) for address, port, said in saved["streams"]]
    end, rounds = time.monotonic() + SECONDS_MAX, 0
    while rounds < int(times) and under_time(end):
        for crowd, said in crowds:
            crowd.add(said)
        for way, to, beacon in heard:
            with contextlib.suppress(OSError):  # of one, in a crowd
                way.sendto(beacon, to)
        rounds += 1
    say(rounds=rounds, beacons=len(heard), connections=sum(crowd.made for crowd, _ in crowds))


if __name__ == "__main__":
    os.nice(5)  # it is the flood that is tried, and not who gets the processor of this one machine
    {"flood": flood, "claim": claim, "beacons": beacons, "record": record, "replay": replay}[sys.argv[1]](*sys.argv[2:])
