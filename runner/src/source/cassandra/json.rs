//! Values that are made of several as a JSON document, exact: integers and decimals as numbers with all their
//! digits, all that JSON has no form for as the text that PostgreSQL would show. Must not know columns.

use std::io::Write;

use super::cql_type::{CqlType, Native};
use super::parts::{Part, take, take_count, take_vint};
use super::refuse::Why;
use super::rows::Rules;
use super::scalar::{self, fixed};
use super::values::{Nul, Values};
use super::{moment, number};
use crate::original::escape;
use crate::text_form;

/// Appends to a buffer, up to a length.
pub(super) struct Json<'o> {
    out: &'o mut Vec<u8>,
    /// The length of `out` that must not be passed.
    end: usize,
    rules: Rules,
    empties: u64,
}

impl Json<'_> {
    /// To append at most `limit` bytes to `out`.
    pub(super) fn new(out: &mut Vec<u8>, limit: usize, rules: Rules) -> Json<'_> {
        let end = out.len().saturating_add(limit);
        Json { out, end, rules, empties: 0 }
    }

    /// Values of zero length that became `null`.
    pub(super) fn empties(&self) -> u64 {
        self.empties
    }

    /// Appends a value. What was appended before an error stays.
    pub(super) fn cell(&mut self, ty: &CqlType, cell: &[u8]) -> Result<(), Why> {
        match ty {
            CqlType::Native(native) => self.native(*native, cell)?,
            CqlType::List { element, .. } | CqlType::Set { element, .. } => self.list(element, cell)?,
            CqlType::Map { key, value, .. } => self.map(key, value, cell)?,
            CqlType::Tuple { parts, .. } => {
                let mut rest = cell;
                self.out.push(b'[');
                for (index, part) in parts.iter().enumerate() {
                    self.comma(index);
                    let cell = take_optional(&mut rest)?;
                    self.part(part, cell)?;
                }
                self.close(b']', rest)?;
            }
            CqlType::Udt { fields, .. } => {
                let mut rest = cell;
                self.out.push(b'{');
                for (index, field) in fields.iter().enumerate() {
                    self.comma(index);
                    self.text(&field.name);
                    self.out.push(b':');
                    let cell = take_optional(&mut rest)?;
                    self.part(&field.ty, cell)?;
                }
                self.close(b'}', rest)?;
            }
            CqlType::Vector { element, dimensions, .. } => self.vector(element, *dimensions, cell)?,
            CqlType::Custom(_) => return Err(Why::BadCell),
        }
        if self.out.len() > self.end { Err(Why::TooLong) } else { Ok(()) }
    }

    /// A value inside another: `null` where there is none, or one of zero length that may be NULL.
    fn part(&mut self, ty: &CqlType, cell: Part<'_>) -> Result<(), Why> {
        let start = self.out.len();
        match cell.map(|cell| self.cell(ty, cell)) {
            Some(Ok(())) => return Ok(()),
            Some(Err(Why::Empty)) if self.rules.empty_is_null() => {
                self.out.truncate(start);
                self.empties += 1;
            }
            Some(Err(why)) => return Err(why),
            None => {}
        }
        self.out.extend_from_slice(b"null");
        if self.out.len() > self.end { Err(Why::TooLong) } else { Ok(()) }
    }

    fn list(&mut self, element: &CqlType, cell: &[u8]) -> Result<(), Why> {
        let mut rest = cell;
        let count = take_count(&mut rest)?;
        self.out.push(b'[');
        for index in 0..count {
            self.comma(index);
            let cell = take(&mut rest)?;
            self.part(element, cell)?;
        }
        self.close(b']', rest)
    }

    /// An object where the keys are values without parts that have one text each; else an array of pairs.
    fn map(&mut self, key: &CqlType, value: &CqlType, cell: &[u8]) -> Result<(), Why> {
        let mut rest = cell;
        let count = take_count(&mut rest)?;
        let name = match key {
            CqlType::Native(native) => Some(*native).filter(|native| is_name(*native)),
            _ => None,
        };
        self.out.push(if name.is_some() { b'{' } else { b'[' });
        for index in 0..count {
            self.comma(index);
            let (at, of) = (take(&mut rest)?.ok_or(Why::BadCell)?, take(&mut rest)?);
            if let Some(native) = name {
                self.in_key(|json| json.name(native, at))?;
                self.out.push(b':');
                self.part(value, of)?;
            } else {
                self.out.push(b'[');
                self.in_key(|json| json.cell(key, at))?;
                self.out.push(b',');
                self.part(value, of)?;
                self.out.push(b']');
            }
        }
        self.close(if name.is_some() { b'}' } else { b']' }, rest)
    }

    /// Appends a key, of which nothing is changed, however deep it stands: two keys could become one.
    fn in_key(&mut self, append: impl FnOnce(&mut Self) -> Result<(), Why>) -> Result<(), Why> {
        let rules = self.rules;
        self.rules = Rules { values: Values { nul: Nul::Reject, ..rules.values }, in_key: true };
        let appended = append(self);
        self.rules = rules;
        appended.map_err(of_key)
    }

    /// As many elements as the type says: without their lengths where the type gives those, too.
    fn vector(&mut self, element: &CqlType, dimensions: u32, cell: &[u8]) -> Result<(), Why> {
        if cell.is_empty() {
            return Err(Why::Empty);
        }
        let fixed = fixed_length(element);
        let mut rest = cell;
        self.out.push(b'[');
        for index in 0..dimensions as usize {
            self.comma(index);
            let length = match fixed {
                Some(length) => length,
                None => usize::try_from(take_vint(&mut rest)?).map_err(|_| Why::BadCell)?,
            };
            let (part, behind) = rest.split_at_checked(length).ok_or(Why::BadCell)?;
            rest = behind;
            self.part(element, Some(part))?;
        }
        self.close(b']', rest)
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.out.push(b',');
        }
    }

    /// Ends a value that has nothing behind its last part.
    fn close(&mut self, bracket: u8, rest: &[u8]) -> Result<(), Why> {
        self.out.push(bracket);
        if rest.is_empty() { Ok(()) } else { Err(Why::BadCell) }
    }

    /// A key of an object.
    fn name(&mut self, native: Native, cell: &[u8]) -> Result<(), Why> {
        let start = self.out.len();
        self.native(native, cell)?;
        if self.out.get(start) != Some(&b'"') {
            self.out.insert(start, b'"');
            self.out.push(b'"');
        }
        Ok(())
    }

    fn native(&mut self, native: Native, cell: &[u8]) -> Result<(), Why> {
        match native {
            Native::Ascii | Native::Text => {
                let nul = self.rules.values.nul;
                let (text, has_nul) = scalar::text(cell, nul)?;
                if has_nul { self.text_without_nul(text, nul) } else { self.text(text) }
            }
            Native::TinyInt => text_form::integer(i8::from_be_bytes(fixed(cell)?), self.out),
            Native::SmallInt => text_form::integer(i16::from_be_bytes(fixed(cell)?), self.out),
            Native::Int => text_form::integer(i32::from_be_bytes(fixed(cell)?), self.out),
            Native::BigInt | Native::Counter => {
                text_form::integer(i64::from_be_bytes(fixed(cell)?), self.out);
            }
            Native::VarInt => number::varint(cell, self.out)?,
            Native::Decimal => number::decimal(cell, self.out)?,
            Native::Float => {
                let float = f32::from_be_bytes(fixed(cell)?);
                self.number_or_text(float.is_finite(), |out| text_form::float32(float, out));
            }
            Native::Double => {
                let float = f64::from_be_bytes(fixed(cell)?);
                self.number_or_text(float.is_finite(), |out| text_form::float64(float, out));
            }
            Native::Boolean => text_form::boolean(scalar::boolean(cell)?, self.out),
            Native::Uuid | Native::TimeUuid => {
                let id = fixed::<16>(cell)?;
                self.number_or_text(false, |out| text_form::uuid(&id, out));
            }
            Native::Inet => {
                let address = scalar::inet(cell)?;
                // Writing to memory does not fail.
                write!(self.out, "\"{address}\"").map_err(|_| Why::BadCell)?;
            }
            Native::Timestamp => {
                let micros = moment::timestamp(cell)?;
                self.number_or_text(false, |out| text_form::timestamp(micros, out));
            }
            Native::Date => {
                let days = moment::date(cell)?;
                self.number_or_text(false, |out| text_form::date(days, out));
            }
            Native::Time => {
                let nanos = moment::time(cell)?;
                self.number_or_text(false, |out| moment::time_text(nanos, out));
            }
            Native::Duration => {
                let span = moment::duration(cell)?;
                self.number_or_text(false, |out| text_form::interval(span, out));
            }
            Native::Blob => {
                // In front of two digits a byte.
                if cell.len() > self.end.saturating_sub(self.out.len()) / 2 {
                    return Err(Why::TooLong);
                }
                self.out.extend_from_slice(b"\"\\\\x");
                text_form::hex(cell, self.out);
                self.out.push(b'"');
            }
        }
        Ok(())
    }

    fn number_or_text(&mut self, is_number: bool, write: impl FnOnce(&mut Vec<u8>)) {
        let quote: &[u8] = if is_number { b"" } else { b"\"" };
        self.out.extend_from_slice(quote);
        write(self.out);
        self.out.extend_from_slice(quote);
    }

    fn text(&mut self, text: &str) {
        self.out.push(b'"');
        self.characters(text);
        self.out.push(b'"');
    }

    fn text_without_nul(&mut self, text: &str, nul: Nul) {
        let (pieces, instead) = scalar::without_nuls(text, nul);
        self.out.push(b'"');
        for (index, piece) in pieces.enumerate() {
            self.out.extend_from_slice(if index == 0 { b"" } else { instead.as_bytes() });
            self.characters(piece);
        }
        self.out.push(b'"');
    }

    fn characters(&mut self, text: &str) {
        let mut rest = text;
        // Escapes are longer than what they stand for.
        while self.out.len() <= self.end
            && let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
        {
            let (clean, behind) = rest.split_at(at);
            self.out.extend_from_slice(clean.as_bytes());
            let mut characters = behind.chars();
            if let Some(character) = characters.next() {
                escape(character, self.out);
            }
            rest = characters.as_str();
        }
        self.out.extend_from_slice(rest.as_bytes());
    }
}

/// A map's key of zero length must not make the map NULL.
fn of_key(why: Why) -> Why {
    if why == Why::Empty { Why::EmptyKey } else { why }
}

/// The parts at the end of a tuple or of a user's type may be missing, because fields were added later.
fn take_optional<'a>(rest: &mut &'a [u8]) -> Result<Part<'a>, Why> {
    if rest.is_empty() { Ok(None) } else { take(rest) }
}

/// Whether values of the type have one text each, by which nothing else is meant: floats and decimals have equal
/// values with different texts, and a duration is no key.
fn is_name(native: Native) -> bool {
    !matches!(native, Native::Float | Native::Double | Native::Decimal | Native::Duration)
}

/// The length of a vector's elements, where Cassandra writes them without it. Not all types that have one do.
fn fixed_length(ty: &CqlType) -> Option<usize> {
    match ty {
        CqlType::Native(native) => match native {
            Native::Boolean => Some(1),
            Native::Int | Native::Float => Some(4),
            Native::BigInt | Native::Double | Native::Timestamp => Some(8),
            Native::Uuid | Native::TimeUuid => Some(16),
            _ => None,
        },
        CqlType::Vector { element, dimensions, .. } => {
            fixed_length(element)?.checked_mul(usize::try_from(*dimensions).ok()?)
        }
        _ => None,
    }
}
