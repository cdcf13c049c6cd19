#!/usr/bin/env python3
"""End records as a small model: what it takes that a replica can be ended, at any n and by several nodes at once, without making
others diverge or losing what honest nodes were told is written. docs/decisions/0050-end-records.md has the clauses in words.

    ends.py RUNS [SEED] [--bug NAME] [--first]      NAME is one of BUGS: leaving that clause out makes runs fail; --first stops there

A run is a random schedule over 2 to 6 nodes on a full mesh, a path or a tree: windows, pushes that are relayed, pulls from trimmed
logs, state diffs between pinned states, crashes with and without a disk, deaths, replicas that are revoked, ended by mistake or
cloned. After each step a replica must hold exactly what its version implies, and replicas with equal versions the same; at the end
all that live are healed, must be equal, and must still have what honest nodes acknowledged."""
import random, sys

BUGS = {
    'norepair':   'who had applied the tail takes no dot for what it removed',
    'partial':    'a repair is made though the log has only a part of the tail',
    'impure':     'a log counts as whole though a diff brought what another branch of the tail removed',
    'highest':    'of two end records the higher n wins',
    'unheld':     'a record takes effect where not all up to n is held (its changeset does not depend on (replica, n))',
    'unmet':      'dependencies on dots past n are not counted as met',
    'discard':    'the open window is discarded when a record takes effect',
    'noexchange': 'sessions do not exchange records before they pin, and diffs are applied all the same',
    'novoid':     'a diff is applied though a record that its answerer did not have came meanwhile',
    'nkbarrier':  'a node that may not serve diffs takes a barrier',
    'takewhole':  "it takes a keeper's state whole and re-applies its own changesets (the rule as it was written first)",
    'goeson':     'a node whose running life was ended goes on writing in it',
    'noreissue':  'it starts a new life, and does not write again what the end took away',
    'oldlives':   'it writes again what the end took from its running life, not from its earlier ones',
    'difffirst':  'a diff is applied before the records that come with it take effect',
    'ownheads':   'a node does not look at the heads of its own lives before it applies a diff',
}
BUG = None


class Limits:
    """replica -> n, and the keys that are revoked: there a replica without an n has 0. Joined pointwise, the lowest wins."""
    def __init__(s, bound=(), banned=()): s.bound, s.banned = dict(bound), set(banned)
    def limit(s, r): return s.bound.get(r, 0 if r[0] in s.banned else None)

    def join(s, o):
        both = {r: [n for n in (s.limit(r), o.limit(r)) if n is not None] for r in {*s.bound, *o.bound}}
        s.banned |= o.banned
        s.bound = {r: n for r, n in ((r, (max if BUG == 'highest' else min)(ns)) for r, ns in both.items()) if n or r[0] not in s.banned}

    def has(s, o):
        both = Limits(s.bound, s.banned); both.join(o)
        return both.key() == s.key()

    def key(s): return s.bound, s.banned


class Past(Limits):
    """A version: the limits in effect, and replica -> highest seq of those without. Every dot of an ended replica is covered."""
    def __init__(s, version=(), bound=(), banned=()): super().__init__(bound, banned); s.version = dict(version)
    def covers(s, d): return s.limit(d[0]) is not None or d[1] <= s.version.get(d[0], 0)
    def held(s, r): return s.version.get(r, 0) if s.limit(r) is None else s.limit(r)
    def origins(s): return sorted({*s.version, *s.bound})
    def key(s): return s.version, s.bound, s.banned
    def past(s): return Past(s.version, s.bound, s.banned)


class Changeset:
    """It is its own head (the hash over the chain of its origin) and names the one before."""
    def __init__(s, origin, first, count, prev, deps, puts, removes, record=None, barrier=False):
        s.origin, s.first, s.last, s.prev, s.deps, s.puts, s.removes = origin, first, first + count - 1, prev, deps, puts, removes
        s.record, s.barrier = record, barrier


class Pin(Past):
    def __init__(s, r): super().__init__(r.version, r.bound, r.banned); s.live, s.heads, s.chain = dict(r.live), dict(r.heads), dict(r.chain)


class Replica(Past):
    def __init__(s, run, key, keeper, admin):
        super().__init__()
        s.run, s.key_, s.keeper, s.admin, s.deaf = run, key, keeper, admin, False   # deaf: a liar, or revoked; hears of no record
        s.told = Limits()                               # all records known; those in effect are s.bound and s.banned
        s.live, s.log, s.waiting, s.window, s.heads, s.chain, s.pure = {}, {}, [], [], {}, {}, {}
        s.mine, s.proofs, s.out, s.fresh, s.renewed = {}, set(), [], [], None   # mine: each life of this node -> the heads it made
        s.begin()

    def begin(s): s.id = (s.key_, s.run.next()); s.mine[s.id] = set()

    # -- writing -------------------------------------------------------------------------------------------------------
    def write(s, puts, drops):
        seq = s.version.get(s.id, 0) + len(s.window) + 1
        for slot, token in [(x, s.run.next()) for x in puts] + [(x, None) for x in drops]:
            gone = {d: e for d, e in s.live.items() if e[0] == slot}
            for d in gone: del s.live[d]
            if token: s.live[(s.id, seq)] = (slot, token); s.run.acknowledged[token] = s; s.run.dot[token] = (s.id, seq)
            s.window.append((seq, token and (slot, token), gone)); seq += 1

    def cut(s):
        """Close the window: one changeset, superseded puts dropped, every removal kept."""
        if not s.window: return
        gone = {d for _, _, g in s.window for d in g}
        s.run.removed |= {e[1] for _, _, g in s.window for e in g.values()}
        window, s.window = s.window, []
        s.emit({q: e for q, e, _ in window if e and (s.id, q) not in gone}, gone - {(s.id, q) for q, _, _ in window}, len(window))

    def emit(s, puts, removes, count, record=None, barrier=False, deps=()):
        first = s.version.get(s.id, 0) + 1
        for q, e in puts.items(): s.live[(s.id, q)] = e
        cs = Changeset(s.id, first, count, s.chain.get(s.id), {**dict(deps), **s.heads}, puts, removes, record, barrier)
        s.mine[s.id].add(cs); s.out.append(cs); s.run.note(cs)
        s.accept(cs)

    # -- applying ------------------------------------------------------------------------------------------------------
    def accept(s, cs):
        s.version[cs.origin] = cs.last
        s.chain[cs.origin] = cs
        if not cs.barrier: s.log.setdefault(cs.origin, []).append(cs)       # a barrier is a gap in every log
        s.heads = {r: q for r, q in s.heads.items() if cs.deps.get(r, 0) < q}
        s.heads[cs.origin] = cs.last
        if cs.record and not s.deaf: s.told.join(cs.record)

    def met(s, d): return s.covers(d) and (BUG != 'unmet' or d[1] <= s.held(d[0]))

    def receive(s, cs):
        o, n = cs.origin, s.told.limit(cs.origin)
        if s.covers((o, cs.last)) or n is not None and cs.last > n:
            if any(k.first == cs.first and k is not cs for k in s.log.get(o, [])): s.proofs.add(o)
        elif not s.twin(o, cs) and cs not in s.waiting: s.waiting.append(cs); s.advance()

    def twin(s, r, head):
        """Whether this is a head of a life of mine that I did not make. Somebody goes on in it: I leave it, and if both wrote
        there is proof. (The model looks that up; a node asks the peer for the head at its own top.)"""
        if r not in s.mine or head in s.mine[r]: return False
        if s.deaf: return True
        if r == s.id: s.cut(); s.begin()
        if r in s.run.forks: s.proofs.add(r)
        return r in s.run.forks

    def advance(s):
        moved = True
        while moved:
            moved = s.settle()
            for cs in list(s.waiting):
                n = s.told.limit(cs.origin)
                if s.covers((cs.origin, cs.last)) or n is not None and cs.last > n: s.waiting.remove(cs)
                elif s.version.get(cs.origin, 0) + 1 == cs.first and all(map(s.met, [*cs.deps.items(), *cs.removes])):
                    s.waiting.remove(cs)
                    if s.chain.get(cs.origin) is not cs.prev: s.proofs.add(cs.origin); continue
                    for d in cs.removes: s.live.pop(d, None)
                    for q, e in cs.puts.items(): s.live[(cs.origin, q)] = e
                    s.accept(cs); s.fresh.append(cs); moved = True

    # -- end records ---------------------------------------------------------------------------------------------------
    def learn(s, limits):
        if not s.deaf: s.told.join(limits); s.advance()

    def tail(s, r, n):
        """What the changesets past n removed, and their dependencies; None where the log can't tell of all that came of them."""
        removed, deps, need = set(), {}, n + 1
        if s.pure.get(r, 0) > n and BUG != 'impure': return None
        for cs in s.log.get(r, []):
            if cs.last < need: continue
            if cs.first != need and BUG != 'partial': return None
            removed |= cs.removes; need = cs.last + 1
            for o, q in cs.deps.items(): deps[o] = max(q, deps.get(o, 0))
        if need <= s.held(r) and BUG != 'partial': return None
        return {d for d in removed if d[0] != r or d[1] <= n}, deps

    def due(s):
        """Which known records can take effect: those of replicas of which all up to n is held."""
        out = {}
        for r in {*s.told.bound, *(r for r in s.origins() if r[0] in s.told.banned)}:
            n, now = s.told.limit(r), s.limit(r)
            if (now is None or now > n) and (s.held(r) >= n or BUG == 'unheld'): out[r] = n
        return out

    def renew(s):
        """A running life that a known record ends is written to no more. The window is cut first, so that it is in the tail."""
        if s.told.limit(s.id) is not None and s.key_ not in s.told.banned and BUG != 'goeson':
            s.cut(); s.renewed = s.id; s.begin()

    def settle(s, compared=None):
        """In one step: records take effect, and this node takes a dot for what tails removed. `compared`, of a node that may not
        serve diffs, has what a keeper's state shows beside its own: then no log is needed."""
        due, named, deps, again, barrier, mark = s.due(), set(compared or ()), {}, [], False, False
        if due and BUG == 'discard':
            for q, _, _ in s.window: s.live.pop((s.id, q), None)
            s.window = []
        if due or s.told.limit(s.id) is not None: s.cut(); s.renew(); due = s.due()
        for r, n in sorted(due.items()):
            if s.held(r) > n and compared is None and BUG != 'norepair':
                tail = s.tail(r, n)
                if tail: named |= tail[0]; deps.update({o: max(q, deps.get(o, 0)) for o, q in tail[1].items()})
                elif s.keeper or BUG == 'nkbarrier': barrier = True
                else: del due[r]; continue                                  # waits for a keeper's state
            if s.heads.get(r, 0) > n: deps[r] = s.heads.pop(r); mark = True   # my next dot keeps what it covered in my past
            again += s.effect(r, n)
        for key in s.told.banned - s.banned:
            if not any(r[0] == key and s.limit(r) is None for r in [*s.told.bound, *s.version]): s.ban({key})
        first = s.version.get(s.id, 0) + 1
        if named or again or mark and not barrier: s.emit(dict(enumerate(again, first)), named, len(again) + 1, deps=deps)
        if barrier: s.emit({}, {(r, q) for r in s.origins() for q in range(1, s.held(r) + 1)} - {*s.live}, 1, barrier=True, deps=deps)
        return bool(due)

    def ban(s, keys):
        s.banned |= keys
        s.bound = {r: n for r, n in s.bound.items() if n or r[0] not in s.banned}

    def effect(s, r, n):
        """Cover the replica for ever and drop its entries past n. Returns the entries that this node has to write again."""
        gone = [s.live.pop(d) for d in sorted(s.live) if d[0] == r and d[1] > n]
        s.version.pop(r, None); s.chain.pop(r, None)
        s.bound[r] = n
        s.ban(set())
        s.log[r] = [cs for cs in s.log.get(r, []) if cs.last <= n]
        ours = r[0] == s.key_ and s.key_ not in s.told.banned and BUG != 'noreissue'
        return gone if ours and (BUG != 'oldlives' or s.renewed == r) else []

    # -- logs and state diffs ------------------------------------------------------------------------------------------
    def pull(s, past):
        """What a peer lacks, out of the log, and whether that is all of it."""
        out, whole = [], True
        for o in s.origins():
            need, top = past.held(o) + 1, s.held(o)
            if past.limit(o) is not None: continue
            for cs in s.log.get(o, []):
                if cs.first == need: out.append(cs); need = cs.last + 1
            whole = whole and need > top
        return out, whole

    def pin(s): s.cut(); return Pin(s)

    def refuses(s, pinned, chain):
        """A diff is void where its answerer covers dots past a limit that I know, or has a head of a life of mine that I did not make."""
        for r in pinned.origins():
            n = s.told.limit(r)
            if n is not None and pinned.held(r) > n and BUG not in ('novoid', 'noexchange'): return True
            if pinned.limit(r) is None and BUG != 'ownheads' and s.twin(r, chain.get(r)): return True
        return s.forked(pinned, chain) or s.deaf and not s.told.has(pinned)

    def forked(s, past, chain):
        """Two heads of one seq that differ prove equivocation. Known here: the top, and what the log has."""
        for r, q in past.version.items():
            known = [cs for cs in [s.chain.get(r), *s.log.get(r, [])] if cs and cs.last == q and s.limit(r) is None]
            if known and known[0] is not chain[r]: s.proofs.add(r); return True
        return False

    def apply(s, diff, pinned):
        theirs, entries, removed, extra = diff
        if s.refuses(theirs, theirs.chain): return
        s.run.look(s, theirs)
        if BUG != 'difffirst': s.learn(theirs)          # those of which I hold all up to n take effect before the diff
        before = s.past()
        if s.due(): s.settle(s.compare(diff, pinned)) if BUG != 'takewhole' else s.take(theirs)
        for d in removed: s.live.pop(d, None)
        for d in [d for d in s.live if not pinned.covers(d) and theirs.covers(d) and d not in entries]: del s.live[d]
        s.live.update({d: e for d, e in entries.items() if not s.covers(d)})
        heads = {r: q for r, q in s.heads.items() if not theirs.covers((r, q)) or theirs.heads.get(r) == q}
        for r, q in theirs.heads.items():
            if not before.covers((r, q)) or s.heads.get(r) == q: heads[r] = q
        s.heads = heads
        for r in theirs.origins():
            n, top = theirs.limit(r), theirs.held(r)
            s.pure[r] = max(top, s.pure.get(r, 0))
            if top > s.held(r) and s.limit(r) is None: s.log[r] = []; s.version[r] = top; s.chain[r] = theirs.chain.get(r)
            if n is not None and s.limit(r) is None: s.effect(r, n)
        s.ban(theirs.banned)
        s.learn(theirs)

    def compare(s, diff, pinned):
        """The dots that are dead here and, as far as this diff shows, not there: covered there and live, or not covered there."""
        theirs, entries, removed, extra = diff
        there = {d for d in pinned.live if theirs.covers(d)} - {*removed} | {*extra} | {d for d in entries if s.covers(d)}
        only = {(r, q) for r in s.origins() for q in range(1, s.held(r) + 1) if not theirs.covers((r, q))}
        return (there | only) - {*s.live}

    def take(s, theirs):
        own = [cs for r in sorted(s.mine) for cs in s.log.get(r, [])]
        s.version, s.bound, s.banned, s.live = dict(theirs.version), dict(theirs.bound), {*theirs.banned}, dict(theirs.live)
        s.heads, s.chain, s.log, s.pure = dict(theirs.heads), dict(theirs.chain), {}, {r: theirs.held(r) for r in theirs.origins()}
        s.begin()
        for cs in own: s.receive(cs)


def difference(mine, theirs):
    """What the owner of `mine` answers to a peer pinned at `theirs`. The last part tells the peer what it holds dead and lives here."""
    return (mine, {d: e for d, e in mine.live.items() if not theirs.covers(d)}, {d for d in theirs.live if mine.covers(d)} - {*mine.live},
            {d for d in mine.live if theirs.covers(d)} - {*theirs.live})


# -- one random run ----------------------------------------------------------------------------------------------------------
class Run:
    def __init__(s, seed):
        s.seed, s.g, s.count = seed, random.Random(seed), 0
        s.history, s.children, s.forks, s.wire, s.error = [], {}, {}, [], None
        s.acknowledged, s.dot, s.removed, s.liars, s.mixed = {}, {}, set(), set(), set()
        n, g = s.g.randint(2, 6), s.g
        shape = g.choice(['mesh', 'path', 'tree'])
        s.links = {i: set() for i in range(n)}
        for i in range(1, n):
            for j in range(i) if shape == 'mesh' else [i - 1] if shape == 'path' else [g.randrange(i)]: s.link(i, j)
        keepers = {g.randrange(n)} | {i for i in range(n) if g.random() < .6}
        s.R = {i: Replica(s, i, i in keepers, i == 0 or g.random() < .3) for i in range(n)}
        s.busy = g.choice([(.5, 0, 0), (.5, .5, 0), (.5, .5, .5), (0, 0, 1), (1, 0, 0)])   # how often: ended by mistake, revoked, cloned

    def next(s): s.count += 1; return s.count
    def link(s, i, j): s.links[i].add(j); s.links[j].add(i)
    def honest(s): return [r for r in s.R.values() if not r.deaf]
    def index(s, r): return next(i for i, x in s.R.items() if x is r)

    def note(s, cs):
        s.history.append(cs)
        twins = s.children.setdefault((cs.origin, cs.prev), [])
        twins.append(cs)
        if len(twins) > 1 and cs.first - 1 < s.forks.get(cs.origin, (10 ** 9,))[0]: s.forks[cs.origin] = (cs.first - 1, cs.prev)

    def implied(s, r):
        """What the version of this replica implies; None where it covers what is beyond a fork that no record in effect cuts off."""
        if any(r.held(o) > at for o, (at, _) in s.forks.items()): return None
        held = {o: r.held(o) for o in r.origins()}
        live, dead = {}, set()
        for cs in s.history:
            if cs.last > held.get(cs.origin, 0): continue
            dead |= cs.removes
            for q, e in cs.puts.items(): live[(cs.origin, q)] = e
        live = {d: e for d, e in live.items() if d not in dead}
        for seq, e, gone in r.window:
            for d in gone: live.pop(d, None)
            if e: live[(r.id, seq)] = e
        return live

    def check(s):
        for i, r in s.R.items():
            live = s.implied(r)
            if live is not None and live != r.live:
                return f'node {i} {r.id} at {r.key()}: extra { {d: e for d, e in r.live.items() if d not in live} }, lacks { {d: e for d, e in live.items() if d not in r.live} }'
            if any(r.limit(o) is not None and q > r.limit(o) for o, q in r.live): return f'node {i}: an entry past n is live'

    # -- what nodes do -------------------------------------------------------------------------------------------------
    def flush(s, push=.6, relay=.5):
        """What nodes made or applied travels on along links; who has a proof may tell of it."""
        for i, r in list(s.R.items()):
            for cs in r.out + r.fresh:
                for j in sorted(s.links[i]):
                    if s.g.random() < (push if cs in r.out else relay): s.wire.append((j, 'changeset', cs))
            r.out, r.fresh = [], []
            for o in sorted(r.proofs):
                if o in r.mine or s.g.random() < .3: s.prove(r, o)
            r.proofs = set()

    def prove(s, r, o):
        at = s.forks[o][1]
        while at and (at.last > r.held(o) or s.g.random() < .3): at = at.prev
        n = at.last if at else 0
        if not r.deaf and (r.told.limit(o) is None or r.told.limit(o) > n): s.issue(r, Limits({o: n}))

    def issue(s, r, record):
        r.learn(record); r.cut(); r.emit({}, set(), 1, record)

    def ask(s, i, j):
        if i != j and s.R[j].keeper and not s.refuse(s.R[i], s.R[j]):
            s.wire.append((j, 'hello', (s.R[i], i, Limits(s.R[i].told.bound, s.R[i].told.banned), s.R[i].pin())))

    def refuse(s, a, b): return any(y.deaf and x.told.limit(y.id) is not None for x, y in ((a, b), (b, a)))

    def deliver(s):
        w = s.g.randrange(len(s.wire))
        to, kind, p = s.wire[w]
        if s.g.random() < .8: s.wire.pop(w)             # else it comes again
        me = s.R.get(to)
        if me is None: return
        if kind == 'changeset': return me.receive(p)
        peer, i, told, pinned = p[:4]
        if s.R.get(i) is not peer or s.refuse(me, peer): return
        if kind == 'hello':
            if me.forked(pinned, pinned.chain): return
            if BUG != 'noexchange':
                me.learn(told)
                if not told.has(me.told): s.wire.append((i, 'again', (me, to, Limits(me.told.bound, me.told.banned), None))); return
            s.wire.append((i, 'answer', (me, to, pinned, me.pin(), peer)))
        elif kind == 'again': me.learn(told); s.ask(to, i)
        elif kind == 'answer' and p[4] is me:
            me.apply(difference(p[3], p[2]), p[2])
            if me.keeper: s.wire.append((i, 'finish', (me, to, p[2], p[3], peer)))
        elif kind == 'finish' and p[4] is me: me.apply(difference(p[2], p[3]), p[3])

    def crash(s, i, disk):
        old = s.R[i]
        if disk: old.cut()
        else: s.forget(old)
        new = s.R[i] = Replica(s, old.key_, old.keeper, old.admin)
        new.deaf = old.deaf
        if disk: s.copy(old, new); s.forward(old, new)

    def copy(s, old, new):
        for name in 'version', 'bound', 'live', 'heads', 'chain', 'pure': setattr(new, name, dict(getattr(old, name)))
        new.banned, new.told, new.waiting = {*old.banned}, Limits(old.told.bound, old.told.banned), list(old.waiting)
        new.log = {o: list(log) for o, log in old.log.items()}
        new.mine.update({r: {*heads} for r, heads in old.mine.items()})

    def forget(s, r): s.acknowledged = {t: who for t, who in s.acknowledged.items() if who is not r}
    def forward(s, old, new): s.acknowledged = {t: new if who is old else who for t, who in s.acknowledged.items()}

    def clone(s, i):
        """A disk or a machine is copied while it runs, and both go on in one life; or a key is in a liar's hands."""
        old, j = s.R[i], max(s.links) + 1
        old.cut()
        new = s.R[j] = Replica(s, old.key_, old.keeper, False)
        s.copy(old, new); new.id, new.deaf = old.id, old.deaf
        s.links[j] = set()
        for k in s.g.sample(sorted(s.R), min(2, len(s.R))):
            if k != j: s.link(j, k)
        if s.g.random() < .5 and not old.admin and s.enough(old.key_): s.deafen(old.key_)

    def deafen(s, key):
        for r in s.R.values():
            if r.key_ == key: r.deaf = True
        s.liars.add(key)

    def enough(s, key=None, index=None):
        """Whether two honest nodes, a keeper among them, are left without this one."""
        rest = [r for i, r in s.R.items() if i != index and r.key_ != key and not r.deaf]
        return len(rest) >= 2 and any(r.keeper for r in rest)

    def die(s, i):
        s.forget(s.R.pop(i))
        near = sorted(j for j in s.links.pop(i))
        for j in near: s.links[j].discard(i)
        for j, k in zip(near, near[1:]): s.link(j, k)

    def step(s):
        g, k = s.g, s.g.random()
        i = g.choice(sorted(s.R)); r = s.R[i]
        near = sorted(s.links[i])
        if k < .26: r.write([x for x in 'xyz' if g.random() < .35], [x for x in 'xyz' if g.random() < .15])
        elif k < .36: r.cut()
        elif k < .66:
            if s.wire: s.deliver()
        elif k < .74 and near:
            peer = s.R[g.choice(near)]
            if s.refuse(r, peer): return
            got = peer.pull(r)[0]
            g.shuffle(got)
            for cs in got[:g.randint(0, len(got))]: r.receive(cs)
        elif k < .84 and near: s.ask(i, g.choice(near))
        elif k < .87: s.trim(r)
        elif k < .90: s.crash(i, g.random() < .6)
        elif k < .915: s.enough(index=i) and s.die(i)
        elif k < .945 and g.random() < s.busy[0]: s.mistake()
        elif k < .975 and g.random() < s.busy[1]: s.revoke()
        elif k < .985 and g.random() < s.busy[2] and len(s.R) < 7: s.clone(i)

    def trim(s, r):
        """A node that may not serve diffs keeps what some keeper has not."""
        if not r.version: return
        o = s.g.choice(sorted(r.version))
        log = r.log.get(o, [])
        keep = s.g.randint(0, len(log))
        safe = min(k.held(o) for k in s.honest() if k.keeper) if not r.keeper else 10 ** 9
        r.log[o] = [cs for at, cs in enumerate(log) if at >= keep or cs.last > safe]

    def mistake(s):
        admins = [r for r in s.honest() if r.admin]
        if not admins: return
        r = s.g.choice(admins)
        known = [o for o in r.origins() if r.told.limit(o) is None]
        if known: o = s.g.choice(known); s.issue(r, Limits({o: r.held(o)}))

    def revoke(s):
        admins, keys = [r for r in s.honest() if r.admin], {r.key_ for r in s.R.values() if not r.admin}
        keys -= {r.key_ for r in s.R.values() if r.admin}
        keys = sorted(k for k in keys if s.enough(k))
        if not admins or not keys: return
        key = s.g.choice([k for k in keys if k in s.liars] or keys)
        s.deafen(key)
        for r in s.g.sample(admins, s.g.randint(1, min(2, len(admins)))):
            s.issue(r, Limits({o: r.held(o) for o in r.origins() if o[0] == key and r.held(o)}, {key}))

    # -- the end -------------------------------------------------------------------------------------------------------
    def sync(s, a, b):
        if BUG != 'noexchange': b.learn(a.told); a.learn(b.told)
        got, whole = b.pull(a)
        for cs in got: a.receive(cs)
        if whole and not a.due() and s.g.random() < .8: return
        keepers = [k for k in s.honest() if k.keeper and k is not a]
        if not b.keeper: b = s.g.choice(keepers) if keepers else None
        if not b: return
        if BUG != 'noexchange': b.learn(a.told); a.learn(b.told)
        mine, theirs = b.pin(), a.pin()
        a.apply(difference(mine, theirs), theirs)
        if a.keeper and s.g.random() < .7: b.apply(difference(theirs, mine), mine)

    def promote(s):
        """Keepers died, and what they gave to a node that may not serve it is nowhere else: it must become a keeper."""
        for b in s.honest():
            for o in b.origins():
                best = max([k.held(o) for k in s.honest() if k.keeper], default=0)
                if not b.keeper and b.held(o) > best and not any(cs.barrier for cs in b.mine.get(o, ())) and not any(cs.first == best + 1 for cs in b.log.get(o, [])):
                    b.keeper = True; b.cut(); b.begin(); b.advance(); return

    def equal(s):
        a, *rest = s.honest()
        return all(b.key() == a.key() and b.told.key() == a.told.key() for b in rest)

    def run(s):
        for _ in range(s.g.randint(5, 90)):
            s.step(); s.flush()
            e = s.check()
            if e: return e
        for i in [i for i, r in s.R.items() if r.deaf]: s.die(i)
        for r in s.R.values(): r.cut()
        for turn in range(60):
            for o, (at, _) in sorted(s.forks.items()):  # the latest moment at which the proof is found
                if turn % 8 == 0 and all(r.told.limit(o) is None or r.told.limit(o) > at for r in s.honest()):
                    for r in s.g.sample(s.honest(), min(2, len(s.honest()))): s.prove(r, o)
            for i in s.g.sample(sorted(s.R), len(s.R)):
                for j in s.g.sample(sorted(s.links[i]), len(s.links[i])): s.sync(s.R[i], s.R[j])
            s.flush(0, 0)
            e = s.check()
            if e: return 'healing: ' + e
            if turn % 8 and s.equal(): break
            if turn > 12: s.promote()
        return s.judge()

    def look(s, r, theirs):
        """Notes where a node joins states of two branches of somebody else's life, and nothing it has shows the fork."""
        for o in s.forks:
            if o in r.mine or o not in r.version or o not in theirs.version: continue
            low, high = sorted([r.chain[o], theirs.chain[o]], key=lambda cs: cs.last)
            while high and high.last > low.last: high = high.prev
            if high is not low: s.mixed.add(o)

    def ambiguous(s, d):
        """A dot of a clone that means another entry elsewhere, and that somebody who can't tell them apart may have meant so."""
        return d[0] in s.forks and d[1] > s.forks[d[0]][0] and (d[0] in s.mixed or any(d in cs.removes for cs in s.history))

    def judge(s):
        a, *rest = s.honest()
        for b in rest:
            if b.key() != a.key() or b.told.key() != a.told.key(): return f'versions differ after the heal: {a.key()} {a.told.key()} against {b.key()} {b.told.key()}'
            if b.live != a.live: return f'{a.live} against {b.live}'
        if any(a.told.limit(o) is not None and q > a.told.limit(o) for o, q in a.live): return 'an entry past n is live'
        lost = {t for t, who in s.acknowledged.items() if who.key_ not in s.liars} - s.removed - {t for _, t in a.live.values()}
        lost = {t for t in lost if not s.ambiguous(s.dot[t])}
        if lost: return f'acknowledged and lost: {lost}'


if __name__ == '__main__':
    args = sys.argv[1:]
    first = '--first' in args
    args = [a for a in args if a != '--first']
    if '--bug' in args:
        at = args.index('--bug'); BUG = args[at + 1]; del args[at:at + 2]
        if BUG not in BUGS: sys.exit('bugs: ' + ', '.join(BUGS))
    runs, base = int(args[0]), int(args[1]) if len(args) > 1 else 0
    bad, done = [], 0
    for seed in range(base, base + runs):
        e = Run(seed).run()
        done += 1
        if e: bad.append(f'seed {seed}: {e}')
        if bad and first: break
    print(f'{done} runs, {len(bad)} failed' + (f' with the bug: {BUGS[BUG]}' if BUG else ''))
    for e in bad[:3]: print('  ' + e[:600])
