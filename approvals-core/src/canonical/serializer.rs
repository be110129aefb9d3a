use std::fmt;

use serde::ser::{self, Serialize};

use super::error::Fault;
use super::object::Object;
use super::text::{Meaning, TextSerializer};
use super::writer::{Segment, Writer};

/// The names under which serde_json smuggles numbers of arbitrary precision
/// and unparsed JSON through serde's data model.
const NUMBER: &str = "$serde_json::private::Number";
const RAW_VALUE: &str = "$serde_json::private::RawValue";

impl<'w, 'a> ser::Serializer for &'w mut Writer<'a> {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = Elements<'w, 'a>;
    type SerializeTuple = Elements<'w, 'a>;
    type SerializeTupleStruct = Elements<'w, 'a>;
    type SerializeTupleVariant = Elements<'w, 'a>;
    type SerializeMap = Fields<'w, 'a>;
    type SerializeStruct = Fields<'w, 'a>;
    type SerializeStructVariant = Fields<'w, 'a>;

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Fault> {
        self.put(if value { "true" } else { "false" })
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<(), Fault> {
        self.signed(value.into())
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<(), Fault> {
        self.signed(value.into())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<(), Fault> {
        self.signed(value.into())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), Fault> {
        self.signed(value)
    }

    fn serialize_i128(self, value: i128) -> Result<(), Fault> {
        match i64::try_from(value) {
            Ok(small) => self.signed(small),
            Err(_) => self.tagged(&value.to_string()),
        }
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<(), Fault> {
        self.unsigned(value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<(), Fault> {
        self.unsigned(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<(), Fault> {
        self.unsigned(value.into())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<(), Fault> {
        self.unsigned(value)
    }

    fn serialize_u128(self, value: u128) -> Result<(), Fault> {
        match u64::try_from(value) {
            Ok(small) => self.unsigned(small),
            Err(_) => self.tagged(&value.to_string()),
        }
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<(), Fault> {
        self.float(value.into())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), Fault> {
        self.float(value)
    }

    #[inline]
    fn serialize_char(self, value: char) -> Result<(), Fault> {
        self.string(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Fault> {
        self.string(value)
    }

    /// As serde_json: an array of numbers.
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Fault> {
        self.open("[")?;
        for (index, byte) in value.iter().enumerate() {
            if index > 0 {
                self.put(",")?;
            }
            self.unsigned((*byte).into())?;
        }
        self.close("]")
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Fault> {
        self.put("null")
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Fault> {
        self.wrapped(value)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Fault> {
        self.put("null")
    }

    #[inline]
    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Fault> {
        self.put("null")
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Fault> {
        self.string(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        self.wrapped(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        self.open_variant(variant)?;
        self.inside(Segment::Key(variant), |writer| value.serialize(writer))?;
        self.close("}")
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Elements<'w, 'a>, Fault> {
        Elements::open(self, None)
    }

    fn serialize_tuple(self, _len: usize) -> Result<Elements<'w, 'a>, Fault> {
        Elements::open(self, None)
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Elements<'w, 'a>, Fault> {
        Elements::open(self, None)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Elements<'w, 'a>, Fault> {
        Elements::open(self, Some(variant))
    }

    #[inline]
    fn serialize_map(self, _len: Option<usize>) -> Result<Fields<'w, 'a>, Fault> {
        Fields::open(self, None)
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, _len: usize) -> Result<Fields<'w, 'a>, Fault> {
        let meaning = match name {
            NUMBER => Meaning::Number,
            RAW_VALUE => Meaning::RawValue,
            _ => return Fields::open(self, None),
        };
        Ok(Fields::Embedded {
            writer: self,
            meaning,
            written: false,
        })
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Fields<'w, 'a>, Fault> {
        Fields::open(self, Some(variant))
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Fault> {
        self.display(value)
    }
}

impl Writer<'_> {
    fn open_variant(&mut self, variant: &str) -> Result<(), Fault> {
        self.open("{")?;
        self.string(variant)?;
        self.put(":")
    }
}

/// The object that holds a variant with content: `{"Variant": …}`.
#[derive(Clone, Copy)]
pub(super) struct Holder {
    variant: &'static str,
    tags_before: usize,
}

impl Holder {
    fn open(writer: &mut Writer<'_>, variant: &'static str) -> Result<Self, Fault> {
        let tags_before = writer.tag_count();
        writer.open_variant(variant)?;
        Ok(Self {
            variant,
            tags_before,
        })
    }

    fn close(self, writer: &mut Writer<'_>) -> Result<(), Fault> {
        writer.place_tags(self.tags_before, Segment::Key(self.variant))?;
        writer.close("}")
    }
}

/// Places a fault of the content in its holder, if it has one.
fn held(writer: &mut Writer<'_>, holder: Option<Holder>, fault: Fault) -> Fault {
    match holder {
        Some(holder) => writer.place_fault(fault, Segment::Key(holder.variant)),
        None => writer.note_fault(fault),
    }
}

/// An array that is being written.
pub(super) struct Elements<'w, 'a> {
    writer: &'w mut Writer<'a>,
    holder: Option<Holder>,
    next: usize,
}

impl<'w, 'a> Elements<'w, 'a> {
    #[inline]
    fn open(writer: &'w mut Writer<'a>, variant: Option<&'static str>) -> Result<Self, Fault> {
        let holder = match variant {
            Some(variant) => Some(Holder::open(writer, variant)?),
            None => None,
        };
        writer.open("[")?;
        Ok(Self {
            writer,
            holder,
            next: 0,
        })
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        if self.next > 0 {
            self.writer.put(",")?;
        }
        let segment = Segment::Index(self.next);
        self.next += 1;
        self.writer
            .inside(segment, |writer| value.serialize(writer))
            .map_err(|fault| held(self.writer, self.holder, fault))
    }

    #[inline]
    fn close(self) -> Result<(), Fault> {
        self.writer.close("]")?;
        match self.holder {
            Some(holder) => holder.close(self.writer),
            None => Ok(()),
        }
    }
}

/// An object that is being written, or one of serde_json's stand-ins.
pub(super) enum Fields<'w, 'a> {
    Object {
        writer: &'w mut Writer<'a>,
        holder: Option<Holder>,
        object: Object,
    },
    Embedded {
        writer: &'w mut Writer<'a>,
        meaning: Meaning,
        written: bool,
    },
}

impl<'w, 'a> Fields<'w, 'a> {
    #[inline]
    fn open(writer: &'w mut Writer<'a>, variant: Option<&'static str>) -> Result<Self, Fault> {
        let holder = match variant {
            Some(variant) => Some(Holder::open(writer, variant)?),
            None => None,
        };
        let object = writer.open_object()?;
        Ok(Self::Object {
            writer,
            holder,
            object,
        })
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Fault> {
        match self {
            Self::Object {
                writer,
                holder,
                object,
            } => writer
                .key(object, |writer| writer.string(key))
                .and_then(|()| writer.value(object, |writer| value.serialize(writer)))
                .map_err(|fault| held(writer, *holder, fault)),
            Self::Embedded {
                writer,
                meaning,
                written,
            } => {
                if std::mem::replace(written, true) {
                    return Err(writer.note_fault(super::writer::malformed()));
                }
                value
                    .serialize(TextSerializer::new(writer, *meaning))
                    .map_err(|fault| writer.note_fault(fault))
            }
        }
    }

    #[inline]
    fn close(self) -> Result<(), Fault> {
        match self {
            Self::Object {
                writer,
                holder,
                object,
            } => {
                writer
                    .close_object(&object)
                    .map_err(|fault| held(writer, holder, fault))?;
                match holder {
                    Some(holder) => holder.close(writer),
                    None => Ok(()),
                }
            }
            Self::Embedded { written: true, .. } => Ok(()),
            Self::Embedded { writer, .. } => Err(writer.note_fault(super::writer::malformed())),
        }
    }
}

impl ser::SerializeMap for Fields<'_, '_> {
    type Ok = ();
    type Error = Fault;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        match self {
            Self::Object { writer, object, .. } => writer
                .key(object, |writer| {
                    key.serialize(TextSerializer::new(writer, Meaning::Key))
                })
                .map_err(|fault| writer.note_fault(fault)),
            Self::Embedded { writer, .. } => Err(writer.note_fault(super::writer::malformed())),
        }
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        match self {
            Self::Object { writer, object, .. } => {
                writer.value(object, |writer| value.serialize(writer))
            }
            Self::Embedded { writer, .. } => Err(writer.note_fault(super::writer::malformed())),
        }
    }

    #[inline]
    fn end(self) -> Result<(), Fault> {
        self.close()
    }
}

macro_rules! fields {
    ($($serde_trait:ident),*) => {$(
        impl ser::$serde_trait for Fields<'_, '_> {
            type Ok = ();
            type Error = Fault;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Fault> {
                self.field(key, value)
            }

            #[inline]
            fn end(self) -> Result<(), Fault> {
                self.close()
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

macro_rules! elements {
    ($($serde_trait:ident :: $method:ident),*) => {$(
        impl ser::$serde_trait for Elements<'_, '_> {
            type Ok = ();
            type Error = Fault;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
                self.element(value)
            }

            #[inline]
            fn end(self) -> Result<(), Fault> {
                self.close()
            }
        }
    )*};
}

elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);
