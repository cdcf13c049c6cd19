#!/usr/bin/env python3
"""End records as a model: what it takes that a replica can be ended, at any n and by several nodes at once, without making others
diverge and without losing what honest nodes wrote. docs/decisions/0050-end-records.md says the rules in words, ends_rules.py has them.

    ends.py RUNS [SEED] [--bug NAME] [--first]      NAME is one of BUGS: leaving that clause out makes runs fail; --first stops there

A run is a random schedule over 2 to 6 nodes on a full mesh, a path or a tree: windows, pushes that are relayed, late and doubled
messages, pulls from trimmed logs, state diffs between states pinned on both sides, crashes with and without a disk, deaths; nodes
whose state diffs nobody takes; replicas that admins end by mistake, keys that are revoked, and lives that go on twice, as a liar's
or as an honest node's whose machine was copied. After each step every replica must hold exactly what its version implies, so that
equal versions mean equal live entries; no entry past an n in effect may live. Then whoever lives is healed; all must be equal, and
hold what an honest node that lives and is not revoked wrote and nobody removed."""
import collections, random, sys
import ends_rules as rules
from ends_rules import BUGS, Limits, Replica, difference

SEEN = collections.Counter()                            # what happened, and in how many runs


class Run:
    def __init__(s, seed, theme=None):
        g = s.g = random.Random(seed)
        n, shape = g.choice([2, 3, 3, 4, 4, 5, 6]), g.choice(['mesh', 'path', 'tree'])
        s.count, s.seen, s.wire, s.accused = 0, set(), [], None
        s.history, s.children, s.forks = [], {}, {}     # forks: replica -> the last seq and head that its branches share
        s.author, s.dot, s.removed, s.liars, s.mixed = {}, {}, set(), set(), set()
        s.links = {i: set() for i in range(n)}
        for i in range(1, n):
            for j in range(i) if shape == 'mesh' else [i - 1] if shape == 'path' else [g.randrange(i)]: s.link(i, j)
        few = g.choice([.2, .5, .9])
        keepers = {g.randrange(n)} | {i for i in range(n) if g.random() < few}
        s.R = {i: Replica(s, i, i in keepers, i == 0 or g.random() < .3) for i in range(n)}
        ends = theme or g.choice([(4, 0, 0), (0, 4, 0), (3, 3, 0), (0, 0, 8), (2, 1, 6), (2, 0, 0)])
        s.odds = ['write', 'cut', 'deliver', 'pull', 'diff', 'trim', 'crash', 'die', 'mistake', 'revoke', 'clone'], [22, 12, 26, 6, 10, 6, 2, 1, *ends]

    # -- what the model knows and no node does -------------------------------------------------------------------------
    def next(s): s.count += 1; return s.count
    def saw(s, what): s.seen.add(what); SEEN[what] += 1
    def honest(s): return [r for r in s.R.values() if not r.deaf]
    def acknowledge(s, r, token, dot): s.author[token], s.dot[token] = r, dot

    def note(s, cs):
        s.history.append(cs)
        twins = s.children.setdefault((cs.origin, cs.prev), [])
        twins.append(cs)
        if len(twins) > 1 and cs.first - 1 < s.forks.get(cs.origin, (cs.first,))[0]: s.forks[cs.origin] = (cs.first - 1, cs.prev); s.saw('fork')

    def uncut(s):
        """The forked replicas that no living node knows an n for which is not past the fork."""
        return [o for o, (at, _) in sorted(s.forks.items()) if all(r.told.limit(o) is None or r.told.limit(o) > at for r in s.honest())]

    def implied(s, r):
        """What the version of this replica implies; None while it covers what is beyond a fork, for then it implies two things."""
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
        if s.accused: return f'accused: {s.accused} is not forked'
        for i, r in s.R.items():
            live = s.implied(r)
            if live is not None and live != r.live: return f'diverged: node {i} {r.id} at {r.key()} holds {r.live}, implied {live}'
            if any(r.limit(o) is not None and q > r.limit(o) for o, q in r.live): return f'past n: node {i} {r.id} at {r.key()} holds {r.live}'

    def look(s, r, theirs):
        """Notes where a node joins states of two branches of somebody else's life, and nothing it has shows the fork."""
        for o in s.forks:
            if o in r.mine or not r.held(o) or not theirs.held(o): continue
            a, b = at_seq(r.branch.get(o), min(r.held(o), theirs.held(o))), at_seq(theirs.branch.get(o), min(r.held(o), theirs.held(o)))
            if a is not b: s.mixed.add(o); s.saw('branches mixed')

    def ambiguous(s, d):
        """A dot past a fork means two entries. Until there is proof, whoever names it, or compares states, may mean the other one."""
        return d[0] in s.forks and d[1] > s.forks[d[0]][0] and (d[0] in s.mixed or any(d in cs.removes for cs in s.history))

    # -- messages ------------------------------------------------------------------------------------------------------
    def link(s, i, j): s.links[i].add(j); s.links[j].add(i)
    def refuse(s, a, b): return any(y.deaf and x.told.limit(y.id) is not None for x, y in ((a, b), (b, a)))

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

    def ask(s, i, j):
        if s.R[j].keeper and not s.refuse(s.R[i], s.R[j]): s.wire.append((j, 'hello', (s.R[i], i, s.R[i].told.known(), s.R[i].pin())))

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
            if rules.BUG != 'noexchange':
                me.learn(told)
                if not told.has(me.told): s.wire.append((i, 'again', (me, to, me.told.known(), None))); return
            s.wire.append((i, 'answer', (me, to, pinned, me.pin(), peer)))
        elif kind == 'again': me.learn(told); s.ask(to, i)
        elif kind == 'answer' and p[4] is me:
            me.apply(difference(p[3], p[2]), p[2])
            if me.keeper: s.wire.append((i, 'finish', (me, to, me.pin() if s.g.random() < .5 else p[2], p[3], peer)))
        elif kind == 'finish' and p[4] is me: me.apply(difference(p[2], p[3]), p[3])

    # -- what befalls nodes --------------------------------------------------------------------------------------------
    def step(s):
        g, what = s.g, s.g.choices(*s.odds)[0]
        i = g.choice(sorted(s.R)); r = s.R[i]
        near = sorted(s.links[i])
        if what == 'write': r.write([x for x in 'xyz' if g.random() < .35], [x for x in 'xyz' if g.random() < .15])
        elif what == 'cut': r.cut()
        elif what == 'deliver' and s.wire: s.deliver()
        elif what == 'pull' and near:
            peer = s.R[g.choice(near)]
            got = [] if s.refuse(r, peer) else peer.pull(r)[0]
            g.shuffle(got)
            for cs in got[:g.randint(0, len(got))]: r.receive(cs)
        elif what == 'diff' and near: s.ask(i, g.choice(near))
        elif what == 'trim' and r.version: s.trim(r)
        elif what == 'crash': s.crash(i, g.random() < .6)
        elif what == 'die' and s.enough(index=i): s.die(i)
        elif what == 'mistake': s.mistake()
        elif what == 'revoke': s.revoke()
        elif what == 'clone' and len(s.R) < 7: s.clone(i)

    def trim(s, r):
        """A node whose diffs nobody takes keeps what some keeper lacks."""
        o = s.g.choice(sorted(r.version))
        log = r.log.get(o, [])
        keep = s.g.randint(0, len(log))
        safe = min(k.held(o) for k in s.honest() if k.keeper) if not r.keeper else r.held(o)
        r.log[o] = [cs for at, cs in enumerate(log) if at >= keep or cs.last > safe]

    def crash(s, i, disk):
        old = s.R[i]
        if disk: old.cut()
        new = s.R[i] = Replica(s, old.node, old.keeper, old.admin)
        new.deaf = old.deaf
        if disk: s.copy(old, new)
        s.author = {t: new if who is old else who for t, who in s.author.items() if disk or who is not old}

    def copy(s, old, new):
        for name in 'version', 'bound', 'live', 'heads', 'chain', 'branch', 'mixed': setattr(new, name, dict(getattr(old, name)))
        new.banned, new.told, new.waiting = {*old.banned}, old.told.known(), list(old.waiting)
        new.log = {o: list(log) for o, log in old.log.items()}
        new.mine.update({r: {*heads} for r, heads in old.mine.items()})

    def clone(s, i):
        """A machine is copied while it runs, and both go on in one life; or the key is in a liar's hands."""
        old, j = s.R[i], max(s.links) + 1
        old.cut()
        new = s.R[j] = Replica(s, old.node, old.keeper, False)
        s.copy(old, new); new.id, new.deaf = old.id, old.deaf
        s.links[j] = set()
        for k in s.g.sample(sorted(s.R), min(2, len(s.R))):
            if k != j: s.link(j, k)
        if s.g.random() < .5 and not old.admin and s.enough(old.node): s.deafen(old.node)

    def deafen(s, node):
        for r in s.R.values(): r.deaf = r.deaf or r.node == node
        s.liars.add(node)

    def enough(s, node=None, index=None):
        """Whether two honest nodes, a keeper among them, are left without this one."""
        rest = [r for i, r in s.R.items() if i != index and r.node != node and not r.deaf]
        return len(rest) >= 2 and any(r.keeper for r in rest)

    def die(s, i):
        gone = s.R.pop(i)
        s.author = {t: who for t, who in s.author.items() if who is not gone}
        near = sorted(s.links.pop(i))
        for j in near: s.links[j].discard(i)
        for j, k in zip(near, near[1:]): s.link(j, k)

    # -- who ends whom -------------------------------------------------------------------------------------------------
    def record(s, r, replicas, banned=()):
        return Limits({o: r.held(o) for o in replicas}, banned, {(o, r.held(o)): r.chain[o] for o in replicas if r.chain.get(o)})

    def issue(s, r, record):
        s.saw('issued'); r.learn(record); r.cut(); r.emit({}, set(), 1, record)

    def mistake(s):
        """An admin ends a replica of an honest node, or of its own, at what it holds of it."""
        r = s.g.choice([r for r in s.honest() if r.admin] or [None])
        known = [o for o in r.origins() if r.told.limit(o) is None] if r else []
        tails = [o for o in known if any(x.held(o) > r.held(o) for x in s.R.values())]
        if known: o = s.g.choice(tails if tails and s.g.random() < .8 else known); s.issue(r, s.record(r, [o]))

    def revoke(s):
        """One or two admins revoke a key, each at what it holds. Its nodes go on until they are cut off."""
        admins = [r for r in s.honest() if r.admin]
        nodes = sorted(k for k in {r.node for r in s.R.values()} - {r.node for r in s.R.values() if r.admin} if s.enough(k))
        if not admins or not nodes: return
        node = s.g.choice([k for k in nodes if k in s.liars] or nodes)
        s.deafen(node); s.saw('revoked')
        for r in s.g.sample(admins, s.g.randint(1, min(2, len(admins)))):
            s.issue(r, s.record(r, [o for o in r.origins() if o[0] == node and r.held(o)], {node}))

    def prove(s, r, o):
        """Whoever has a proof ends the replica, at or below the fork, at an end of a changeset up to which it holds all."""
        if o not in s.forks: s.accused = o; return
        at = s.forks[o][1]
        while at and (at.last > r.held(o) or s.g.random() < .3): at = at.prev
        n = at.last if at else 0
        if not r.deaf and (r.told.limit(o) is None or r.told.limit(o) > n): s.issue(r, Limits({o: n}, (), {(o, n): at} if at else ())); s.saw('proof')

    # -- the end -------------------------------------------------------------------------------------------------------
    def sync(s, a, b):
        """a is brought up to date by b: by its log, or by a diff of it or of another keeper."""
        for x, y in ((a, b), (b, a)) if rules.BUG != 'noexchange' else (): x.learn(y.told)
        got, whole = b.pull(a)
        for cs in got: a.receive(cs)
        if whole and not a.due() and s.g.random() < .8: return
        if not b.keeper: b = s.g.choice([k for k in s.honest() if k.keeper and k is not a] or [None])
        if not b: return
        for x, y in ((a, b), (b, a)) if rules.BUG != 'noexchange' else (): x.learn(y.told)
        mine, theirs = b.pin(), a.pin()
        a.apply(difference(mine, theirs), theirs)
        if a.keeper and s.g.random() < .7: b.apply(difference(theirs, mine), mine)

    def promote(s):
        """Keepers died or lost their memory, and what they had given to a node whose diffs nobody takes is nowhere else: that
        node must be made a keeper. It does not help where a node took a barrier that it may not serve."""
        for b in s.honest():
            for o in b.origins() if not b.keeper else ():
                best = max(k.held(o) for k in s.honest() if k.keeper)
                lost = b.held(o) > best and not any(cs.first == best + 1 for cs in b.log.get(o, []))
                if lost and not any(cs.barrier for cs in b.mine.get(o, ())):
                    b.keeper = True; b.cut(); b.begin(); b.advance(); s.saw('promoted'); return

    def equal(s):
        a, *rest = s.honest()
        return all(b.key() == a.key() and b.told.key() == a.told.key() for b in rest)

    def run(s):
        e = s.live() or s.heal() or s.judge()
        for what in s.seen: SEEN[what + ', runs'] += 1
        return e

    def live(s):
        for _ in range(s.g.randint(20, 110)):
            s.step(); s.flush()
            e = s.check()
            if e: return e

    def heal(s):
        for i in [i for i, r in s.R.items() if r.deaf]: s.die(i)
        for r in s.R.values(): r.cut()
        for turn in range(60):
            for o in s.uncut() if turn % 8 == 0 else []:    # the latest moment at which the proof is found
                for r in s.g.sample(s.honest(), min(2, len(s.honest()))): s.prove(r, o)
            for i in s.g.sample(sorted(s.R), len(s.R)):
                for j in s.g.sample(sorted(s.links[i]), len(s.links[i])): s.sync(s.R[i], s.R[j])
            s.flush(0, 0)
            e = s.check()
            if e: return e
            if s.equal() and not s.uncut(): return
            if turn > 12: s.promote()

    def judge(s):
        a, *rest = s.honest()
        for b in rest:
            if b.key() != a.key() or b.told.key() != a.told.key(): return f'apart: {a.key()} {a.told.key()} against {b.key()} {b.told.key()}'
            if b.live != a.live: return f'diverged: {a.key()} holds {a.live} and {b.live}'
        if any(a.told.limit(o) is not None and q > a.told.limit(o) for o, q in a.live): return f'past n: {a.live}'
        lost = {t for t, who in s.author.items() if who.node not in s.liars} - s.removed - {t for _, t in a.live.values()}
        lost = {t for t in lost if not s.ambiguous(s.dot[t])}
        if lost: return f'lost: {lost}'


def at_seq(cs, seq):
    while cs and cs.first > seq: cs = cs.prev
    return cs


def main(args):
    first = '--first' in args
    args = [a for a in args if a != '--first']
    if '--bug' in args:
        at = args.index('--bug'); rules.BUG = args[at + 1]; del args[at:at + 2]
        if rules.BUG not in BUGS: sys.exit('bugs: ' + ', '.join(BUGS))
    runs, base = int(args[0]), int(args[1]) if len(args) > 1 else 0
    bad, done = [], 0
    for seed in range(base, base + runs):
        e = Run(seed).run()
        done += 1
        if e: bad.append(f'seed {seed}: {e}')
        if bad and first: break
    print(f'{done} runs, {len(bad)} failed' + (f' with the bug: {BUGS[rules.BUG]}' if rules.BUG else ''))
    for kind, n in sorted(collections.Counter(e.split(': ')[1] for e in bad).items()): print(f'  {kind}: {n}')
    for e in bad[:2]: print('  ' + e[:300])
    if not bad: print('  runs with: ' + ', '.join(f'{what[:-6]} {n}' for what, n in sorted(SEEN.items()) if what.endswith(', runs')))


if __name__ == '__main__': main(sys.argv[1:])
