//! Functions whose tokens come from several macros, and methods of generic types.
#![allow(dead_code)]

use std::future::Future;
use std::pin::Pin;

use approvals_core::{ApprovalError, requires_approval};
use serde::Serialize;

macro_rules! guarded {
    ($(#[$attribute:meta])* $name:ident, $first:ident, $returned:ty, $body:expr) => {
        $(#[$attribute])*
        async fn $name($first: u8, second: u8, (third, _): (u8, u8)) -> $returned {
            let _ = ($first, second, third);
            $body
        }
    };
}

guarded!(#[requires_approval(policy = "p", skip(first))] outside, first, Result<u8, ApprovalError>, Ok(1));

macro_rules! guarded_inside {
    ($name:ident, $first:ident, $returned:ty, $future:ty) => {
        #[requires_approval(policy = "p", resource = "{second}/{third}", key = second, fields(sum = second + third))]
        async fn $name($first: u8, second: u8, (third, _): (u8, u8), _unused: u8) -> $returned {
            Ok($first + second + third)
        }

        mod boxed {
            use super::*;

            #[requires_approval(policy = "p", permit)]
            fn $name($first: u8) -> $future {
                let _ = permit;
                Box::pin(async move { Ok($first) })
            }
        }
    };
}

guarded_inside!(inside, second_hand, Result<u8, ApprovalError>, Pin<Box<dyn Future<Output = Result<u8, ApprovalError>>>>);

trait Store {
    type Key: Serialize + std::fmt::Display;
    type Error: From<ApprovalError>;

    async fn delete(&self, key: Self::Key) -> Result<(), Self::Error>;
}

#[derive(Debug)]
struct Table<'a, K> {
    name: &'a str,
    rows: Vec<K>,
}

impl<K: Serialize + std::fmt::Display + std::fmt::Debug> Store for Table<'_, K> {
    type Key = K;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    #[requires_approval(policy = "p", resource = "{key}", debug(self))]
    async fn delete(&self, key: Self::Key) -> Result<(), Self::Error> {
        let _: K = key;
        let _ = std::str::from_utf8(&[])?;
        Ok(())
    }
}

impl<'a, K> Table<'a, K> {
    #[requires_approval(policy = "p", fields(table = self.name, rows = self.rows.len()))]
    #[inline]
    async fn rename<'b>(&'b mut self, to: &'a str) -> Result<&'b str, ApprovalError>
    where
        'a: 'b,
    {
        self.name = to;
        Ok(self.name)
    }
}

fn main() {
    #[requires_approval(policy = "p")]
    async fn nested() -> Result<(), ApprovalError> {
        Ok(())
    }
}
