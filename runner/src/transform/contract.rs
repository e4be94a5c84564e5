//! The types of `sdk/wit/transform.wit` in Rust: borrowed on the way in, owned on the way out.
//! Written by hand instead of generated, so that a batch is lowered from Arrow's own buffers.

use wasmtime::component::{ComponentType, Lift, Lower};

use crate::schema::{self, Scalar};

/// `enum scalar`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lower, Lift)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Code {
    #[component(name = "boolean")]
    Boolean,
    #[component(name = "int16")]
    Int16,
    #[component(name = "int32")]
    Int32,
    #[component(name = "int64")]
    Int64,
    #[component(name = "float32")]
    Float32,
    #[component(name = "float64")]
    Float64,
    #[component(name = "numeric")]
    Numeric,
    #[component(name = "text")]
    Text,
    #[component(name = "bytes")]
    Bytes,
    #[component(name = "uuid")]
    Uuid,
    #[component(name = "date")]
    Date,
    #[component(name = "time")]
    Time,
    #[component(name = "timestamp")]
    Timestamp,
    #[component(name = "interval")]
    Interval,
    #[component(name = "inet")]
    Inet,
    #[component(name = "json")]
    Json,
}

/// The codes in the order of `Scalar::ALL`, which is the contract's.
const CODES: [Code; 16] = [
    Code::Boolean,
    Code::Int16,
    Code::Int32,
    Code::Int64,
    Code::Float32,
    Code::Float64,
    Code::Numeric,
    Code::Text,
    Code::Bytes,
    Code::Uuid,
    Code::Date,
    Code::Time,
    Code::Timestamp,
    Code::Interval,
    Code::Inet,
    Code::Json,
];

/// `record field`.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lower, Lift)]
#[component(record)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) scalar: Code,
    pub(super) array: bool,
    pub(super) nullable: bool,
}

impl From<&schema::Field> for Field {
    fn from(field: &schema::Field) -> Self {
        let scalar = CODES[field.ty.scalar as usize];
        Field { name: field.name.clone(), scalar, array: field.ty.array, nullable: field.nullable }
    }
}

impl From<&Field> for schema::Field {
    fn from(field: &Field) -> Self {
        let scalar = Scalar::ALL[field.scalar as usize];
        let ty = schema::Type { scalar, array: field.array };
        schema::Field { name: field.name.clone(), ty, nullable: field.nullable }
    }
}

/// `record setting`.
#[derive(Clone, Debug, ComponentType, Lower)]
#[component(record)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) value: String,
}

/// `variant out`.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(variant)]
pub(super) enum Out {
    #[component(name = "keep")]
    Keep(u32),
    #[component(name = "new")]
    New(Field),
}

/// `record plan`.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub(super) struct Plan {
    pub(super) reads: Vec<u32>,
    pub(super) output: Vec<Out>,
}

/// `record column` on its way in.
#[derive(Clone, Copy, Debug, ComponentType, Lower)]
#[component(record)]
pub(super) struct ColumnIn<'a> {
    pub(super) validity: &'a [u8],
    pub(super) offsets: &'a [u8],
    pub(super) data: &'a [u8],
}

/// `record batch`.
#[derive(Clone, Copy, Debug, ComponentType, Lower)]
#[component(record)]
pub(super) struct Batch<'a> {
    pub(super) rows: u32,
    pub(super) columns: &'a [ColumnIn<'a>],
}

/// `record column` on its way out.
#[derive(Debug, Default, ComponentType, Lift)]
#[component(record)]
pub(super) struct ColumnOut {
    pub(super) validity: Vec<u8>,
    pub(super) offsets: Vec<u8>,
    pub(super) data: Vec<u8>,
}

/// `record reject`.
#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub(super) struct RejectOut {
    pub(super) row: u32,
    pub(super) reason: String,
}

/// `record output`.
#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub(super) struct Output {
    pub(super) rows: u32,
    pub(super) origin: Vec<u32>,
    pub(super) columns: Vec<ColumnOut>,
    pub(super) rejects: Vec<RejectOut>,
}

/// `enum level` of `interface host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "only guests make them")]
pub(super) enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

impl Level {
    pub(super) fn name(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

/// Arguments and results of `plan`.
pub(super) type PlanIn<'a> = (&'a [Field], &'a [Setting]);
/// `result<plan, string>`.
pub(super) type PlanOut = (Result<Plan, String>,);
/// Argument of `transform`.
pub(super) type TransformIn<'a> = (Batch<'a>,);
/// `result<output, string>`.
pub(super) type TransformOut = (Result<Output, String>,);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_the_same_on_both_sides_of_the_contract() {
        for scalar in Scalar::ALL {
            for array in [false, true] {
                let ours = schema::Field::nullable("x", schema::Type { scalar, array });
                assert_eq!(schema::Field::from(&Field::from(&ours)), ours);
                let written = format!("{:?}", Field::from(&ours).scalar).to_lowercase();
                assert_eq!(written, scalar.name());
            }
        }
    }
}
