//! E-mail addresses, as far as two of them can be told to be the same.

/// The longest address that SMTP carries, in bytes (RFC 5321, 4.5.3.1.3).
const MAX_ADDRESS: usize = 254;

/// An address in the form in which addresses are compared: ASCII, lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address(String);

impl Address {
    /// Checks an address, and says what is wrong with it.
    ///
    /// Only ASCII: beyond it, letters that look the same, and case that folds in more than one way,
    /// would make two addresses of one or one of two.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > MAX_ADDRESS {
            return Err("is longer than 254 bytes");
        }
        if !text.is_ascii() {
            return Err(
                "has characters that are not ASCII: write an internationalised domain as `xn--…`",
            );
        }
        let Some((local, domain)) = text.split_once('@') else {
            return Err("has no `@`: write it as `alice@example.com`");
        };
        let in_local = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
        if local.is_empty() || !local.bytes().all(in_local) {
            return Err("has a malformed part before the `@`: write it as `alice@example.com`");
        }
        let in_label = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let is_label = |label: &str| {
            let ends = label.starts_with('-') || label.ends_with('-');
            !label.is_empty() && !ends && label.bytes().all(in_label)
        };
        if !domain.split('.').all(is_label) {
            return Err("has a malformed domain: write it as `alice@example.com`");
        }
        let folded = text.to_ascii_lowercase();
        // How Microsoft Entra names the guests of a tenant.
        if folded.contains("#ext#") {
            return Err(
                "is the name of a guest (`#EXT#`): guests do not vote, write the person's own address",
            );
        }
        Ok(Self(folded))
    }

    /// The address in lower case.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}
