//! `rust_decimal::Decimal`: 96 bits and a scale. A numeric that does not fit exactly, `NaN` and infinities are out of range.

use rust_decimal::Decimal;

use crate::read::read_through;
use crate::schema::Type;
use crate::write::{ToColumn, VariableWriter};
use crate::{Numeric, Scalar};

read_through!(Decimal, Numeric<&'a str>, |ours| exact(ours.0));

/// Also of `1e5`, but never rounded, as `from_scientific` alone would where there are more digits than it holds.
fn exact(text: &str) -> Option<Decimal> {
    let Some((digits, _)) = text.split_once(['e', 'E']) else { return Decimal::from_str_exact(text).ok() };
    Decimal::from_str_exact(digits).ok()?;
    Decimal::from_scientific(text).ok()
}

impl ToColumn for Decimal {
    const TYPE: Type = Type::of(Scalar::Numeric);
    type Writer = VariableWriter;
    fn write(self, to: &mut VariableWriter) {
        to.push_display(self);
    }
}
