"""What a node does so that a replica can be ended (docs/decisions/0050-end-records.md has it in words): the rules 1 to 7 as in
any model of them (contiguous versions, flush windows, causal heads, trimmed logs, state diffs between pinned states), and the
records that end replicas. ends.py lets nodes of this kind live through random schedules.

A *record* says of replicas that they end at n. It is *known* where it was heard of, and *in effect* where all up to n is held.
Entries past n, and the changesets that brought them, are the *tail*."""

BUGS = {
    'norepair':   'who had applied the tail takes no dot for what it removed',
    'partial':    'a repair is made though the log has only a part of the tail',
    'impure':     'a log counts as whole though a diff may have brought what another branch of the tail removed',
    'highest':    'of two end records the higher n wins',
    'unheld':     'a record takes effect where not all up to n is held (its issuer makes it depend on nothing)',
    'unmet':      'dependencies on dots past n are not counted as met',
    'discard':    'the open window is discarded when a record takes effect',
    'noexchange': 'sessions do not exchange records before they pin, and diffs are applied all the same',
    'novoid':     'a diff is applied though its answerer covers dots past an n that became known meanwhile',
    'nkbarrier':  'a node that may not serve diffs takes a barrier',
    'takewhole':  "such a node takes a keeper's state whole and re-applies its own changesets (as the rule was first written)",
    'narrow':     "such a node's repair does not name what it knows dead and the keeper has not seen",
    'goeson':     'a node whose running life was ended goes on writing in it',
    'noreissue':  'it starts a new life, and does not write again what the end took away',
    'oldlives':   'it writes again what the end took from its running life, not from its earlier ones',
    'nohead':     'records do not carry the head at n',
    'otherhead':  'a record takes effect at a node that knows another head at n',
    'ownheads':   'a node does not look at the heads of its own lives before it applies a diff',
}
BUG = None


class Limits:
    """replica -> n, and the keys that are revoked: of those a replica without an n has 0. Joined pointwise, the lowest wins.
    at: (replica, n) -> the head at n, which a record carries."""
    def __init__(s, bound=(), banned=(), at=()): s.bound, s.banned, s.at = dict(bound), set(banned), dict(at)
    def limit(s, r): return s.bound.get(r, 0 if r[0] in s.banned else None)
    def known(s): return Limits(s.bound, s.banned, s.at)
    def key(s): return s.bound, s.banned

    def join(s, o):
        both = {r: [n for n in (s.limit(r), o.limit(r)) if n is not None] for r in {*s.bound, *o.bound}}
        s.bound = {r: (max if BUG == 'highest' else min)(ns) for r, ns in both.items()}
        if BUG != 'nohead': s.at = {**o.at, **s.at}
        s.ban(o.banned)

    def ban(s, keys):
        s.banned |= {*keys}
        s.bound = {r: n for r, n in s.bound.items() if n or r[0] not in s.banned}

    def has(s, o):
        both = s.known(); both.join(o)
        return both.key() == s.key()


class Past(Limits):
    """A version: the limits in effect, and replica -> highest seq of those without. All dots of an ended replica are covered."""
    def __init__(s, version=(), bound=(), banned=()): super().__init__(bound, banned); s.version = dict(version)
    def covers(s, d): return s.limit(d[0]) is not None or d[1] <= s.version.get(d[0], 0)
    def held(s, r): return s.version.get(r, 0) if s.limit(r) is None else s.limit(r)
    def origins(s): return sorted({*s.version, *s.bound})
    def key(s): return s.version, s.bound, s.banned
    def past(s): return Past(s.version, s.bound, s.banned)


class Pin(Past):
    """The state of one instant. chain: replica -> head, which is the last changeset itself."""
    def __init__(s, r):
        super().__init__(*r.key())
        s.live, s.heads, s.chain, s.branch = dict(r.live), dict(r.heads), dict(r.chain), dict(r.branch)


class Changeset:
    """It stands for its head too, the hash over its origin's chain; prev is the one before."""
    def __init__(s, origin, first, count, prev, deps, puts, removes, record=None, barrier=False):
        s.origin, s.first, s.last, s.prev, s.deps, s.puts, s.removes = origin, first, first + count - 1, prev, deps, puts, removes
        s.record, s.barrier = record, barrier


class Replica(Past):
    def __init__(s, run, node, keeper, admin):
        super().__init__()
        s.run, s.node, s.keeper, s.admin = run, node, keeper, admin
        s.deaf = False                                  # a liar, or revoked: hears of no record
        s.told = Limits()                               # the records known; those in effect are in the version
        s.live, s.log, s.waiting, s.window, s.heads, s.chain = {}, {}, [], [], {}, {}
        s.mixed = {}                                    # replica -> how far diffs brought what they knew of it
        s.branch = {}                                   # as chain, and never forgotten: for the model's eyes only
        s.mine, s.left = {}, None                       # each life of this node -> the heads it made; the one it left last
        s.proofs, s.out, s.fresh = set(), [], []        # whose equivocation it saw; what it made, and applied, since it last sent
        s.begin()

    def begin(s): s.id = (s.node, s.run.next()); s.mine[s.id] = set()

    # -- writing -------------------------------------------------------------------------------------------------------
    def write(s, puts, drops):
        """One transaction into the open window. Each operation takes a dot and names the observed dots it removes."""
        seq = s.version.get(s.id, 0) + len(s.window) + 1
        for slot, token in [(x, s.run.next()) for x in puts] + [(x, None) for x in drops]:
            gone = {d: e for d, e in s.live.items() if e[0] == slot}
            for d in gone: del s.live[d]
            if token: s.live[(s.id, seq)] = (slot, token); s.run.acknowledge(s, token, (s.id, seq))
            s.window.append((seq, token and (slot, token), gone)); seq += 1

    def cut(s):
        """Close the window: one changeset, superseded puts dropped, every removal kept."""
        if not s.window: return
        window, s.window = s.window, []
        gone = {d: e for _, _, g in window for d, e in g.items()}
        s.run.removed |= {token for _, token in gone.values()}
        s.emit({q: e for q, e, _ in window if e and (s.id, q) not in gone}, {*gone} - {(s.id, q) for q, _, _ in window}, len(window))

    def emit(s, puts, removes, count, record=None, barrier=False, deps=()):
        first = s.version.get(s.id, 0) + 1
        for q, e in puts.items(): s.live[(s.id, q)] = e
        cs = Changeset(s.id, first, count, s.chain.get(s.id), {**dict(deps), **s.heads}, puts, removes, record, barrier)
        s.mine[s.id].add(cs); s.out.append(cs); s.run.note(cs)
        s.accept(cs)

    # -- applying ------------------------------------------------------------------------------------------------------
    def accept(s, cs):
        s.version[cs.origin] = cs.last
        s.chain[cs.origin] = s.branch[cs.origin] = cs
        if not cs.barrier: s.log.setdefault(cs.origin, []).append(cs)       # a barrier is a gap in every log
        s.heads = {r: q for r, q in s.heads.items() if cs.deps.get(r, 0) < q}
        s.heads[cs.origin] = cs.last
        if cs.record and not s.deaf: s.hear(cs.record)

    def past_end(s, cs): return s.told.limit(cs.origin) is not None and cs.last > s.told.limit(cs.origin)
    def met(s, d): return s.covers(d) and (BUG != 'unmet' or d[1] <= s.held(d[0]))

    def receive(s, cs):
        o = cs.origin
        if s.covers((o, cs.last)) or s.past_end(cs):
            if any(k.first == cs.first and k is not cs for k in s.log.get(o, [])): s.proofs.add(o)
        elif not s.twin(o, cs) and cs not in s.waiting: s.waiting.append(cs); s.advance()

    def advance(s):
        moved = True
        while moved:
            moved = s.settle()
            for cs in list(s.waiting):
                if s.covers((cs.origin, cs.last)) or s.past_end(cs): s.waiting.remove(cs)
                elif s.version.get(cs.origin, 0) + 1 == cs.first and all(map(s.met, [*cs.deps.items(), *cs.removes])):
                    s.waiting.remove(cs)
                    if s.chain.get(cs.origin) is not cs.prev: s.proofs.add(cs.origin); continue
                    for d in cs.removes: s.live.pop(d, None)
                    for q, e in cs.puts.items(): s.live[(cs.origin, q)] = e
                    s.accept(cs); s.fresh.append(cs); moved = True

    # -- proofs --------------------------------------------------------------------------------------------------------
    def twin(s, r, head):
        """Whether this is a head of a life of mine that I did not make, beside one that I did. Somebody goes on in my life: I
        leave it. (Whether both wrote, the model looks up; a node asks the peer for the head at its own top.)"""
        if r not in s.mine or head in s.mine[r]: return False
        if s.deaf: return True
        if r == s.id: s.cut(); s.left = s.id; s.begin()
        if r in s.run.forks: s.proofs.add(r)
        return r in s.run.forks

    def forked(s, past, chain):
        """Two heads of one seq that differ prove equivocation. What is known here: the top, and what the log has."""
        for r in past.origins():
            if s.differs(r, chain.get(r)): s.proofs.add(r); return True
        return False

    def unmade(s, r, head):
        """Whether this is a head of a life of mine, of seqs that I wrote, that I did not make."""
        return r in s.mine and head not in s.mine[r] and head.first <= max((cs.last for cs in s.mine[r]), default=0)

    def differs(s, r, head):
        known = [cs for cs in [s.chain.get(r), *s.log.get(r, [])] if head and cs and cs.last == head.last]
        return bool(known) and known[0] is not head

    # -- end records ---------------------------------------------------------------------------------------------------
    def learn(s, limits):
        if not s.deaf: s.hear(limits); s.advance()

    def hear(s, limits):
        for (r, n), head in limits.at.items() if BUG != 'nohead' else ():
            if s.twin(r, head) or s.differs(r, head) or s.told.at.get((r, n), head) is not head: s.proofs.add(r)
        s.told.join(limits)

    def due(s):
        """The known records that can take effect: of replicas of which all up to n is held, and not of another branch."""
        out = {}
        for r in {*s.told.bound, *(r for r in s.origins() if r[0] in s.told.banned)}:
            n, now = s.told.limit(r), s.limit(r)
            head = s.told.at.get((r, n))
            if head and (s.differs(r, head) or s.unmade(r, head)) and BUG != 'otherhead': continue
            if (now is None or now > n) and (s.held(r) >= n or BUG == 'unheld'): out[r] = n
        return out

    def tail(s, r, n):
        """What the changesets past n removed, and their dependencies; None where the log can't tell all that came of them."""
        removed, deps, need = set(), {}, n + 1
        if s.mixed.get(r, 0) > n and BUG != 'impure': return None
        for cs in s.log.get(r, []):
            if cs.last < need: continue
            if cs.first != need and BUG != 'partial': return None
            removed |= cs.removes; need = cs.last + 1
            raise_to(deps, cs.deps)
        if need <= s.held(r) and BUG != 'partial': return None
        return {d for d in removed if d[0] != r or d[1] <= n}, deps

    def settle(s, compared=None):
        """In one step: records take effect, and a dot of this node is taken for what tails had removed. `compared` are the dots
        that a node which may not serve diffs found by comparing itself with a keeper; then no log is needed."""
        if s.told.limit(s.id) is not None and s.node not in s.told.banned and BUG != 'goeson': s.cut(); s.left = s.id; s.begin()
        due, named, deps, again, barrier, mark = s.due(), set(compared or ()), {}, [], False, False
        if due and BUG == 'discard':
            for q, _, _ in s.window: s.live.pop((s.id, q), None)
            s.window = []
        if due: s.cut()
        for r, n in sorted(due.items()):
            if s.held(r) > n and compared is None and BUG != 'norepair':
                tail = s.tail(r, n)
                if tail: named |= tail[0]; raise_to(deps, tail[1])
                elif s.keeper or BUG == 'nkbarrier': barrier = True
                else: del due[r]; s.run.saw('waited for a keeper'); continue
            if s.heads.get(r, 0) > n: deps[r] = s.heads.pop(r); mark = True # what it covered stays in the past of my next dot
            s.run.saw('lowered' if s.limit(r) is not None else 'tail' if s.held(r) > n else 'no tail')
            again += s.effect(r, n)
        for node in s.told.banned - s.banned:
            if not any(r[0] == node and s.limit(r) is None for r in [*s.told.bound, *s.version]): s.ban({node})
        first = s.version.get(s.id, 0) + 1
        if named or again or mark and not barrier: s.emit(dict(enumerate(again, first)), named, len(again) + 1, deps=deps)
        if barrier: s.emit({}, {(r, q) for r in s.origins() for q in range(1, s.held(r) + 1)} - {*s.live}, 1, barrier=True, deps=deps)
        for seen, what in (barrier, 'barrier'), (named and compared is None, 'repair'), (compared is not None, 'comparison'), (again, 'written again'):
            if seen: s.run.saw(what)
        return bool(due)

    def effect(s, r, n):
        """Cover the replica for ever and drop its entries past n. Returns those that this node has to write again."""
        gone = [s.live.pop(d) for d in sorted(s.live) if d[0] == r and d[1] > n]
        s.version.pop(r, None); s.chain.pop(r, None)
        if (r, n) in s.told.at: s.chain[r] = s.told.at[(r, n)]
        s.bound[r] = n
        s.ban(())
        s.log[r] = [cs for cs in s.log.get(r, []) if cs.last <= n]          # what is up to n, others may still need
        ours = r[0] == s.node and s.node not in s.told.banned and BUG != 'noreissue'
        return gone if ours and (BUG != 'oldlives' or r == s.left) else []

    # -- logs and state diffs ------------------------------------------------------------------------------------------
    def pull(s, past):
        """What a peer lacks, out of the log, and whether that is all of it."""
        out, whole = [], True
        for o in s.origins():
            need = past.held(o) + 1
            if past.limit(o) is not None: continue
            for cs in s.log.get(o, []):
                if cs.first == need: out.append(cs); need = cs.last + 1
            whole = whole and need > s.held(o)
        return out, whole

    def pin(s): s.cut(); return Pin(s)

    def refuses(s, theirs):
        """A diff is void where its answerer covers dots past an n that I know, where it knew of a record that I don't, or where a
        head shows that a replica, or a life of my own, is forked."""
        for r in theirs.origins():
            n = s.told.limit(r)
            if n is not None and theirs.held(r) > n and BUG not in ('novoid', 'noexchange'): return True
            if theirs.chain.get(r) and BUG != 'ownheads' and s.twin(r, theirs.chain[r]): return True
        return s.forked(theirs, theirs.chain) or not s.told.has(theirs) and BUG != 'noexchange'

    def apply(s, diff, pinned):
        theirs, entries, removed, _ = diff
        if s.refuses(theirs): s.run.saw('void'); return
        s.run.look(s, theirs)
        if s.due(): s.settle(s.compare(diff, pinned)) if BUG != 'takewhole' else s.take(theirs)
        before = s.past()
        for d in removed: s.live.pop(d, None)
        for d in [d for d in s.live if not pinned.covers(d) and theirs.covers(d) and d not in entries]: del s.live[d]
        s.live.update({d: e for d, e in entries.items() if not s.covers(d)})
        heads = {r: q for r, q in s.heads.items() if not theirs.covers((r, q)) or theirs.heads.get(r) == q}
        heads.update({r: q for r, q in theirs.heads.items() if not before.covers((r, q)) or s.heads.get(r) == q})
        s.heads = heads
        for r in theirs.origins():
            s.mixed[r] = max(theirs.held(r), s.mixed.get(r, 0))
            if s.limit(r) is not None: continue
            if theirs.held(r) > s.held(r): s.log[r] = []; s.version[r] = theirs.held(r); s.chain[r] = theirs.chain.get(r); s.branch[r] = theirs.branch.get(r)
            if theirs.limit(r) is not None: s.effect(r, theirs.limit(r))
        s.ban(theirs.banned)
        s.advance()

    def compare(s, diff, pinned):
        """The dots that are dead here and, as far as the diff shows, not there: covered and live there, or not covered there."""
        theirs, entries, removed, alive = diff
        there = {d for d in pinned.live if theirs.covers(d)} - {*removed} | {*alive} | {d for d in entries if s.covers(d)}
        only = {(r, q) for r in s.origins() for q in range(1, s.held(r) + 1) if not theirs.covers((r, q))}
        return (there if BUG == 'narrow' else there | only) - {*s.live}

    def take(s, theirs):
        own = [cs for r in sorted(s.mine) for cs in s.log.get(r, [])]
        s.version, s.bound, s.banned, s.live = dict(theirs.version), dict(theirs.bound), {*theirs.banned}, dict(theirs.live)
        s.heads, s.chain, s.log = dict(theirs.heads), dict(theirs.chain), {}
        s.begin()
        for cs in own: s.receive(cs)


def raise_to(seqs, more):
    for r, q in more.items(): seqs[r] = max(q, seqs.get(r, 0))


def difference(mine, theirs):
    """What the owner of `mine` answers to a peer pinned at `theirs`: entries outside its version, its dots that are dead here,
    and the dots of its version that live here and not there (a comparison of two sets tells of both sides)."""
    return (mine, {d: e for d, e in mine.live.items() if not theirs.covers(d)}, {d for d in theirs.live if mine.covers(d)} - {*mine.live},
            {d for d in mine.live if theirs.covers(d)} - {*theirs.live})
