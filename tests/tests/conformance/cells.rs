//! Columns as cells, and cells as columns: the layout that the contract prescribes, written down once more, by width alone.

use arrow_array::{Array, ArrayRef, make_array, new_empty_array};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use etl::schema::{Field, Scalar, Type};

/// One value as its bytes; a boolean is one byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Value(Vec<u8>),
    List(Vec<Cell>),
}

impl Cell {
    pub(crate) fn text(text: &str) -> Cell {
        Cell::Value(text.into())
    }

    /// Its bytes, unless it is NULL.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Cell::Null => None,
            Cell::Value(bytes) => Some(bytes),
            Cell::List(_) => panic!("a list is not one value"),
        }
    }

    pub(crate) fn str(&self) -> Option<&str> {
        self.bytes().map(|bytes| std::str::from_utf8(bytes).expect("a text"))
    }
}

/// How values of a type lie in memory.
enum Layout {
    Bits,
    Fixed(usize),
    Variable,
}

fn layout(scalar: Scalar) -> Layout {
    match scalar {
        Scalar::Boolean => Layout::Bits,
        Scalar::Int16 => Layout::Fixed(2),
        Scalar::Int32 | Scalar::Float32 | Scalar::Date => Layout::Fixed(4),
        Scalar::Int64 | Scalar::Float64 | Scalar::Time | Scalar::Timestamp => Layout::Fixed(8),
        Scalar::Uuid | Scalar::Interval => Layout::Fixed(16),
        Scalar::Numeric | Scalar::Text | Scalar::Bytes | Scalar::Inet | Scalar::Json => Layout::Variable,
    }
}

/// The one form of a column: validity, the buffers, elements.
struct Raw {
    validity: Vec<u8>,
    buffers: Vec<Vec<u8>>,
    elements: Option<Vec<Cell>>,
}

fn raw(ty: Type, cells: &[Cell]) -> Raw {
    let nulls = cells.contains(&Cell::Null);
    let validity = if nulls { bits(cells.iter().map(|cell| *cell != Cell::Null)) } else { Vec::new() };
    if ty.array {
        let lists = cells.iter().map(|cell| if let Cell::List(list) = cell { &list[..] } else { &[] });
        let offsets = offsets(lists.clone().map(<[Cell]>::len));
        return Raw { validity, buffers: vec![offsets], elements: Some(lists.flatten().cloned().collect()) };
    }
    let values = || cells.iter().map(|cell| cell.bytes().unwrap_or_default());
    let buffers = match layout(ty.scalar) {
        Layout::Bits => vec![bits(values().map(|value| value == [1]))],
        Layout::Fixed(width) => {
            let zero = vec![0; width];
            vec![cells.iter().flat_map(|cell| cell.bytes().unwrap_or(&zero)).copied().collect()]
        }
        Layout::Variable => vec![offsets(values().map(<[u8]>::len)), values().flatten().copied().collect()],
    };
    Raw { validity, buffers, elements: None }
}

fn bits(values: impl Iterator<Item = bool>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, value) in values.enumerate() {
        bytes.resize(at / 8 + 1, 0);
        bytes[at / 8] |= u8::from(value) << (at % 8);
    }
    bytes
}

fn offsets(lengths: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut end = 0;
    let ends = lengths.map(|length| {
        end += length;
        end
    });
    let all: Vec<usize> = std::iter::once(0).chain(ends).collect();
    all.iter().flat_map(|end| i32::try_from(*end).expect("a small column").to_le_bytes()).collect()
}

/// The column of these cells.
pub(crate) fn array(ty: Type, cells: &[Cell]) -> ArrayRef {
    let raw = raw(ty, cells);
    let nulls = (!raw.validity.is_empty())
        .then(|| NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(raw.validity), 0, cells.len())));
    let children = raw.elements.map(|elements| array(Type::of(ty.scalar), &elements).to_data());
    // By way of an empty array, whose builder knows the type.
    let builder = new_empty_array(&ty.arrow()).to_data().into_builder().len(cells.len()).nulls(nulls);
    // From 16-byte blocks, so that every type finds its alignment.
    let aligned = |bytes: Vec<u8>| {
        let blocks = bytes.chunks(16).map(|chunk| {
            let mut block = [0; 16];
            block[..chunk.len()].copy_from_slice(chunk);
            u128::from_le_bytes(block)
        });
        Buffer::from_vec(blocks.collect::<Vec<_>>()).slice_with_length(0, bytes.len())
    };
    let builder = builder.buffers(raw.buffers.into_iter().map(aligned).collect());
    make_array(builder.child_data(children.into_iter().collect()).build().expect("a valid column"))
}

/// The cells of a column, which may be a slice.
pub(crate) fn cells(ty: Type, array: &ArrayRef) -> Vec<Cell> {
    let (data, rows) = (array.to_data(), array.len());
    let (buffers, first) = (data.buffers(), data.offset());
    let end = |row: usize| {
        let bytes = buffers[0][4 * (first + row)..][..4].try_into().expect("four bytes");
        usize::try_from(i32::from_le_bytes(bytes)).expect("offsets ascend from 0")
    };
    let elements =
        ty.array.then(|| self::cells(Type::of(ty.scalar), &make_array(data.child_data()[0].clone())));
    let cell = |row: usize| match &elements {
        _ if array.is_null(row) => Cell::Null,
        Some(elements) => Cell::List(elements[end(row)..end(row + 1)].to_vec()),
        None => Cell::Value(match layout(ty.scalar) {
            Layout::Bits => vec![buffers[0][(first + row) / 8] >> ((first + row) % 8) & 1],
            Layout::Fixed(width) => buffers[0][width * (first + row)..][..width].to_vec(),
            Layout::Variable => buffers[1][end(row)..end(row + 1)].to_vec(),
        }),
    };
    (0..rows).map(cell).collect()
}

/// That a column has exactly the bytes which its cells have in the one form.
pub(crate) fn assert_canonical(what: &str, ty: Type, array: &ArrayRef, cells: &[Cell]) {
    if cells.is_empty() {
        return;
    }
    let (raw, data) = (raw(ty, cells), array.to_data());
    let validity = data.nulls().map_or(&[][..], |nulls| nulls.validity());
    assert_eq!((data.offset(), validity), (0, &raw.validity[..]), "{what}: validity");
    assert_eq!(data.buffers().len(), raw.buffers.len(), "{what}: buffers");
    for (at, (found, wanted)) in data.buffers().iter().zip(&raw.buffers).enumerate() {
        assert_eq!(found.as_slice(), wanted, "{what}: buffer {at}");
    }
    if let Some(elements) = raw.elements {
        let found = make_array(data.child_data()[0].clone());
        assert_canonical(&format!("{what}, elements"), Type::of(ty.scalar), &found, &elements);
    }
}

/// What cells of a column may hold.
pub(crate) type Pool = fn(&Field) -> Vec<Cell>;

/// Numbers that are the same in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    /// Cells of a column; so many of 10 are NULL, in arrays too.
    pub(crate) fn column(&mut self, pool: Pool, field: &Field, rows: usize, nulls: u32) -> Vec<Cell> {
        let pool = pool(field);
        let value = |random: &mut Random| match random.below(10) < nulls as usize {
            true => Cell::Null,
            false => pool[random.below(pool.len())].clone(),
        };
        let cell = |random: &mut Random| {
            if !field.ty.array {
                return value(random);
            }
            match random.below(10) < nulls as usize {
                true => Cell::Null,
                false => Cell::List((0..random.below(5)).map(|_| value(random)).collect()),
            }
        };
        (0..rows).map(|_| cell(self)).collect()
    }
}
