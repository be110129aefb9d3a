//! Not a judgement, a look: `cargo test --release -p approvals-core canonical::tests::speed -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use super::*;

#[derive(Serialize)]
struct Export<'a> {
    database: &'a str,
    rows: u64,
    table: &'a str,
    dry_run: bool,
    limit: Option<u32>,
    ratio: f64,
}

#[derive(Serialize)]
struct InOrder<'a> {
    a: &'a str,
    b: u64,
    c: &'a str,
    d: bool,
    e: Option<u32>,
}

#[derive(Serialize)]
struct OutOfOrder<'a> {
    c: &'a str,
    b: u64,
    a: &'a str,
    e: bool,
    d: Option<u32>,
}

fn nanoseconds(mut run: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..20 {
        let begin = Instant::now();
        for _ in 0..2_000 {
            run();
        }
        best = best.min(begin.elapsed().as_nanos() as f64 / 2_000.0);
    }
    best
}

fn compare<T: Serialize>(name: &str, value: &T) {
    let plain = nanoseconds(|| {
        black_box(serde_json::to_string(black_box(value)).unwrap());
    });
    let fresh = nanoseconds(|| {
        let mut out = String::new();
        write(black_box(value), &mut out, &Limits::default()).unwrap();
        black_box(out);
    });
    let mut out = String::new();
    let reused = nanoseconds(|| {
        out.clear();
        write(black_box(value), &mut out, &Limits::default()).unwrap();
        black_box(&out);
    });
    println!(
        "{name}: serde_json {plain:.0} ns, canonical {fresh:.0} ns ({:.2}x), into a used buffer {reused:.0} ns ({:.2}x)",
        fresh / plain,
        reused / plain
    );
}

#[test]
#[ignore = "measures"]
fn canonical_against_serde_json() {
    let export = Export {
        database: "prod-eu-1",
        rows: 125_000,
        table: "customers",
        dry_run: false,
        limit: Some(10),
        ratio: 0.25,
    };
    compare("struct of 6, out of order", &export);
    compare("six numbers", &[1u64, 125_000, 17, 0, 10, 4]);
    compare("a float", &0.25);
    compare(
        "struct of 5, in order",
        &InOrder {
            a: "prod-eu-1",
            b: 125_000,
            c: "customers",
            d: false,
            e: Some(10),
        },
    );
    compare(
        "struct of 5, out of order",
        &OutOfOrder {
            c: "prod-eu-1",
            b: 125_000,
            a: "customers",
            e: false,
            d: Some(10),
        },
    );
    compare("struct of 1", &BTreeMap::from([("database", "prod")]));
    let map: BTreeMap<String, u64> = (0..6).map(|n| (format!("argument_{n}"), n)).collect();
    compare("sorted map of 6", &map);
    let hashed: HashMap<String, u64> = (0..100).map(|n| (format!("argument_{n}"), n)).collect();
    compare("hash map of 100", &hashed);
    compare(
        "100 structs",
        &(0..100).map(|_| &export).collect::<Vec<_>>(),
    );
    compare("string of 64 KiB", &"x".repeat(64 << 10));
}
