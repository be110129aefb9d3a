//! Surroundings in which an expansion easily goes wrong: other names, and other macros.

use approvals_core::requires_approval;

use super::{Outcome, Probe, Shape, shape};

pub(crate) fn shapes() -> Vec<Shape> {
    vec![
        shape("names of the prelude taken", |p| async move {
            shadowed::shadowed(&p).await
        }),
        shape("no prelude", |p| async move {
            without_prelude::without_prelude(&p).await
        }),
        shape("made by a macro", |p| async move { made(&p, 1).await }),
        shape("made by a macro, whole body", |p| async move {
            made_whole(&p, 1).await
        }),
        shape("made by a macro, every part", |p| async move {
            made_of_parts(&p, 1).await
        }),
        shape("made by a macro, method", |p| async move {
            Made.method(&p).await
        }),
        shape("in a function", |p| async move { nested(p).await }),
    ]
}

mod shadowed {
    #![allow(
        dead_code,
        unused_macros,
        non_camel_case_types,
        non_snake_case,
        reason = "names that an expansion could fall for"
    )]
    use super::{Outcome, Probe};

    struct Result;
    struct Option;
    struct Box;
    struct String;
    struct Some;
    struct bool;
    struct Future;
    struct Permit;
    struct Attempt;
    struct Awaited;
    struct Running;
    mod core {}
    mod std {}
    mod private {}
    fn Ok() {}
    fn Err() {}
    fn None() {}
    fn drop() {}
    macro_rules! concat {
        ($($t:tt)*) => {
            compile_error!("the user's own")
        };
    }
    macro_rules! module_path {
        () => {
            compile_error!("the user's own")
        };
    }
    macro_rules! format_args {
        ($($t:tt)*) => {
            compile_error!("the user's own")
        };
    }
    macro_rules! file {
        () => {
            compile_error!("the user's own")
        };
    }

    #[super::requires_approval(policy = "p", resource = "n/{probe}", fields(text = "n={probe}"))]
    pub(super) async fn shadowed(probe: &Probe) -> Outcome {
        ::core::result::Result::Ok(probe.ran())
    }
}

mod without_prelude {
    #![no_implicit_prelude]

    #[::approvals_core::requires_approval(
        policy = "p",
        resource = "n/{probe}",
        summary = "n",
        permit
    )]
    pub(super) async fn without_prelude(probe: &super::Probe) -> super::Outcome {
        let _ = permit;
        ::core::result::Result::Ok(probe.ran())
    }
}

macro_rules! guarded {
    ($name:ident, $argument:ident, $policy:literal) => {
        #[requires_approval(policy = $policy, resource = "n/{number}", fields(n = number + 1))]
        async fn $name(probe: &Probe, number: u64) -> Outcome {
            let $argument = number;
            let _ = $argument;
            Ok(probe.ran())
        }
    };
    (whole $name:ident, $probe:ident, $body:block) => {
        #[requires_approval(policy = "p")]
        async fn $name($probe: &Probe, _number: u64) -> Outcome $body
    };
    (parts $(#[$attr:meta])* $vis:vis $name:ident($($argument:ident: $ty:ty),*) -> $output:ty, $value:expr, $text:literal) => {
        $(#[$attr])*
        #[requires_approval(policy = "p", resource = $text, fields(value = $value))]
        $vis async fn $name($($argument: $ty),*) -> $output {
            Ok(probe_of(&$value))
        }
    };
    (method $name:ident) => {
        #[requires_approval(policy = "p", skip(self))]
        async fn $name(&self, probe: &Probe) -> Outcome {
            Ok(probe.ran())
        }
    };
}

fn probe_of(probe: &&Probe) -> u64 {
    probe.ran()
}

guarded!(made, number, "p");
guarded!(whole made_whole, probe, { Ok(probe.ran()) });
guarded!(parts
    /// With documentation.
    pub(super) made_of_parts(probe: &Probe, number: u64) -> Outcome, probe, "db/{number}");

struct Made;

impl Made {
    guarded!(method method);
}

async fn nested(probe: Probe) -> Outcome {
    #[requires_approval(policy = "p")]
    async fn inner(probe: &Probe) -> Outcome {
        Ok(probe.ran())
    }
    inner(&probe).await
}
