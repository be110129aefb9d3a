//! What the digest is taken over: canonical JSON (RFC 8785) of everything that decides.

use super::{Arguments, Bound, Call};
use crate::canonical::write_str;

/// Appends the canonical form. Members stand in the order RFC 8785 wants; the values that were
/// captured are canonical already.
pub(super) fn write(call: &Call, out: &mut String) {
    let declaration = &call.declaration;
    out.push_str("{\"action\":");
    write_str(declaration.action.as_str(), out);
    out.push_str(",\"arguments\":");
    write_arguments(&call.arguments, out);
    if let Some(environment) = call.environment() {
        out.push_str(",\"environment\":");
        write_str(environment.as_str(), out);
    }
    out.push_str(",\"fields\":");
    write_arguments(call.fields(), out);
    out.push_str(",\"labels\":[");
    for (index, (name, value)) in call.labels().enumerate() {
        out.push_str(if index == 0 { "[" } else { ",[" });
        write_str(name, out);
        out.push(',');
        write_str(value, out);
        out.push(']');
    }
    out.push_str("],\"policy\":");
    write_str(declaration.policy.as_str(), out);
    out.push_str(",\"requester\":[");
    for (index, principal) in call.requester.chain().enumerate() {
        // Principal ids are ASCII without quotes or backslashes.
        out.push_str(if index == 0 { "\"" } else { ",\"" });
        out.extend(principal.parts());
        out.push('"');
    }
    out.push(']');
    if let Some(resource) = call.resource() {
        out.push_str(",\"resource\":");
        write_str(resource, out);
    }
    out.push_str(",\"risk\":\"");
    out.push_str(declaration.risk.as_str());
    out.push('"');
    let mut marks = call.sensitive().peekable();
    if marks.peek().is_some() {
        // Nothing where nothing is marked: digests of such calls are what they always were.
        out.push_str(",\"sensitive\":[");
        for (index, name) in marks.enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_str(name, out);
        }
        out.push(']');
    }
    out.push_str(",\"signature\":");
    write_str(&declaration.signature, out);
    out.push_str(",\"version\":");
    out.push_str(itoa::Buffer::new().format(declaration.version));
    out.push('}');
}

/// Each argument is `[name, how, payload…]`, so that no value can pass for another kind of one.
pub(super) fn write_arguments(arguments: &Arguments, out: &mut String) {
    out.push('[');
    for (index, argument) in arguments.iter().enumerate() {
        out.push_str(if index == 0 { "[" } else { ",[" });
        write_str(argument.name, out);
        match argument.bound {
            Bound::Value => out.push_str(",\"value\","),
            Bound::Debug => out.push_str(",\"debug\","),
            Bound::Display => out.push_str(",\"display\","),
            Bound::Redacted(key_id) => {
                out.push_str(",\"redacted\",");
                write_str(key_id, out);
                out.push(',');
            }
            Bound::Skipped => out.push_str(",\"skipped\""),
        }
        out.push_str(argument.json);
        if !argument.big_integers.is_empty() {
            out.push_str(",[");
            for (index, pointer) in argument.big_integers.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_str(pointer, out);
            }
            out.push(']');
        }
        out.push(']');
    }
    out.push(']');
}
