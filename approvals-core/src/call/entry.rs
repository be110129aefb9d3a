//! A call as an entry of a log has it: the canonical form of what is stored.

use super::more::More;
use super::{Arguments, Bound, Call, Declaration};
use crate::audit::Text;
use crate::canonical::write_escaped;

impl Text<'_> {
    pub(crate) fn call(&mut self, call: &Call) {
        // A member that is forgotten here is a compile error.
        let Call {
            declaration,
            requester,
            arguments,
            digest,
            more,
        } = call;
        let More {
            fields,
            resource,
            environment,
            labels,
            justification,
            summary,
            key,
            masked,
            sensitive,
        } = More::of(more.as_deref());
        self.put("{\"arguments\":");
        self.arguments(arguments);
        self.put(",\"declaration\":");
        self.declaration(declaration);
        self.put(",\"digest\":");
        self.optional(digest.get(), Self::digest);
        if let Some(environment) = environment {
            self.put(",\"environment\":");
            self.plain(environment.as_str());
        }
        self.put(",\"fields\":");
        self.arguments(fields);
        if let Some(justification) = justification {
            self.put(",\"justification\":");
            self.string(justification);
        }
        if let Some(key) = key {
            self.put(",\"key\":");
            self.plain(key.as_str());
        }
        self.put(",\"labels\":");
        self.list(labels, |text, (name, value)| {
            text.put("[");
            text.string(name);
            text.put(",");
            text.string(value);
            text.put("]");
        });
        self.put(",\"masked\":");
        self.list(masked, |text, place| text.string(place));
        self.put(",\"requester\":");
        self.requester(requester);
        if let Some(resource) = resource {
            self.put(",\"resource\":");
            self.string(resource);
        }
        if !sensitive.is_empty() {
            self.put(",\"sensitive\":");
            self.list(sensitive, |text, name| text.string(name));
        }
        if let Some(summary) = summary {
            self.put(",\"summary\":");
            self.string(summary);
        }
        self.put("}");
    }

    fn declaration(&mut self, declaration: &Declaration) {
        let Declaration {
            action,
            policy,
            signature,
            version,
            risk,
            idempotent,
            origin,
        } = declaration;
        self.put("{\"action\":");
        self.plain(action.as_str());
        self.put(",\"idempotent\":");
        self.truth(*idempotent);
        self.put(",\"origin\":");
        self.string(origin);
        self.put(",\"policy\":");
        self.plain(policy.as_str());
        self.put(",\"risk\":");
        self.plain(risk.as_str());
        self.put(",\"signature\":");
        self.string(signature);
        self.put(",\"version\":");
        self.number((*version).into());
        self.put("}");
    }

    fn arguments(&mut self, arguments: &Arguments) {
        let mut end = 0;
        self.put("{\"slots\":");
        self.list(arguments.iter(), |text, argument| {
            end += argument.json.len();
            text.put("{\"bound\":");
            text.put(match argument.bound {
                Bound::Value => "\"value\"",
                Bound::Debug => "\"debug\"",
                Bound::Display => "\"display\"",
                Bound::Skipped => "\"skipped\"",
                Bound::Redacted(_) => "{\"redacted\":",
            });
            if let Bound::Redacted(key) = argument.bound {
                text.string(key);
                text.put("}");
            }
            text.put(",\"end\":");
            text.number(end as u64);
            if !argument.big_integers.is_empty() {
                text.put(",\"integers\":");
                text.list(argument.big_integers, |text, pointer| text.string(pointer));
            }
            text.put(",\"name\":");
            text.string(argument.name);
            text.put("}");
        });
        self.put(",\"text\":\"");
        for argument in arguments.iter() {
            write_escaped(argument.json, self.out);
        }
        self.put("\"}");
    }
}
