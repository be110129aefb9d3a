use std::fmt;

use serde::ser::{Impossible, Serialize, Serializer};

use super::error::{CanonicalError, Fault};
use super::raw;
use super::writer::{Writer, malformed};

/// What a text that a value gives is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A map key. Besides strings it may be anything that has one obvious text.
    Key,
    /// A JSON number as text, from serde_json's `arbitrary_precision`.
    Number,
    /// JSON text, from serde_json's `RawValue`.
    RawValue,
}

/// Takes values that are texts and refuses all others.
pub(super) struct TextSerializer<'w, 'a> {
    writer: &'w mut Writer<'a>,
    meaning: Meaning,
}

impl<'w, 'a> TextSerializer<'w, 'a> {
    #[inline]
    pub(super) fn new(writer: &'w mut Writer<'a>, meaning: Meaning) -> Self {
        Self { writer, meaning }
    }

    /// A key that is `text` and needs no escapes.
    fn plain_key(self, text: &str) -> Result<(), Fault> {
        match self.meaning {
            Meaning::Key => self.writer.string(text),
            Meaning::Number | Meaning::RawValue => Err(malformed()),
        }
    }

    #[cold]
    fn refuse<T>(self) -> Result<T, Fault> {
        Err(match self.meaning {
            Meaning::Key => CanonicalError::KeyNotString {
                pointer: String::new(),
            }
            .into(),
            Meaning::Number | Meaning::RawValue => malformed(),
        })
    }
}

macro_rules! integer_keys {
    ($($method:ident: $integer:ty),*) => {$(
        fn $method(self, value: $integer) -> Result<(), Fault> {
            self.plain_key(itoa::Buffer::new().format(value))
        }
    )*};
}

impl Serializer for TextSerializer<'_, '_> {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = Impossible<(), Fault>;
    type SerializeTuple = Impossible<(), Fault>;
    type SerializeTupleStruct = Impossible<(), Fault>;
    type SerializeTupleVariant = Impossible<(), Fault>;
    type SerializeMap = Impossible<(), Fault>;
    type SerializeStruct = Impossible<(), Fault>;
    type SerializeStructVariant = Impossible<(), Fault>;

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Fault> {
        match self.meaning {
            Meaning::Key => self.writer.string(value),
            Meaning::Number => self.writer.number_text(value),
            Meaning::RawValue => raw::transcode(self.writer, value),
        }
    }

    integer_keys!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
        serialize_u64: u64, serialize_u128: u128
    );

    fn serialize_bool(self, value: bool) -> Result<(), Fault> {
        self.plain_key(if value { "true" } else { "false" })
    }

    fn serialize_char(self, value: char) -> Result<(), Fault> {
        self.plain_key(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Fault> {
        self.plain_key(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        value.serialize(self)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Fault> {
        match self.meaning {
            Meaning::Key => self.writer.display(value),
            Meaning::Number | Meaning::RawValue => self.serialize_str(&value.to_string()),
        }
    }

    /// Refused, unlike in serde_json: `-0.0` and `0.0` are equal but differ as
    /// keys.
    fn serialize_f32(self, _value: f32) -> Result<(), Fault> {
        self.refuse()
    }

    fn serialize_f64(self, _value: f64) -> Result<(), Fault> {
        self.refuse()
    }

    fn serialize_bytes(self, _value: &[u8]) -> Result<(), Fault> {
        self.refuse()
    }

    fn serialize_none(self) -> Result<(), Fault> {
        self.refuse()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Fault> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Fault> {
        self.refuse()
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Fault> {
        self.refuse()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<(), Fault> {
        self.refuse()
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Self::SerializeSeq, Fault> {
        self.refuse()
    }

    fn serialize_tuple(self, _len: usize) -> Result<Self::SerializeTuple, Fault> {
        self.refuse()
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleStruct, Fault> {
        self.refuse()
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleVariant, Fault> {
        self.refuse()
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Self::SerializeMap, Fault> {
        self.refuse()
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStruct, Fault> {
        self.refuse()
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStructVariant, Fault> {
        self.refuse()
    }
}
