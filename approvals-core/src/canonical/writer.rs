use std::fmt;

use serde::Serialize;

use super::decimal::{Decimal, is_integer_text};
use super::error::{CanonicalError, Fault, prepend_segment};
use super::order::Member;
use super::string::{escaped_len, needs_escape, write_escaped};
use super::{BigIntegers, Limits};

/// The largest integer that every reader of JSON numbers keeps exactly (RFC 7493 §2.2).
pub(crate) const MAX_SAFE: u64 = (1 << 53) - 1;

/// Appends a whole number as the canonical form carries it: as text where readers may round it.
pub(crate) fn write_unsigned(value: u64, out: &mut String) {
    let quote = if value > MAX_SAFE { "\"" } else { "" };
    out.push_str(quote);
    out.push_str(itoa::Buffer::new().format(value));
    out.push_str(quote);
}

/// A type such as `struct Chain(Option<Box<Chain>>)` recurses without nesting
/// JSON. This many such wrappers are allowed per level of JSON.
const WRAPPERS_PER_LEVEL: usize = 4;

/// Writes canonical JSON straight into the output and puts objects into order
/// when they close.
pub(super) struct Writer<'a> {
    pub(super) out: &'a mut String,
    /// The output may not grow past this length.
    end: usize,
    limits: &'a Limits,
    depth: usize,
    wrappers: usize,
    /// Members of all open objects, innermost last.
    pub(super) members: Vec<Member>,
    /// Pointers of tagged numbers, relative to the value being written.
    tags: Vec<String>,
    tag_bytes: usize,
    failed: bool,
    /// Whether a string with escapes was written since this was last reset.
    pub(super) escaped: bool,
}

/// What one value adds to a pointer.
#[derive(Clone, Copy)]
pub(super) enum Segment<'s> {
    Key(&'s str),
    Index(usize),
    /// The key of this one of [`Writer::members`].
    Member(usize),
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut String, limits: &'a Limits) -> Self {
        let end = out.len().saturating_add(limits.bytes);
        Self {
            out,
            end,
            limits,
            depth: 0,
            wrappers: 0,
            members: Vec::new(),
            tags: Vec::new(),
            tag_bytes: 0,
            failed: false,
            escaped: false,
        }
    }

    /// The pointers, once everything is written.
    pub(super) fn finish(self) -> Result<BigIntegers, Fault> {
        if self.failed {
            return Err(misused("return the first error that a serializer gives"));
        }
        let mut tags = self.tags;
        // Maps may iterate in any order; the pointers may not.
        tags.sort_unstable();
        Ok(BigIntegers(tags))
    }

    #[inline]
    pub(super) fn put(&mut self, text: &str) -> Result<(), Fault> {
        self.room_for(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    #[inline]
    fn room_for(&self, bytes: usize) -> Result<(), Fault> {
        if self.end.saturating_sub(self.out.len()) < bytes {
            return Err(self.too_large());
        }
        Ok(())
    }

    #[cold]
    fn too_large(&self) -> Fault {
        let limit = self.limits.bytes;
        CanonicalError::TooLarge { limit }.into()
    }

    #[inline]
    pub(super) fn string(&mut self, s: &str) -> Result<(), Fault> {
        self.room_for(s.len() + 2)?;
        self.out.reserve(s.len() + 2);
        self.out.push('"');
        if needs_escape(s.as_bytes()) {
            self.escaped = true;
            self.room_for(escaped_len(s) + 1)?;
            write_escaped(s, self.out);
        } else {
            self.out.push_str(s);
        }
        self.out.push('"');
        Ok(())
    }

    /// A string given piece by piece, so that nothing is allocated for it.
    pub(super) fn display(&mut self, value: &(impl fmt::Display + ?Sized)) -> Result<(), Fault> {
        self.put("\"")?;
        let mut pieces = Pieces {
            writer: self,
            fault: None,
        };
        if fmt::write(&mut pieces, format_args!("{value}")).is_err() {
            return Err(pieces.fault.unwrap_or_else(|| {
                CanonicalError::Custom("a `Display` implementation failed".to_owned()).into()
            }));
        }
        self.put("\"")
    }

    #[inline]
    pub(super) fn unsigned(&mut self, value: u64) -> Result<(), Fault> {
        if value > MAX_SAFE {
            return self.tagged(&value.to_string());
        }
        self.put(itoa::Buffer::new().format(value))
    }

    #[inline]
    pub(super) fn signed(&mut self, value: i64) -> Result<(), Fault> {
        if value.unsigned_abs() > MAX_SAFE {
            return self.tagged(&value.to_string());
        }
        self.put(itoa::Buffer::new().format(value))
    }

    #[inline]
    pub(super) fn float(&mut self, value: f64) -> Result<(), Fault> {
        if !value.is_finite() {
            return Err(CanonicalError::NonFinite {
                pointer: String::new(),
            }
            .into());
        }
        // Casts of floats saturate, so what comes back equal was an integer all
        // along. Negative zero becomes zero, as it should.
        #[expect(clippy::cast_possible_truncation, reason = "compared afterwards")]
        let integer = value as i64;
        if integer.unsigned_abs() <= MAX_SAFE && integer as f64 == value {
            return self.put(itoa::Buffer::new().format(integer));
        }
        // RFC 8785 §3.2.2.3 is ECMAScript's Number::toString, which has no negative zero.
        self.put(ryu_js::Buffer::new().format_finite(value))
    }

    /// A number given as JSON text, of any size and precision. It stays a
    /// number only if it reads back as the same decimal.
    pub(super) fn number_text(&mut self, text: &str) -> Result<(), Fault> {
        let decimal = Decimal::parse(text).ok_or_else(malformed)?;
        if is_integer_text(text) {
            return match text.parse::<i64>() {
                Ok(value) => self.signed(value),
                Err(_) => self.tagged(text),
            };
        }
        let nearest: f64 = text.parse().map_err(|_| malformed())?;
        if nearest.is_finite() {
            let mut buffer = ryu_js::Buffer::new();
            let written = buffer.format_finite(nearest);
            if Decimal::parse(written).as_ref() == Some(&decimal) {
                return self.put(written);
            }
        }
        self.tagged(&decimal.normal_text())
    }

    /// A number carried as a string, and noted as such.
    #[cold]
    pub(super) fn tagged(&mut self, decimal: &str) -> Result<(), Fault> {
        self.string(decimal)?;
        self.tags.push(String::new());
        Ok(())
    }

    #[inline]
    pub(super) fn open(&mut self, bracket: &str) -> Result<(), Fault> {
        if self.depth >= self.limits.depth {
            return Err(self.too_deep());
        }
        self.depth += 1;
        self.put(bracket)
    }

    #[inline]
    pub(super) fn close(&mut self, bracket: &str) -> Result<(), Fault> {
        self.depth = self.depth.saturating_sub(1);
        self.put(bracket)
    }

    #[cold]
    fn too_deep(&self) -> Fault {
        let limit = self.limits.depth;
        CanonicalError::TooDeep { limit }.into()
    }

    /// Writes the inside of a wrapper that leaves no trace in the JSON.
    #[inline]
    pub(super) fn wrapped<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        self.wrappers += 1;
        if self.wrappers > self.limits.depth.saturating_mul(WRAPPERS_PER_LEVEL) {
            return Err(self.too_deep());
        }
        value.serialize(&mut *self)?;
        self.wrappers -= 1;
        Ok(())
    }

    #[inline]
    pub(super) fn tag_count(&self) -> usize {
        self.tags.len()
    }

    /// Completes what `write` does inside the container: pointers that arose
    /// in it, and its error, get the container's segment.
    #[inline]
    pub(super) fn inside(
        &mut self,
        segment: Segment<'_>,
        write: impl FnOnce(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let tags_before = self.tags.len();
        match write(self) {
            Ok(()) if self.tags.len() == tags_before => Ok(()),
            Ok(()) => self.place_tags(tags_before, segment),
            Err(fault) => Err(self.place_fault(fault, segment)),
        }
    }

    #[cold]
    pub(super) fn place_tags(&mut self, from: usize, segment: Segment<'_>) -> Result<(), Fault> {
        let segment = self.segment_text(segment);
        for tag in self.tags.iter_mut().skip(from) {
            let before = tag.len();
            prepend_segment(tag, &segment);
            self.tag_bytes += tag.len() - before;
            // Many pointers through one long key would outgrow the value itself.
            if self.tag_bytes > self.limits.bytes {
                let limit = self.limits.bytes;
                return Err(CanonicalError::TooLarge { limit }.into());
            }
        }
        Ok(())
    }

    #[cold]
    pub(super) fn place_fault(&mut self, fault: Fault, segment: Segment<'_>) -> Fault {
        self.failed = true;
        fault.within(&self.segment_text(segment))
    }

    fn segment_text(&self, segment: Segment<'_>) -> String {
        match segment {
            Segment::Key(key) => key.to_owned(),
            Segment::Index(index) => index.to_string(),
            Segment::Member(index) => self
                .members
                .get(index)
                .map(|member| member.key(self.out.as_bytes()))
                .unwrap_or_default(),
        }
    }

    /// Remembers a fault that has no segment, so that it cannot be ignored.
    #[cold]
    pub(super) fn note_fault(&mut self, fault: Fault) -> Fault {
        self.failed = true;
        fault
    }
}

#[cold]
pub(super) fn malformed() -> Fault {
    CanonicalError::MalformedJson {
        pointer: String::new(),
    }
    .into()
}

#[cold]
pub(super) fn misused(fix: &'static str) -> Fault {
    CanonicalError::Misused {
        pointer: String::new(),
        fix,
    }
    .into()
}

struct Pieces<'w, 'a> {
    writer: &'w mut Writer<'a>,
    fault: Option<Fault>,
}

impl fmt::Write for Pieces<'_, '_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if let Err(fault) = self.writer.room_for(escaped_len(piece)) {
            self.fault = Some(fault);
            return Err(fmt::Error);
        }
        self.writer.escaped |= needs_escape(piece.as_bytes());
        write_escaped(piece, self.writer.out);
        Ok(())
    }
}
