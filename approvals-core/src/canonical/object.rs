use std::cmp::Ordering;

use super::error::{CanonicalError, Fault};
use super::order::Member;
use super::writer::{Segment, Writer, misused};

/// An object that is being written.
#[derive(Debug)]
pub(super) struct Object {
    /// Where the first member begins in the output.
    body: usize,
    /// Where its members begin in [`Writer::members`].
    base: usize,
    /// Whether the last member has a key and no value yet.
    pending: bool,
}

impl Writer<'_> {
    #[inline]
    pub(super) fn open_object(&mut self) -> Result<Object, Fault> {
        self.open("{")?;
        if self.members.capacity() == 0 {
            self.members.reserve(16);
        }
        Ok(Object {
            body: self.out.len(),
            base: self.members.len(),
            pending: false,
        })
    }

    /// Writes a key; `write_key` gives the JSON string.
    #[inline]
    pub(super) fn key(
        &mut self,
        object: &mut Object,
        write_key: impl FnOnce(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if object.pending {
            return Err(self.note_fault(misused("give a value after every map key")));
        }
        if self.out.len() > object.body {
            self.put(",")?;
        }
        let start = self.out.len();
        self.escaped = false;
        write_key(self)?;
        let key_end = self.out.len() - 1;
        let member = Member::new(self.out.as_bytes(), start, key_end, self.escaped);
        self.members.push(member);
        object.pending = true;
        self.put(":")
    }

    /// Writes the value of the key before.
    #[inline]
    pub(super) fn value(
        &mut self,
        object: &mut Object,
        write: impl FnOnce(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if !std::mem::take(&mut object.pending) {
            return Err(self.note_fault(misused("give a map key before every value")));
        }
        // Objects inside take their members along when they close.
        let index = self.members.len() - 1;
        self.inside(Segment::Member(index), write)?;
        if let Some(member) = self.members.get_mut(index) {
            member.end = self.out.len();
        }
        Ok(())
    }

    #[inline]
    pub(super) fn close_object(&mut self, object: &Object) -> Result<(), Fault> {
        if object.pending {
            return Err(self.note_fault(misused("give a value after every map key")));
        }
        let out = self.out.as_bytes();
        let members = self.members.get(object.base..).unwrap_or_default();
        if !members.is_sorted_by(|a, b| a.order(b, out) == Ordering::Less) {
            self.put_in_order(object)?;
        }
        self.members.truncate(object.base);
        self.close("}")
    }

    /// Sorts the members where they stand. What is already in place stays; the
    /// rest is copied behind the object in order and moved back.
    fn put_in_order(&mut self, object: &Object) -> Result<(), Fault> {
        let out = self.out.as_bytes();
        let members = self.members.get_mut(object.base..).unwrap_or_default();
        members.sort_unstable_by(|a, b| a.order(b, out));
        for (member, next) in members.iter().zip(members.iter().skip(1)) {
            if member.order(next, out) == Ordering::Equal {
                return Err(CanonicalError::DuplicateKey {
                    pointer: String::new(),
                    key: member.key(out),
                }
                .into());
            }
        }
        let mut in_place = object.body;
        let mut misplaced = members.iter().peekable();
        while let Some(member) = misplaced.next_if(|member| member.start == in_place) {
            in_place = member.end + 1;
        }
        let end = self.out.len();
        self.out.reserve(end.saturating_sub(in_place));
        let mut first = true;
        for member in misplaced {
            if !std::mem::take(&mut first) {
                self.out.push(',');
            }
            self.out.extend_from_within(member.start..member.end);
        }
        self.out.drain(in_place..end);
        Ok(())
    }
}
