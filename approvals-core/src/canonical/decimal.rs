/// A decimal number read from JSON text, in a form in which equal numbers are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: String,
    /// The power of ten that the digits, read as an integer, are multiplied by.
    exponent: i64,
}

impl Decimal {
    /// Reads exactly one number of the JSON grammar. `None` if it is malformed
    /// or its exponent is absurd.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, power) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, Some(power)),
            None => (unsigned, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if !all_digits(whole) || leading_zero || !fraction.is_none_or(all_digits) {
            return None;
        }
        let fraction = fraction.unwrap_or_default();
        let mut exponent = power.map_or(Some(0), parse_power)?;
        exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;

        let digits = [whole, fraction].concat();
        let trimmed = digits.trim_end_matches('0');
        exponent = exponent.checked_add(i64::try_from(digits.len() - trimmed.len()).ok()?)?;
        let trimmed = trimmed.trim_start_matches('0');
        if trimmed.is_empty() {
            return Some(Self {
                negative: false,
                digits: String::new(),
                exponent: 0,
            });
        }
        Some(Self {
            negative,
            digits: trimmed.to_owned(),
            exponent,
        })
    }

    /// One text per number, such as `-12345e-3`.
    pub(super) fn normal_text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let digits = if self.digits.is_empty() {
            "0"
        } else {
            &self.digits
        };
        match self.exponent {
            0 => format!("{sign}{digits}"),
            exponent => format!("{sign}{digits}e{exponent}"),
        }
    }
}

/// Whether JSON number text has neither fraction nor exponent.
pub(super) fn is_integer_text(text: &str) -> bool {
    all_digits(text.strip_prefix('-').unwrap_or(text))
}

fn parse_power(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !all_digits(unsigned) {
        return None;
    }
    text.parse().ok()
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
