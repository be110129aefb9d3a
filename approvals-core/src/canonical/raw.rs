//! JSON text to canonical JSON, without a detour through values that would
//! drop duplicate keys and round numbers.

use super::error::Fault;
use super::writer::{Segment, Writer, malformed};

/// Reads exactly one JSON value and writes its canonical form.
pub(super) fn transcode(writer: &mut Writer<'_>, json: &str) -> Result<(), Fault> {
    let mut reader = Reader { rest: json };
    reader.skip_whitespace();
    reader.value(writer)?;
    reader.skip_whitespace();
    if reader.rest.is_empty() {
        Ok(())
    } else {
        Err(malformed())
    }
}

struct Reader<'j> {
    rest: &'j str,
}

impl Reader<'_> {
    /// Depth is bounded by the writer's.
    fn value(&mut self, writer: &mut Writer<'_>) -> Result<(), Fault> {
        match self.rest.bytes().next() {
            Some(b'{') => self.object(writer),
            Some(b'[') => self.array(writer),
            Some(b'"') => {
                let text = self.string()?;
                writer.string(&text)
            }
            Some(b'-' | b'0'..=b'9') => {
                let number = self.take_while(|byte| {
                    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
                })?;
                writer.number_text(number)
            }
            Some(_) => {
                let word = self.take_while(|byte| byte.is_ascii_lowercase())?;
                match word {
                    "true" | "false" | "null" => writer.put(word),
                    _ => Err(malformed()),
                }
            }
            None => Err(malformed()),
        }
    }

    fn object(&mut self, writer: &mut Writer<'_>) -> Result<(), Fault> {
        self.expect('{')?;
        let mut object = writer.open_object()?;
        if !self.accept('}') {
            loop {
                let key = self.string()?;
                self.expect(':')?;
                writer.key(&mut object, |writer| writer.string(&key))?;
                writer.value(&mut object, |writer| self.value(writer))?;
                self.skip_whitespace();
                if !self.accept(',') {
                    break;
                }
            }
            self.expect('}')?;
        }
        writer.close_object(&object)
    }

    fn array(&mut self, writer: &mut Writer<'_>) -> Result<(), Fault> {
        self.expect('[')?;
        writer.open("[")?;
        if !self.accept(']') {
            for index in 0.. {
                if index > 0 {
                    writer.put(",")?;
                }
                writer.inside(Segment::Index(index), |writer| self.value(writer))?;
                self.skip_whitespace();
                if !self.accept(',') {
                    break;
                }
            }
            self.expect(']')?;
        }
        writer.close("]")
    }

    /// One JSON string. serde_json judges the escapes, and refuses lone surrogates.
    fn string(&mut self) -> Result<String, Fault> {
        let inside = self.rest.strip_prefix('"').ok_or_else(malformed)?;
        let mut escaped = false;
        let length = inside
            .bytes()
            .position(|byte| {
                let closes = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                closes
            })
            .ok_or_else(malformed)?;
        let (text, rest) = self
            .rest
            .split_at_checked(length + 2)
            .ok_or_else(malformed)?;
        self.rest = rest;
        serde_json::from_str(text).map_err(|_| malformed())
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> Result<&str, Fault> {
        let length = self.rest.bytes().take_while(|&byte| wanted(byte)).count();
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn skip_whitespace(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Takes `token` if it is next, and the whitespace after it.
    fn accept(&mut self, token: char) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                self.skip_whitespace();
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: char) -> Result<(), Fault> {
        self.skip_whitespace();
        if self.accept(token) {
            Ok(())
        } else {
            Err(malformed())
        }
    }
}
