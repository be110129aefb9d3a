//! The shape that `#[async_trait]` hands to attributes on its methods, with a permit in the body.

use std::future::Future;
use std::pin::Pin;

use approvals_core::{ApprovalError, Permit, requires_approval};

struct Account {
    name: String,
}

trait Bank {
    fn transfer<'life0, 'life1, 'async_trait>(
        &'life0 self,
        __arg1: (u64, u64),
        to: &'life1 str,
    ) -> Pin<Box<dyn Future<Output = Result<u64, ApprovalError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait;
}

impl Bank for Account {
    #[requires_approval(policy = "bank", fields(account = self.name), resource = "account/{to}", permit)]
    fn transfer<'life0, 'life1, 'async_trait>(
        &'life0 self,
        __arg1: (u64, u64),
        to: &'life1 str,
    ) -> Pin<Box<dyn Future<Output = Result<u64, ApprovalError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            if let Some(__ret) = None::<Result<u64, ApprovalError>> {
                #[allow(unreachable_code)]
                return __ret;
            }
            let __self = self;
            let (euros, cents) = {
                let __arg1 = __arg1;
                __arg1
            };
            let __ret: Result<u64, ApprovalError> = {
                let _: &Permit = permit;
                Ok(euros * 100 + cents + __self.name.len() as u64 + to.len() as u64)
            };
            #[allow(unreachable_code)]
            __ret
        })
    }
}

fn main() {
    fn sends<T: Send>(_: T) {}
    sends(Account { name: String::new() }.transfer((1, 2), "x"));
}
