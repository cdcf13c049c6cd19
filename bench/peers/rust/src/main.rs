// One workload on the crate crdts in this process: rust-crdts WORKLOAD [--quick]. Prints figures as bench/figure.hpp does.
// An update is one operation as bincode writes it; the library has no transactions.
use crdts::{map, CmRDT, Map, MVReg, Orswot, PNCounter};
use std::time::Instant;

type Register = MVReg<i64, u8>;
type Doc = Map<String, Register, u8>;
type Op = map::Op<String, Register, u8>;

const NOTE: &str = "a map of multi-value registers; operations of one kind must arrive in order; no transactions";

fn key_of(i: usize) -> String {
    format!("key-{i:07}")
}

fn tell(what: &str, metric: &str, value: f64, unit: &str, keys: usize) {
    println!(
        r#"{{"suite":"peers","case":"rust crdts: {what}","metric":"{metric}","value":{value},"unit":"{unit}","params":{{"keys":{keys},"note":"{NOTE}"}}}}"#
    );
}

fn put(doc: &mut Doc, key: String, value: i64) -> Op {
    let op = doc.update(key, doc.read_ctx().derive_add_ctx(1), |register, ctx| register.write(value, ctx));
    doc.apply(op.clone());
    op
}

fn filled(keys: usize) -> Doc {
    let mut doc = Doc::new();
    for i in 0..keys {
        put(&mut doc, key_of(i), i as i64 % 100);
    }
    doc
}

fn rate(count: usize, from: Instant) -> f64 {
    count as f64 / from.elapsed().as_secs_f64() / 1e6
}

fn ms(from: Instant) -> f64 {
    from.elapsed().as_secs_f64() * 1e3
}

fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("/proc is mounted");
    let pages: f64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("statm has two numbers");
    pages * 4096.0
}

fn set(keys: usize) {
    let mut doc = Doc::new();
    let from = Instant::now();
    let mut bytes = 0;
    for i in 0..keys {
        bytes += bincode::serialize(&put(&mut doc, key_of(i), i as i64 % 100)).unwrap().len();
    }
    tell("map set, 1 a transaction", "rate", rate(keys, from), "M/s", keys);
    tell("map set, 1 a transaction", "update bytes an operation", bytes as f64 / keys as f64, "B", keys);
    assert_eq!(doc.len().val, keys);
    let from = Instant::now();
    for i in 0..keys {
        put(&mut doc, key_of(i * 7919 % keys), i as i64 % 100);
    }
    tell("map overwrite, no update encoded", "rate", rate(keys, from), "M/s", keys);
}

fn elements(keys: usize) {
    let mut doc = Orswot::<String, u8>::new();
    let from = Instant::now();
    for i in 0..keys {
        doc.apply(doc.add(key_of(i), doc.read_ctx().derive_add_ctx(1)));
    }
    tell("set add, no update encoded", "rate", rate(keys, from), "M/s", keys);
    let from = Instant::now();
    for i in 0..keys {
        let key = key_of(i * 7919 % keys);
        doc.apply(doc.rm(key.clone(), doc.contains(&key).derive_rm_ctx()));
    }
    tell("set remove, no update encoded", "rate", rate(keys, from), "M/s", keys);
    tell("saved after add + remove of all", "bytes", bincode::serialize(&doc).unwrap().len() as f64, "B", keys);
}

fn apply(keys: usize) {
    let mut writer = Doc::new();
    let updates: Vec<Vec<u8>> =
        (0..keys).map(|i| bincode::serialize(&put(&mut writer, key_of(i), i as i64 % 100)).unwrap()).collect();
    let mut reader = Doc::new();
    let from = Instant::now();
    for update in &updates {
        reader.apply(bincode::deserialize::<Op>(update).unwrap());
    }
    tell("apply one-op updates", "rate", rate(keys, from), "M/s", keys);
    assert_eq!(reader.len().val, keys);
}

fn count(times: usize) {
    let mut counter = PNCounter::<u8>::new();
    let from = Instant::now();
    for _ in 0..times {
        counter.apply(counter.inc(1));
    }
    tell("counter, no update encoded", "rate", rate(times, from), "M/s", times);
    assert_eq!(counter.read().to_string(), times.to_string());
}

fn save(keys: usize) {
    let doc = filled(keys);
    let from = Instant::now();
    let bytes = bincode::serialize(&doc).unwrap();
    tell("save", "time", ms(from), "ms", keys);
    let from = Instant::now();
    let back: Doc = bincode::deserialize(&bytes).unwrap();
    tell("load", "time", ms(from), "ms", keys);
    assert_eq!(back.len().val, keys);
    tell("save", "bytes a key", bytes.len() as f64 / keys as f64, "B", keys);
}

fn memory(keys: usize) {
    let before = resident();
    let doc = filled(keys);
    tell("memory a key", "resident", (resident() - before) / keys as f64, "B", keys);
    assert_eq!(doc.len().val, keys);
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let keys = if words.iter().any(|w| w == "--quick") { 10_000 } else { 100_000 };
    match words.first().map(String::as_str) {
        Some("set") => set(keys),
        Some("apply") => apply(keys),
        Some("count") => count(keys),
        Some("save") => save(keys),
        Some("memory") => memory(keys),
        Some("emptied") => elements(keys),
        _ => std::process::exit(2),
    }
}
