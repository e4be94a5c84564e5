//! Whatever a module answers is refused, or is columns that hold what Arrow promises, that can be encoded, and that the
//! next module gets as they are.

#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use arrow_array::Array;
use etl::encode::Encoder;
use etl::schema::{Field, Scalar, Type};
use etl::transform::fuzz::{Believed, Said, answer, given};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok((rows, makes, said)) = said(&mut Unstructured::new(data)) else { return Corpus::Reject };
    if let Ok(believed) = answer(said, &makes, rows) {
        keeps_what_arrow_promises(&believed, &makes, rows);
        goes_into_the_next_module(&believed, &makes);
        is_encoded(&believed, &makes);
    }
    Corpus::Keep
});

fn said(bytes: &mut Unstructured<'_>) -> Result<(u32, Vec<Field>, Said)> {
    let rows = bytes.int_in_range(0..=20)?;
    let mut makes = Vec::new();
    for name in ["a", "b", "c"].iter().take(bytes.int_in_range(0..=3)?) {
        let scalar = *bytes.choose(&Scalar::ALL)?;
        let ty = if bool::arbitrary(bytes)? { Type::array_of(scalar) } else { Type::of(scalar) };
        makes.push(Field { name: (*name).into(), ty, nullable: bool::arbitrary(bytes)? });
    }
    let out = if bool::arbitrary(bytes)? { rows } else { bytes.int_in_range(0..=310)? };
    let mut columns = Vec::new();
    for field in &makes {
        let (first, second) = (buffers(bytes, field.ty, out)?, field.ty.array);
        columns.push(first);
        if second {
            let elements = bytes.int_in_range(0..=30)?;
            columns.push(buffers(bytes, Type::of(field.ty.scalar), elements)?);
        }
    }
    if bytes.ratio(1, 50)? {
        columns.pop();
    }
    let origin = if bool::arbitrary(bytes)? { Vec::new() } else { origin(bytes, rows, out)? };
    let mut rejects = Vec::new();
    for _ in 0..bytes.int_in_range(0..=3)? {
        rejects.push((bytes.int_in_range(0..=rows)?, String::arbitrary(bytes)?));
    }
    Ok((rows, makes, Said { rows: out, origin, columns, rejects }))
}

fn origin(bytes: &mut Unstructured<'_>, rows: u32, out: u32) -> Result<Vec<u32>> {
    (0..out).map(|_| bytes.int_in_range(0..=rows)).collect()
}

/// Buffers of any length, more often of the right one: else nothing would come through the first check.
fn buffers(bytes: &mut Unstructured<'_>, ty: Type, rows: u32) -> Result<[Vec<u8>; 3]> {
    let rows = rows as usize;
    let validity = if bool::arbitrary(bytes)? { Vec::new() } else { some(bytes, rows.div_ceil(8))? };
    let width = match ty.scalar {
        _ if ty.array => 0,
        Scalar::Int16 => 2,
        Scalar::Int32 | Scalar::Float32 | Scalar::Date => 4,
        Scalar::Int64 | Scalar::Float64 | Scalar::Time | Scalar::Timestamp => 8,
        Scalar::Uuid | Scalar::Interval => 16,
        Scalar::Boolean => return Ok([validity, some_or_none(bytes)?, some(bytes, rows.div_ceil(8))?]),
        Scalar::Numeric | Scalar::Text | Scalar::Bytes | Scalar::Inet | Scalar::Json => 0,
    };
    if width > 0 {
        return Ok([validity, some_or_none(bytes)?, some(bytes, rows * width)?]);
    }
    let (mut offset, mut offsets) = (0_i32, 0_i32.to_le_bytes().to_vec());
    for _ in 0..rows {
        let step = i32::from(i8::arbitrary(bytes)?);
        offset = offset.wrapping_add(if step > -120 { step.abs() % 5 } else { step });
        offsets.extend(offset.to_le_bytes());
    }
    let data = match ty.array {
        true => some_or_none(bytes)?,
        false => some(bytes, usize::try_from(offset).unwrap_or(0))?,
    };
    Ok([validity, offsets, data])
}

fn some(bytes: &mut Unstructured<'_>, length: usize) -> Result<Vec<u8>> {
    let length = if bytes.ratio(1, 100)? { bytes.int_in_range(0..=length + 1)? } else { length };
    Ok((0..length).map(|_| u8::arbitrary(bytes)).collect::<Result<_>>()?)
}

fn some_or_none(bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    if bytes.ratio(1, 100)? { Vec::arbitrary(bytes) } else { Ok(Vec::new()) }
}

fn keeps_what_arrow_promises(believed: &Believed, makes: &[Field], rows: u32) {
    assert_eq!(believed.columns.len(), makes.len());
    for (field, column) in makes.iter().zip(&believed.columns) {
        assert_eq!((column.len(), column.data_type()), (believed.rows, &field.ty.arrow()));
        assert!(field.nullable || column.null_count() == 0);
        column.to_data().validate_full().expect("what Arrow promises");
    }
    assert!(believed.rejects.is_sorted_by(|(a, _), (b, _)| a < b));
    let rejected = |row: u32| believed.rejects.iter().any(|(rejected, _)| *rejected == row);
    match &believed.origin {
        None => assert!(believed.rows as u64 == u64::from(rows) && believed.rejects.is_empty()),
        Some(origin) => {
            assert_eq!((origin.len(), origin.null_count()), (believed.rows, 0));
            assert!(origin.values().iter().all(|row| *row < rows && !rejected(*row)));
        }
    }
}

fn goes_into_the_next_module(believed: &Believed, makes: &[Field]) {
    let columns = given(makes, &believed.columns).expect("columns of their types");
    let rows = believed.rows as u32;
    let said = Said { rows, origin: Vec::new(), columns, rejects: Vec::new() };
    let again = answer(said, makes, rows).expect("what a module gets is what it may answer");
    assert_eq!(again.columns.len(), believed.columns.len());
    for (again, column) in again.columns.iter().zip(&believed.columns) {
        // By bytes: a NaN is none of any other.
        assert_eq!(format!("{again:?}"), format!("{column:?}"));
    }
}

fn is_encoded(believed: &Believed, makes: &[Field]) {
    if makes.is_empty() {
        return;
    }
    let encoder = Encoder::new(makes);
    let rows = encoder.bind(&believed.columns).expect("columns of their types");
    let (mut csv, mut lines) = (Vec::new(), 0);
    for row in 0..believed.rows {
        if rows.refused().iter().all(|refused| refused.row as usize != row) {
            lines += rows.encode_row(row, &mut csv);
        }
    }
    assert_eq!(csv.iter().filter(|byte| **byte == b'\n').count(), lines as usize);
    assert!(str::from_utf8(&csv).is_ok());
}
