//! Every form of function and argument that can be gated.
#![allow(dead_code)]
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use approvals_core::{ApprovalError, Permit, requires_approval};
use serde::Serialize;

type Outcome<T> = Result<T, ApprovalError>;
type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
type Boxed = Pin<Box<dyn Future<Output = Outcome<usize>> + Send>>;

#[derive(Serialize)]
struct Order {
    id: u8,
    note: String,
}

#[derive(Serialize)]
struct Json<T>(T);

struct Pool;

#[requires_approval(policy = "p", resource = "{name}", redact(token), skip(pool), debug(state), display(letter),
    fields(length = list.len(), text = "n={name:>5}"), labels(region = "eu-{name}"), key = name)]
async fn treatments(
    token: &str,
    pool: &Pool,
    state: Option<u8>,
    letter: char,
    list: Vec<u8>,
    name: String,
) -> Outcome<String> {
    let _ = (token, pool, state, letter, list);
    Ok(name)
}

#[requires_approval(policy = "p", debug(array), skip(call), resource = "{b}/{id}", fields(first = inner[0]))]
async fn patterns<T: Debug + Clone, const N: usize>(
    array: [T; N],
    mut count: u64,
    value: impl Serialize,
    (_a, b): (u8, u8),
    Json(mut inner): Json<Vec<u8>>,
    _: bool,
    &id: &u8,
    call: impl Fn(),
    _unused: u8,
) -> Outcome<T>
where
    T: 'static,
{
    count += 1;
    inner.push(1);
    call();
    let _ = (count, value, b, id);
    Ok(array[0].clone())
}

#[requires_approval(policy = "p", resource = "{id}/{type}", key = format!("{note}"))]
async fn parts(Order { id, mut note }: Order, r#type: &str) -> Outcome<String> {
    note.push_str(r#type);
    Ok(format!("{note}{id}"))
}

#[requires_approval(policy = "p", resource = "{a}/{n}/{first}", fields(sum = first + last), gate = own(second))]
async fn references(
    &(ref a, mut b): &(String, u8),
    [first, .., last]: [u8; 3],
    Json(Order { id: n @ _, .. }): Json<Order>,
    (Ok(second) | Err(second)): Result<u8, u8>,
) -> Outcome<&str> {
    b += 1;
    let _ = (b, first, last, n, second);
    Ok(a)
}

fn own(_: &u8) -> approvals_core::Gate {
    loop {}
}

#[requires_approval(policy = "p")]
async fn opaque_part(n: u8) -> Result<impl Display, ApprovalError> {
    Ok(n)
}

#[requires_approval(policy = "p")]
async fn any_error(n: &str) -> Result<u8, Box<dyn std::error::Error>> {
    let parsed = n.parse()?;
    Ok(parsed)
}

#[requires_approval(policy = "p")]
async fn not_sync(cell: Cell<u8>) -> Outcome<()> {
    cell.set(1);
    Ok(())
}

#[requires_approval(policy = "p", debug(shared))]
async fn not_send(shared: Rc<u8>) -> Outcome<u8> {
    Ok(*shared)
}

#[requires_approval(policy = "p", skip(f, g))]
async fn mutable(f: &mut Vec<u8>, g: &mut dyn FnMut(&str), h: &mut Vec<u8>) -> Outcome<()> {
    f.push(1);
    g("x");
    h.push(2);
    Ok(())
}

#[requires_approval(policy = "p", action = "first")]
#[requires_approval(policy = "q", action = "second")]
async fn twice(Json(order): Json<Order>, (a, b): (u8, u8)) -> Outcome<u8> {
    Ok(order.id + a + b)
}

fn foreign(error: ApprovalError) -> std::io::Error {
    std::io::Error::other(error.to_string())
}

#[requires_approval(policy = "p", on_refusal = foreign)]
async fn foreign_error(n: u8) -> Result<u8, std::io::Error> {
    Ok(n)
}

#[requires_approval(policy = "p")]
async fn conditional(#[cfg(any())] gone: u8, #[cfg(all())] kept: u8) -> Outcome<u8> {
    #![allow(unused_variables)]
    let unused = 1;
    Ok(kept)
}

#[requires_approval(policy = "p", permit)]
fn boxed_static(n: String) -> Pin<Box<dyn Future<Output = Outcome<usize>> + Send>> {
    Box::pin(async move {
        let _: &Permit = permit;
        Ok(n.len())
    })
}

#[requires_approval(policy = "p", permit)]
fn box_future<'a>(n: &'a str) -> BoxFuture<'a, Outcome<usize>> {
    if n.is_empty() {
        return Box::pin(async { Ok(0) });
    }
    Box::pin(async move {
        let _ = permit;
        Ok(n.len())
    })
}

#[requires_approval(policy = "p", output = Outcome<usize>)]
fn aliased(n: String) -> Boxed {
    Box::pin(async move { Ok(n.len()) })
}

struct Account {
    name: String,
}

impl Account {
    #[requires_approval(policy = "p", fields(account = self.name), permit)]
    async fn by_reference(&self, n: u8) -> Outcome<u8> {
        let _: &Permit = permit;
        Ok(n)
    }

    #[requires_approval(policy = "p", resource = self.name)]
    async fn by_mutable_reference(&mut self, mut n: Vec<u8>) -> Outcome<u8> {
        n.push(1);
        self.name.push('x');
        Ok(n[0])
    }

    #[requires_approval(policy = "p", display(self), fields(first = self.name.chars().next()))]
    async fn borrowing(&self) -> Outcome<&str> {
        Ok(&self.name)
    }

    #[requires_approval(policy = "p", skip(self))]
    async fn by_value(self) -> Outcome<String> {
        Ok(self.name)
    }

    #[requires_approval(policy = "p", skip(self))]
    async fn shared(self: Arc<Self>) -> Outcome<usize> {
        Ok(self.name.len())
    }

    #[requires_approval(policy = "p", skip(self))]
    async fn pinned(self: Pin<&mut Self>) -> Outcome<usize> {
        Ok(self.name.len())
    }

    #[requires_approval(policy = "p", skip(self))]
    fn boxed_elided(&self) -> Pin<Box<dyn Future<Output = Outcome<&str>> + Send + '_>> {
        Box::pin(async move { Ok(&*self.name) })
    }

    #[requires_approval(policy = "p", skip(self), permit)]
    fn opaque(&self, n: &str) -> impl Future<Output = Outcome<Vec<u8>>> + Send {
        async move {
            let _ = permit;
            let parsed = n.split(',').map(|n| n.parse().map_err(|_| loop {})).collect::<Result<_, ApprovalError>>()?;
            Ok(parsed)
        }
    }
}

impl Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

trait Closes {
    async fn close(&self) -> Outcome<()>;

    #[requires_approval(policy = "p", skip(self))]
    async fn default_body(&self) -> Outcome<()> {
        Ok(())
    }
}

impl Closes for Account {
    #[requires_approval(policy = "p", fields(account = self.name))]
    async fn close(&self) -> Outcome<()> {
        Ok(())
    }
}

fn sends<T: Send>(_: T) {}

fn main() {
    let account = Account { name: String::new() };
    sends(not_sync(Cell::new(1)));
    sends(patterns([1], 1, 1, (1, 1), Json(vec![1]), true, &1, || (), 1));
    sends(account.by_reference(1));
    sends(account.opaque("1"));
    sends(box_future(""));
}
