//! The canonical form of a presentation, which its hash is taken over.
//!
//! Its members have fixed names that stand in order, so nothing has to be sorted or looked at
//! twice: this writes in one pass what [`crate::canonical::write`] writes. A test compares them.

use std::borrow::Cow;

use super::{Presentation, ShownArgument};
use crate::canonical::{write_str, write_unsigned};

/// Appends the canonical form. `pause` is called now and then, and may take what was written.
pub(super) fn write(
    presentation: &Presentation<'_>,
    out: &mut String,
    mut pause: impl FnMut(&mut String),
) {
    // A member that is forgotten here is a compile error.
    let Presentation {
        action,
        arguments,
        asked_at,
        claim,
        digest,
        environment,
        expires_at,
        fields,
        labels,
        masked,
        model,
        origin,
        reasons,
        request,
        requester,
        requirements,
        resource,
        risk,
        summary,
        version,
        warnings,
    } = presentation;
    out.push_str("{\"action\":");
    write_str(action, out);
    out.push_str(",\"arguments\":");
    list(arguments, out, shown);
    pause(out);
    out.push_str(",\"asked_at\":");
    write_unsigned(asked_at.as_millis(), out);
    out.push_str(",\"claim\":");
    optional(claim.as_deref(), out);
    out.push_str(",\"digest\":\"");
    digest.write(out);
    out.push_str("\",\"environment\":");
    optional(environment.as_deref(), out);
    out.push_str(",\"expires_at\":");
    write_unsigned(expires_at.as_millis(), out);
    out.push_str(",\"fields\":");
    list(fields, out, shown);
    pause(out);
    out.push_str(",\"labels\":");
    list(labels, out, pair);
    out.push_str(",\"masked\":");
    list(masked, out, |place, out| write_str(place, out));
    out.push_str(",\"model\":");
    optional(model.as_deref(), out);
    out.push_str(",\"origin\":");
    write_str(origin, out);
    pause(out);
    out.push_str(",\"reasons\":");
    list(reasons, out, pair);
    out.push_str(",\"request\":");
    write_str(request, out);
    out.push_str(",\"requester\":");
    write_str(requester, out);
    out.push_str(",\"requirements\":");
    list(requirements, out, |line, out| write_str(line, out));
    pause(out);
    out.push_str(",\"resource\":");
    optional(resource.as_deref(), out);
    out.push_str(",\"risk\":\"");
    out.push_str(risk.as_str());
    out.push_str("\",\"summary\":");
    optional(summary.as_deref(), out);
    out.push_str(",\"version\":");
    write_unsigned((*version).into(), out);
    out.push_str(",\"warnings\":");
    list(warnings, out, |line, out| write_str(line, out));
    out.push('}');
}

fn shown(argument: &ShownArgument<'_>, out: &mut String) {
    let ShownArgument { name, remark, text } = argument;
    out.push_str("{\"name\":");
    write_str(name, out);
    out.push_str(",\"remark\":");
    write_str(remark, out);
    out.push_str(",\"text\":");
    write_str(text, out);
    out.push('}');
}

fn pair((name, text): &(Cow<'_, str>, Cow<'_, str>), out: &mut String) {
    out.push('[');
    write_str(name, out);
    out.push(',');
    write_str(text, out);
    out.push(']');
}

fn optional(text: Option<&str>, out: &mut String) {
    match text {
        Some(text) => write_str(text, out),
        None => out.push_str("null"),
    }
}

fn list<T>(items: &[T], out: &mut String, write: impl Fn(&T, &mut String)) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Risk;
    use crate::canonical::{self, Limits};
    use crate::digest::{Digest, Domain};
    use crate::time::Timestamp;

    fn argument(name: &str, remark: &str, text: &str) -> ShownArgument<'static> {
        ShownArgument {
            name: Cow::Owned(name.to_owned()),
            remark: Cow::Owned(remark.to_owned()),
            text: Cow::Owned(text.to_owned()),
        }
    }

    fn assert_canonical(presentation: &Presentation<'_>) {
        let (mut general, mut ours) = (String::new(), String::new());
        canonical::write(presentation, &mut general, &Limits::default()).unwrap();
        write(presentation, &mut ours, |_| ());
        assert_eq!(ours, general);
        let mut pieces = String::new();
        let mut rest = String::new();
        write(presentation, &mut rest, |text| {
            pieces.push_str(text);
            text.clear();
        });
        assert_eq!(pieces + &rest, general);
        let whole = Digest::of(Domain::Presentation, general.as_bytes());
        assert_eq!(presentation.hash(), whole);
    }

    #[test]
    fn the_hash_is_taken_over_the_canonical_form() {
        let empty = Presentation {
            action: Cow::Borrowed("db.export"),
            arguments: Vec::new(),
            asked_at: Timestamp::from_millis(0),
            claim: None,
            digest: Digest::from_bytes([0xa5; 32]),
            environment: None,
            expires_at: Timestamp::from_millis(1_767_225_600_000),
            fields: Vec::new(),
            labels: Vec::new(),
            masked: Vec::new(),
            model: None,
            origin: Cow::Borrowed("reports::export (src/reports.rs:12)"),
            reasons: Vec::new(),
            request: "req_0".to_owned(),
            requester: "agent:exporter for person:alice".to_owned(),
            requirements: Vec::new(),
            resource: None,
            risk: Risk::Low,
            summary: None,
            version: 1,
            warnings: Vec::new(),
        };
        assert_canonical(&empty);
        let texts = [
            "",
            "a \"b\" \\c",
            "{\"k\":[1,\"x\"]}",
            "tab\there\u{1}",
            "né 💾 \u{202e}",
        ];
        for text in texts {
            let text = || Cow::Owned(text.to_owned());
            let full = Presentation {
                action: text(),
                arguments: texts.map(|other| argument(&text(), other, other)).to_vec(),
                // Beyond what a number carries.
                asked_at: Timestamp::from_millis((1 << 53) - 1),
                expires_at: Timestamp::from_millis(u64::MAX),
                claim: Some(text()),
                environment: Some(text()),
                fields: vec![argument("f", &text(), "1")],
                labels: vec![(text(), text()), ("b".into(), "c".into())],
                masked: vec![text(), text()],
                model: Some(text().into_owned()),
                origin: text(),
                reasons: vec![("rule".into(), text()), (text(), "".into())],
                request: text().into_owned(),
                requester: text().into_owned(),
                requirements: vec![text().into_owned(), "1 of seniors".to_owned()],
                resource: Some(text()),
                risk: Risk::Critical,
                summary: Some(text()),
                version: u32::MAX,
                warnings: vec![text().into_owned(), text().into_owned()],
                ..empty.clone()
            };
            assert_canonical(&full);
        }
    }
}
