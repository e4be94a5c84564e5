//! `rust_decimal::Decimal`: 96 bits and a scale. A numeric that does not fit exactly, `NaN` and infinities are out of range.

use rust_decimal::Decimal;

use crate::read::read_through;
use crate::schema::Type;
use crate::write::{ToColumn, VariableWriter};
use crate::{Numeric, Scalar};

read_through!(Decimal, Numeric<&'a str>, |ours| Decimal::from_str_exact(ours.0).ok());

impl ToColumn for Decimal {
    const TYPE: Type = Type::of(Scalar::Numeric);
    type Writer = VariableWriter;
    fn write(self, to: &mut VariableWriter) {
        to.push_display(self);
    }
}
