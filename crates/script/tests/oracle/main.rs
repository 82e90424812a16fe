//! Bitcoin Core is the oracle.
mod batch;
mod case;
mod code;
mod dice;
mod draft;
mod fragments;
mod judge;
mod limits;
mod lock;
mod mutate;
mod sign;
mod spends;

use std::collections::BTreeMap;
use std::io::Write;

#[test]
fn generators() {
    let start = std::time::Instant::now();
    let mut t: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    let mut n = 0u64;
    let mut gen_time = std::time::Duration::ZERO;
    for b in 0..5_000 {
        let g = std::time::Instant::now();
        let cases = batch::cases(1, b);
        gen_time += g.elapsed();
        for (o, c) in cases {
            n += 1;
            let e = t.entry(o).or_default();
            if judge::core_accepts(&c) { e.0 += 1 } else { e.1 += 1 }
        }
    }
    let mut err = std::io::stderr();
    for (o, (p, f)) in &t {
        writeln!(err, "{:24} {:24} {:5} {p:6} {f:6}", o.family.name(), o.wrap.name(), o.mutated).unwrap();
    }
    writeln!(err, "{n} cases, {} pass, {:?} gen {:?}", t.values().map(|v| v.0).sum::<u64>(), start.elapsed(), gen_time).unwrap();
}
