// One workload on one peer in this process: node run.mjs PEER WORKLOAD [--quick]. Prints figures as bench/figure.hpp does.
// Slow ones get fewer keys: the figures say how many.
import { adapters } from './adapters.mjs';

const [peer, workload, mode] = process.argv.slice(2);
const quick = mode === '--quick';
const many = quick ? 10_000 : 100_000;
const few = peer === 'automerge' ? 1_000 : quick ? 2_000 : 20_000;

const keyOf = (i) => `key-${String(i).padStart(7, '0')}`;
const seconds = (work) => { const from = process.hrtime.bigint(); work(); return Number(process.hrtime.bigint() - from) / 1e9; };
const a = await adapters[peer]();

function tell(what, metric, value, unit, keys) {
  console.log(JSON.stringify({ suite: 'peers', case: `${peer}: ${what}`, metric, value, unit, params: { keys, note: a.notes } }));
}
function fill(doc, keys, ops, take = () => {}) {
  for (let at = 0; at < keys; at += ops) {
    const pairs = [];
    for (let i = at; i < Math.min(keys, at + ops); ++i) pairs.push([keyOf(i), i % 100]);
    take(a.write(doc, pairs));
  }
  return doc;
}
function checked(doc, keys) {
  const size = a.size(doc);
  if (size !== keys) throw new Error(`${peer}: ${workload}: ${size} keys instead of ${keys}`);
}

const workloads = {
  set() {
    for (const [ops, keys] of [[1, few], [100, peer === 'automerge' ? few : many]]) {
      let bytes = 0;
      const doc = a.make();
      const spent = seconds(() => fill(doc, keys, ops, (update) => { bytes += update.length; }));
      checked(doc, keys);
      tell(`map set, ${ops} a transaction`, 'rate', keys / spent / 1e6, 'M/s', keys);
      tell(`map set, ${ops} a transaction`, 'update bytes an operation', bytes / keys, 'B', keys);
    }
  },
  apply() {
    const updates = [];
    const writer = a.make();
    const reader = a.reader ? a.reader(writer) : a.make();
    fill(writer, few, 1, (update) => updates.push(update));
    const spent = seconds(() => { for (const update of updates) a.apply(reader, update); });
    checked(reader, few);
    tell('apply one-op updates', 'rate', few / spent / 1e6, 'M/s', few);
  },
  count() {
    if (!a.count) return;
    for (const ops of [1, 100]) {
      const doc = a.make();
      const spent = seconds(() => { for (let at = 0; at < few; at += ops) a.count(doc, ops); });
      tell(`counter, ${ops} a transaction`, 'rate', few / spent / 1e6, 'M/s', few);
    }
  },
  save() {
    const doc = fill(a.make(), many, 1_000);
    let bytes, loaded;
    const saving = seconds(() => { bytes = a.save(doc); });
    const loading = seconds(() => { loaded = a.load(bytes); });
    checked(loaded, many);
    tell('save', 'time', saving * 1e3, 'ms', many);
    tell('load', 'time', loading * 1e3, 'ms', many);
    tell('save', 'bytes a key', bytes.length / many, 'B', many);
  },
  memory() {
    globalThis.gc?.();
    const before = process.memoryUsage.rss();
    const doc = fill(a.make(), many, 1_000);
    globalThis.gc?.();
    const after = process.memoryUsage.rss();
    checked(doc, many);
    tell('memory a key', 'resident', (after - before) / many, 'B', many);
  },
  emptied() {
    const doc = fill(a.make(), many, 1_000);
    for (let at = 0; at < many; at += 1_000) a.drop(doc, Array.from({ length: 1_000 }, (_, i) => keyOf(at + i)));
    checked(doc, 0);
    tell('saved after add + remove of all', 'bytes', a.save(doc).length, 'B', many);
  },
};
workloads[workload]();
