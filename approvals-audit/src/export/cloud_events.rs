//! Events in the envelope of CloudEvents 1.0, in its JSON format.

use serde_json::{Value, json};

use super::account::Account;

/// The envelope, with the event's own text as its data.
pub(super) fn event(account: &Account<'_>, origin: &str) -> String {
    let recorded = account.recorded;
    let mut envelope = json!({
        "specversion": "1.0",
        "id": recorded.id.to_string(),
        "source": source(origin),
        "type": format!("dev.approvals.{}.{}", account.subject, account.event),
        "time": recorded.at.to_string(),
        "datacontenttype": "application/json",
        // Of the same length, so that sorting them as text sorts them as numbers.
        "sequence": format!("{:020}", recorded.index),
    });
    if let Some(fields) = envelope.as_object_mut() {
        if let Some(request) = recorded.request {
            fields.insert("subject".to_owned(), Value::String(request.to_string()));
        }
        let trace = account.call.requester.and_then(|r| r.traceparent());
        if let Some(trace) = trace {
            fields.insert("traceparent".to_owned(), Value::String(trace.to_owned()));
        }
    }
    let mut text = envelope.to_string();
    // The data as it was hashed: reading and writing it again could change it.
    text.truncate(text.len() - 1);
    format!("{text},\"data\":{}}}", recorded.text())
}

/// The log's origin as a URI. It has no spaces; what else a URI has not is percent-encoded.
fn source(origin: &str) -> String {
    use std::fmt::Write as _;
    let mut uri = "approvals://".to_owned();
    for byte in origin.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // A string takes whatever is written.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_uri_whatever_it_is_called() {
        assert_eq!(
            source("example.com/approvals"),
            "approvals://example.com/approvals"
        );
        assert_eq!(source("a\"b?c#d%ü"), "approvals://a%22b%3Fc%23d%25%C3%BC");
    }
}
