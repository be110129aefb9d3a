//! Async functions: what can stand in a signature, and what the attribute can say about it.

use std::cell::Cell;
use std::fmt::{self, Debug, Display};
use std::rc::Rc;

use approvals_core::{ApprovalError, Permit, requires_approval};
use serde::Serialize;

use super::{Outcome, Probe, Shape, shape};

pub(crate) fn shapes() -> Vec<Shape> {
    vec![
        shape("plain", |p| async move { plain(&p, "customers", 3).await }),
        shape("redacted", |p| async move { redacted(&p, "token").await }),
        shape("skipped", |p| async move { skipped(&p, &Pool).await }),
        shape("debug", |p| async move { in_debug(p, Pool).await }),
        shape("display", |p| async move { in_display(p, 'c').await }),
        shape("everything said", |p| async move {
            everything(&p, "customers".to_owned()).await
        }),
        shape("fields alone bind", |p| async move {
            fields_alone(&p, Pool).await
        }),
        shape("generic", |p| async move {
            generic(&p, [1, 2], "x", (1, 2), Json(vec![1])).await
        }),
        shape("references taken apart", |p| async move {
            parts(&p, &("a".to_owned(), 1), [1, 2, 3], Ok(1)).await
        }),
        shape("opaque output", |p| async move {
            opaque_output(p)
                .await
                .map(|n| n.to_string().len() as u64 + 6)
        }),
        shape(
            "not `Sync`",
            |p| async move { not_sync(p, Cell::new(1)).await },
        ),
        shape("not `Send`", |p| async move {
            not_send(p, Rc::new(Cell::new(1))).await
        }),
        shape("where clause", |p| async move {
            bounded(&p, &1, vec![1_u8]).await
        }),
        shape("named lifetimes", |p| async move {
            lifetimes(&p, "a", "b").await.map(|_| super::RESULT)
        }),
        shape("question mark", |p| async move {
            question_mark(&p, "7").await.or_else(refusal)
        }),
        shape(
            "early return",
            |p| async move { early_return(&p, true).await },
        ),
        shape("mutable arguments", |p| async move {
            mutable(&p, &mut vec![1], Vec::new(), &mut |_| ()).await
        }),
        shape("callback", |p| async move {
            callback(&p.clone(), move || p.ran()).await
        }),
        shape("key", |p| async move { keyed(&p, "run-1/step-2").await }),
        shape("idempotent", |p| async move { idempotent(&p, "eu").await }),
        shape("critical", |p| async move { critical(&p).await }),
        shape("permit", |p| async move { with_permit(&p).await }),
        shape("foreign error", |p| async move {
            foreign_error(&p).await.map_err(|Foreign(error)| error)
        }),
        shape("boxed error", |p| async move {
            boxed_error(&p).await.or_else(refusal)
        }),
        shape("result behind an alias", |p| async move { alias(&p).await }),
        shape(
            "two gates",
            |p| async move { twice(&p, (1, 2), Json(3)).await },
        ),
        shape(
            "cfg on arguments",
            |p| async move { conditional(&p, 1).await },
        ),
        shape("raw identifiers", |p| async move { r#try(&p, 1).await }),
        shape(
            "inner attribute",
            |p| async move { inner_attribute(&p).await },
        ),
        shape("items in the body", |p| async move {
            items_in_the_body(&p).await
        }),
        shape("loops and labels", |p| async move { loops(&p).await }),
        shape(
            "unused arguments",
            |p| async move { unused(&p, 1, 2).await },
        ),
        shape("names of the expansion", |p| async move {
            names(&p, 1, 2, 3).await
        }),
        shape(
            "output that diverges",
            |p| async move { diverging(&p).await },
        ),
        Shape::with_own_gate("gate by name", |p| async move { own_gate(&p).await }),
        Shape::with_own_gate("gate from a part", |p| async move {
            own_gate_of_a_part((p, 1)).await
        }),
        Shape::with_own_requester(
            "requester by name",
            |p| async move { own_requester(&p).await },
        ),
    ]
}

struct Pool;

#[derive(Serialize)]
struct Json<T>(T);

#[requires_approval(policy = "p")]
async fn plain(probe: &Probe, table: &str, rows: u64) -> Outcome {
    let _ = (table, rows);
    Ok(probe.ran())
}

#[requires_approval(policy = "p", redact(probe, token))]
async fn redacted(probe: &Probe, token: &str) -> Outcome {
    let _ = token;
    Ok(probe.ran())
}

#[requires_approval(policy = "p", skip(pool))]
async fn skipped(probe: &Probe, pool: &Pool) -> Outcome {
    let _ = pool;
    Ok(probe.ran())
}

#[requires_approval(policy = "p", debug(probe), skip(pool))]
async fn in_debug(probe: Probe, pool: Pool) -> Outcome {
    let _ = pool;
    Ok(probe.ran())
}

#[requires_approval(policy = "p", display(probe, letter))]
async fn in_display(probe: Probe, letter: char) -> Outcome {
    let _ = letter;
    Ok(probe.ran())
}

#[requires_approval(
    policy = "p",
    action = "matrix.everything",
    risk = high,
    resource = "db/{name}",
    environment = "production",
    justification = format!("{name} was asked for"),
    summary = "export {name:>12}",
    fields(length = name.len(), text = "n={name}"),
    labels(region = "eu", size = name.len())
)]
async fn everything(probe: &Probe, name: String) -> Outcome {
    let _ = name;
    Ok(probe.ran())
}

#[requires_approval(policy = "p", skip(pool), fields(state = probe.value()))]
async fn fields_alone(probe: &Probe, pool: Pool) -> Outcome {
    let _ = pool;
    Ok(probe.ran())
}

#[requires_approval(policy = "p", debug(list), resource = "{b}", fields(first = inner[0]))]
async fn generic<T: Debug, const N: usize>(
    probe: &Probe,
    list: [T; N],
    value: impl Display + Serialize,
    (a, b): (u8, u8),
    Json(mut inner): Json<Vec<u8>>,
) -> Outcome {
    inner.push(a + b);
    let _ = (list, value);
    Ok(probe.ran())
}

#[requires_approval(policy = "p", resource = "{a}/{first}/{last}", key = format!("{n}"))]
async fn parts(
    probe: &Probe,
    &(ref a, mut n): &(String, u8),
    [first, .., last]: [u8; 3],
    (Ok(either) | Err(either)): Result<u8, u8>,
) -> Outcome {
    n += first + last + either;
    let _ = (a, n);
    Ok(probe.ran())
}

#[requires_approval(policy = "p")]
async fn opaque_output(probe: Probe) -> Result<impl Display, ApprovalError> {
    Ok(probe.ran())
}

#[requires_approval(policy = "p")]
async fn not_sync(probe: Probe, cell: Cell<u8>) -> Outcome {
    cell.set(2);
    Ok(probe.ran())
}

#[requires_approval(policy = "p")]
async fn not_send(probe: Probe, shared: Rc<Cell<u8>>) -> Outcome {
    shared.set(2);
    tokio::task::yield_now().await;
    Ok(probe.ran())
}

#[requires_approval(policy = "p")]
async fn bounded<'a, T, L>(probe: &'a Probe, one: &'a T, list: L) -> Outcome
where
    T: ?Sized + Serialize + 'a,
    L: IntoIterator<Item = u8> + Serialize,
    for<'b> &'b T: Debug,
{
    let _ = (format!("{one:?}"), list.into_iter().count());
    Ok(probe.ran())
}

#[requires_approval(policy = "p")]
async fn lifetimes<'a, 'b: 'a>(
    probe: &Probe,
    a: &'a str,
    b: &'b str,
) -> Result<&'a str, ApprovalError> {
    Ok(if probe.ran() == 0 { a } else { b })
}

#[requires_approval(policy = "p")]
async fn question_mark(probe: &Probe, number: &str) -> Result<u64, Box<dyn std::error::Error>> {
    probe.ran();
    let parsed: u64 = number.parse()?;
    Ok(parsed)
}

#[requires_approval(policy = "p")]
async fn early_return(probe: &Probe, early: bool) -> Outcome {
    let ran = probe.ran();
    if early {
        return Ok(ran);
    }
    Ok(0)
}

#[requires_approval(policy = "p", skip(told))]
async fn mutable(
    probe: &Probe,
    list: &mut Vec<u8>,
    mut own: Vec<u8>,
    told: &mut dyn FnMut(u8),
) -> Outcome {
    list.push(1);
    own.append(list);
    told(own[0]);
    Ok(probe.ran())
}

#[requires_approval(policy = "p", skip(act))]
async fn callback(probe: &Probe, act: impl FnOnce() -> u64) -> Outcome {
    let _ = probe;
    Ok(act())
}

#[requires_approval(policy = "p", key = key)]
async fn keyed(probe: &Probe, key: &str) -> Outcome {
    let _ = key;
    Ok(probe.ran())
}

#[requires_approval(policy = "p", idempotent, version = 3, labels(region = "{region}"))]
async fn idempotent(probe: &Probe, region: &str) -> Outcome {
    let _ = region;
    Ok(probe.ran())
}

#[requires_approval(policy = "p", risk = critical)]
async fn critical(probe: &Probe) -> Outcome {
    Ok(probe.ran())
}

#[requires_approval(policy = "p", permit)]
async fn with_permit(probe: &Probe) -> Outcome {
    let permit: &Permit = permit;
    permit.summarise("ran");
    tokio::task::yield_now().await;
    assert!(permit.request_id().is_some());
    Ok(probe.ran())
}

struct Foreign(ApprovalError);

#[requires_approval(policy = "p", on_refusal = Foreign)]
async fn foreign_error(probe: &Probe) -> Result<u64, Foreign> {
    Ok(probe.ran())
}

#[requires_approval(policy = "p")]
async fn boxed_error(probe: &Probe) -> Result<u64, Box<dyn std::error::Error>> {
    Ok(probe.ran())
}

/// What a refusal has become in somebody else's error type.
fn refusal(error: Box<dyn std::error::Error>) -> Outcome {
    Err(*error.downcast().expect("a refusal"))
}

type Answer<T = u64, E = ApprovalError> = std::result::Result<T, E>;

#[requires_approval(policy = "p")]
async fn alias(probe: &Probe) -> Answer {
    Ok(probe.ran())
}

#[requires_approval(policy = "p", action = "matrix.outer")]
#[requires_approval(policy = "q", action = "matrix.inner")]
async fn twice(probe: &Probe, (a, b): (u8, u8), Json(mut c): Json<u8>) -> Outcome {
    c += a + b;
    let _ = c;
    Ok(probe.ran())
}

#[requires_approval(policy = "p")]
async fn conditional(probe: &Probe, #[cfg(not(test))] gone: u8, #[cfg(test)] kept: u8) -> Outcome {
    let _ = kept;
    Ok(probe.ran())
}

#[requires_approval(policy = "p", resource = "{type}")]
async fn r#try(probe: &Probe, r#type: u8) -> Outcome {
    let _ = r#type;
    Ok(probe.ran())
}

#[requires_approval(policy = "p")]
async fn inner_attribute(probe: &Probe) -> Outcome {
    #![expect(unused_variables, reason = "this is what the attribute is for")]
    let unused = 1;
    Ok(probe.ran())
}

#[requires_approval(policy = "p")]
async fn items_in_the_body(probe: &Probe) -> Outcome {
    use fmt::Write as _;
    const LIMIT: usize = 2;
    fn shorten(text: &str) -> &str {
        text.get(..LIMIT).unwrap_or(text)
    }
    let mut text = String::new();
    let _ = write!(text, "{}", shorten("abc"));
    let later = async { probe.ran() };
    Ok(later.await)
}

#[requires_approval(policy = "p")]
async fn loops(probe: &Probe) -> Outcome {
    let ran = 'outer: loop {
        for n in 0.. {
            if n == 1 {
                break 'outer probe.ran();
            }
        }
    };
    Ok(ran)
}

#[requires_approval(policy = "p")]
async fn unused(_probe: &Probe, _: u8, _rest: u8) -> Outcome {
    Ok(_probe.ran())
}

/// Variables of the expansion have these names; hygiene keeps them apart.
#[requires_approval(policy = "p", fields(sum = __approvals_capture + __approvals_admitted))]
async fn names(
    probe: &Probe,
    __approvals_capture: u8,
    __approvals_admitted: u8,
    permit: u8,
) -> Outcome {
    let __approvals_permit = __approvals_capture + __approvals_admitted + permit;
    Ok(probe.ran() + u64::from(__approvals_permit) - 6)
}

#[requires_approval(policy = "p")]
async fn diverging(probe: &Probe) -> Outcome {
    let ran = probe.ran();
    {
        return Ok(ran);
    }
}

#[requires_approval(policy = "p", gate = probe.gate())]
async fn own_gate(probe: &Probe) -> Outcome {
    Ok(probe.ran())
}

#[requires_approval(policy = "p", gate = whole.gate())]
async fn own_gate_of_a_part((whole, _): (Probe, u8)) -> Outcome {
    Ok(whole.ran())
}

#[requires_approval(policy = "p", requester = probe.requester())]
async fn own_requester(probe: &Probe) -> Outcome {
    Ok(probe.ran())
}
