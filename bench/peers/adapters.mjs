// The peers behind one face. `write(doc, ops)` is one transaction of [key, value] pairs and returns the update that it
// makes; `drop` removes keys likewise; `count` increments a counter, where there is one.
const note = 'also holds text, lists and history';

async function yjs() {
  return yLike(await import('yjs'), `${note} of deleted ranges; JavaScript throughout, no boundary crossed`, {
    make: (Y) => new Y.Doc(), listen: (doc, take) => doc.on('update', take),
    set: (map, txn, key, value) => map.set(key, value), remove: (map, txn, key) => map.delete(key),
  });
}

async function ywasm() {
  const Y = await import('ywasm');
  return yLike(Y.default ?? Y, `${note} of deleted ranges; each call crosses the JS/wasm boundary`, {
    make: (Y) => new Y.YDoc({}), listen: (doc, take) => doc.onUpdate(take),
    transact: (doc, work) => { const txn = doc.beginTransaction(null); work(txn); txn.commit(); txn.free(); },
    set: (map, txn, key, value) => map.set(key, value, txn), remove: (map, txn, key) => map.delete(key, txn),
  });
}

function yLike(Y, notes, face) {
  const transact = face.transact ?? ((doc, work) => doc.transact(work));
  const change = (held, keys, work) => {
    held.update = null;
    transact(held.doc, (txn) => { for (const key of keys) work(txn, key); });
    return held.update;
  };
  const make = () => {
    const held = { doc: face.make(Y), update: null };
    held.map = held.doc.getMap('m');
    face.listen(held.doc, (update) => { held.update = update; });
    return held;
  };
  return {
    notes, make,
    write: (held, ops) => change(held, ops, (txn, [key, value]) => face.set(held.map, txn, key, value)),
    drop: (held, keys) => change(held, keys, (txn, key) => face.remove(held.map, txn, key)),
    apply: (held, update) => { Y.applyUpdate(held.doc, update); return held; },
    save: (held) => Y.encodeStateAsUpdate(held.doc),
    load: (bytes) => { const held = make(); Y.applyUpdate(held.doc, bytes); return held; },
    size: (held) => Object.keys(held.map.toJSON?.() ?? held.map.toJson()).length,
  };
}

async function loro() {
  const { LoroDoc } = await import('loro-crdt');
  const make = () => { const doc = new LoroDoc(); return { doc, map: doc.getMap('m'), counter: doc.getCounter('c') }; };
  const change = (held, work) => {
    const before = held.doc.version();
    work();
    held.doc.commit();
    return held.doc.export({ mode: 'update', from: before });
  };
  return {
    notes: `${note}, rich text and time travel; each call crosses the JS/wasm boundary`, make,
    write: (held, ops) => change(held, () => { for (const [key, value] of ops) held.map.set(key, value); }),
    drop: (held, keys) => change(held, () => { for (const key of keys) held.map.delete(key); }),
    count: (held, times) => change(held, () => { for (let i = 0; i < times; ++i) held.counter.increment(1); }),
    apply: (held, update) => { held.doc.import(update); return held; },
    save: (held) => held.doc.export({ mode: 'shallow-snapshot', frontiers: held.doc.frontiers() }),
    load: (bytes) => { const doc = new LoroDoc(); doc.import(bytes); return { doc }; },
    size: (held) => Object.keys(held.doc.toJSON().m).length,
  };
}

async function automerge() {
  const A = await import('@automerge/automerge');
  const change = (held, work) => {
    held.doc = A.change(held.doc, work);
    return A.getLastLocalChange(held.doc);
  };
  return {
    notes: `${note}, all of it kept; its usual interface of immutable documents; each call crosses the JS/wasm boundary`,
    make: () => ({ doc: A.from({ m: {}, c: new A.Counter(0) }, { actor: 'aa' }) }),
    write: (held, ops) => change(held, (doc) => { for (const [key, value] of ops) doc.m[key] = value; }),
    drop: (held, keys) => change(held, (doc) => { for (const key of keys) delete doc.m[key]; }),
    count: (held, times) => change(held, (doc) => { for (let i = 0; i < times; ++i) doc.c.increment(1); }),
    // A reader starts from what the writer started from: the map itself is a part of its history.
    reader: (held) => ({ doc: A.clone(held.doc) }),
    apply: (held, update) => { [held.doc] = A.applyChanges(held.doc, [update]); return held; },
    save: (held) => A.save(held.doc),
    load: (bytes) => ({ doc: A.load(bytes) }),
    size: (held) => Object.keys(held.doc.m).length,
  };
}

export const adapters = { yjs, ywasm, loro, automerge };
