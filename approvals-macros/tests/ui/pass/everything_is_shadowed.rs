//! A scope in which every common name means something else, and methods that want to be called.
#![allow(dead_code, non_upper_case_globals, unused_macros)]

mod shadowed {
    use ::std::future as real_future;
    use ::std::pin as real_pin;
    use ::std::result as real_result;
    use ::std::string::String as Text;

    struct Ok;
    struct Err;
    struct Some;
    struct None;
    struct Box;
    struct Vec;
    struct Pin;
    struct Option;
    struct Result;
    struct String;
    trait Future {}
    mod std {}
    mod core {}
    mod approvals_core {}

    macro_rules! format_args {
        ($($tokens:tt)*) => {
            compile_error!("not the one that is meant")
        };
    }
    macro_rules! line {
        () => {
            compile_error!("not the one that is meant")
        };
    }

    /// By value, so that method syntax would prefer it to an inherent method on `&self`.
    trait Greedy: Sized {
        fn wants_arguments(self) -> bool {
            loop {}
        }
        fn capture(self) {}
        fn authorize(self) {}
        fn start(self) {}
        fn succeeded(self) -> bool {
            true
        }
        fn refused(self) {}
    }
    impl<T> Greedy for T {}

    #[::approvals_core::requires_approval(policy = "prod-db", resource = "db/{database}", fields(text = "{database}"), key = database)]
    pub async fn plain(database: &str) -> real_result::Result<(), ::approvals_core::ApprovalError> {
        let _ = database;
        real_result::Result::Ok(())
    }

    #[::approvals_core::requires_approval(policy = "prod-db", gate = gate)]
    pub fn boxed(
        #[allow(unused)] database: Text,
        #[cfg(any())] gone: Ok,
    ) -> real_pin::Pin<
        ::std::boxed::Box<
            dyn real_future::Future<Output = real_result::Result<(), ::approvals_core::ApprovalError>>,
        >,
    > {
        ::std::boxed::Box::pin(async move { real_result::Result::Ok(()) })
    }

    static gate: ::std::sync::LazyLock<::approvals_core::Gate> = ::std::sync::LazyLock::new(|| loop {});

    #[::approvals_core::requires_approval(policy = "prod-db")]
    pub fn opaque(
        database: Text,
    ) -> impl real_future::Future<Output = real_result::Result<(), ::approvals_core::ApprovalError>> {
        let _ = database;
        async move { real_result::Result::Ok(()) }
    }
}

fn main() {}
