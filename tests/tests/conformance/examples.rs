//! The five examples as `sdk/README.md` specifies them: columns in and out, and what must become of rows.

use etl::schema::{Field, Scalar, Type};

use crate::cells::{Cell, Pool};

/// An example with its options.
pub(crate) struct Example {
    pub(crate) options: Vec<(&'static str, &'static str)>,
    pub(crate) fields: Vec<Field>,
    pub(crate) output: Vec<Field>,
    /// Names of columns that the module makes; the others go around it.
    pub(crate) made: Vec<String>,
    pub(crate) pool: Pool,
    /// What becomes of rows, which come column by column.
    pub(crate) expected: Expected,
}

/// From the input's columns to what must come out.
type Expected = Box<dyn Fn(&[Vec<Cell>]) -> Outcome>;

/// What became of rows, whatever batches they came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) columns: Vec<Vec<Cell>>,
    /// The input row of each output row.
    pub(crate) origin: Vec<u32>,
    pub(crate) rejects: Vec<(u32, String)>,
    pub(crate) filtered: u32,
}

impl Outcome {
    pub(crate) fn new(columns: usize) -> Outcome {
        Outcome { columns: vec![Vec::new(); columns], origin: Vec::new(), rejects: Vec::new(), filtered: 0 }
    }
}

/// What becomes of one row.
enum Row {
    Rejected(&'static str),
    /// An output row for each list of cells that stand behind the kept ones.
    Rows(Vec<Vec<Cell>>),
}

/// Row by row; `kept` are the input's columns that stay.
fn each_row(input: &[Vec<Cell>], kept: &[usize], made: usize, row: impl Fn(usize) -> Row) -> Outcome {
    let mut outcome = Outcome::new(kept.len() + made);
    for (at, number) in (0..input[0].len()).zip(0..) {
        match row(at) {
            Row::Rejected(reason) => outcome.rejects.push((number, reason.into())),
            Row::Rows(rows) => {
                outcome.filtered += u32::from(rows.is_empty());
                for new in rows {
                    outcome.origin.push(number);
                    let cells = kept.iter().map(|column| input[*column][at].clone()).chain(new);
                    outcome.columns.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
                }
            }
        }
    }
    outcome
}

fn field(name: &str, scalar: Scalar) -> Field {
    Field::nullable(name, Type::of(scalar))
}

pub(crate) fn identity() -> Example {
    let fields = vec![
        field("before", Scalar::Int32),
        field("name", Scalar::Text),
        Field::nullable("after", Type::array_of(Scalar::Text)),
    ];
    Example {
        options: Vec::new(),
        output: fields.clone(),
        fields,
        made: vec!["name".into()],
        pool: extremes,
        expected: Box::new(|input| each_row(input, &[0, 1, 2], 0, |_| Row::Rows(vec![vec![]]))),
    }
}

pub(crate) fn filter(options: Vec<(&'static str, &'static str)>, odd: bool) -> Example {
    let fields = vec![field("label", Scalar::Text), field("id", Scalar::Int64)];
    let expected = move |input: &[Vec<Cell>]| {
        each_row(input, &[0, 1], 0, |row| match input[1][row].bytes() {
            None => Row::Rejected("id is null"),
            // The lowest bit, whatever the sign.
            Some(id) if (id[0] & 1 == 1) == odd => Row::Rows(vec![vec![]]),
            Some(_) => Row::Rows(vec![]),
        })
    };
    Example {
        options,
        output: fields.clone(),
        fields,
        made: Vec::new(),
        pool: extremes,
        expected: Box::new(expected),
    }
}

pub(crate) fn fan_out() -> Example {
    let fields = vec![field("id", Scalar::Int64), field("tags", Scalar::Text), field("note", Scalar::Bytes)];
    let tag = Field { name: "tag".into(), ty: Type::of(Scalar::Text), nullable: false };
    let expected = |input: &[Vec<Cell>]| {
        each_row(input, &[0, 2], 1, |row| {
            let tags = input[1][row].str().filter(|tags| !tags.is_empty());
            let parts =
                tags.map_or(vec![], |tags| tags.split('|').map(|tag| vec![Cell::text(tag)]).collect());
            Row::Rows(parts)
        })
    };
    let words = |field: &Field| match &*field.name {
        "tags" => ["", "a", "|", "a||", "||b", "red|blue|grün|🙂", "a|b|c|d|e|f|g"].map(Cell::text).into(),
        _ => extremes(field),
    };
    Example {
        options: Vec::new(),
        output: vec![fields[0].clone(), fields[2].clone(), tag],
        fields,
        made: vec!["tag".into()],
        pool: words,
        expected: Box::new(expected),
    }
}

pub(crate) fn reject() -> Example {
    let fields = vec![field("email", Scalar::Text), Field::nullable("tags", Type::array_of(Scalar::Int16))];
    let expected = |input: &[Vec<Cell>]| {
        each_row(input, &[0, 1], 0, |row| match input[0][row].str() {
            None => Row::Rejected("email is null"),
            Some(email) if email.contains('@') => Row::Rows(vec![vec![]]),
            Some(_) => Row::Rejected("email has no @"),
        })
    };
    let words = |field: &Field| match &*field.name {
        "email" => ["", "ada", "ada@example.org", "@", "ü@ö", "ada＠example.org"].map(Cell::text).into(),
        _ => extremes(field),
    };
    Example {
        options: Vec::new(),
        output: fields.clone(),
        fields,
        made: Vec::new(),
        pool: words,
        expected: Box::new(expected),
    }
}

pub(crate) fn types() -> Example {
    let column = |array: bool| {
        let name = if array { "a" } else { "c" };
        move |scalar: Scalar| Field::nullable(format!("{name}_{scalar}"), Type { scalar, array })
    };
    let made: Vec<Field> =
        Scalar::ALL.map(column(false)).into_iter().chain(Scalar::ALL.map(column(true))).collect();
    // In an order of their own, one that is not read among them: columns are found by name.
    let mut fields: Vec<Field> = made.iter().rev().cloned().collect();
    fields.insert(5, field("other", Scalar::Text));
    let all: Vec<usize> = (0..fields.len()).collect();
    Example {
        options: Vec::new(),
        output: fields.clone(),
        fields,
        made: made.into_iter().map(|field| field.name).collect(),
        pool: extremes,
        expected: Box::new(move |input| each_row(input, &all, 0, |_| Row::Rows(vec![vec![]]))),
    }
}

/// Values at the edges of each type.
pub(crate) fn extremes(field: &Field) -> Vec<Cell> {
    let texts = |texts: &[&str]| texts.iter().map(|text| Cell::text(text)).collect();
    let values = |values: &[&[u8]]| values.iter().map(|bytes| Cell::Value(bytes.to_vec())).collect();
    let integers = |width: usize| {
        [0, 1, 2, -1, -2, -3, i64::from(i16::MAX), i64::from(i32::MIN), i64::MAX, i64::MIN]
            .map(|number| Cell::Value(number.to_le_bytes()[..width].to_vec()))
            .into_iter()
            // The smallest and the largest of this width.
            .chain(
                [(0, 0x80), (0xff, 0x7f)]
                    .map(|(low, top)| Cell::Value([vec![low; width - 1], vec![top]].concat())),
            )
            .collect()
    };
    match field.ty.scalar {
        Scalar::Boolean => values(&[&[0], &[1]]),
        Scalar::Int16 => integers(2),
        Scalar::Int32 | Scalar::Date => integers(4),
        Scalar::Int64 | Scalar::Time | Scalar::Timestamp => integers(8),
        Scalar::Float32 => {
            let numbers = [0.0, -0.0, 1.5, f32::MIN, f32::MIN_POSITIVE / 2.0, f32::INFINITY, -f32::INFINITY];
            // A NaN keeps its bits.
            let bits = numbers.map(f32::to_bits).into_iter().chain([0x7fc0_0000, 0xffc0_1234]);
            bits.map(|bits| Cell::Value(bits.to_le_bytes().into())).collect()
        }
        Scalar::Float64 => {
            let numbers = [0.0, -0.0, 0.1, f64::MAX, f64::MIN_POSITIVE / 2.0, f64::INFINITY, -f64::INFINITY];
            let bits = numbers.map(f64::to_bits).into_iter().chain([0x7ff8 << 48, (0xfff8 << 48) | 77]);
            bits.map(|bits| Cell::Value(bits.to_le_bytes().into())).collect()
        }
        Scalar::Numeric => {
            texts(&["0", "-1.50", "NaN", "-Infinity", "98765432109876543210.01234567890123456789"])
        }
        Scalar::Text => {
            texts(&["", "a", " Ada ", "äöü €", "🙂🙃", "a,\"b\"\r\n", "\0", &"long ß".repeat(99)])
        }
        Scalar::Bytes => values(&[&[], &[0], &[0xff, 0xfe], &(0..=255).collect::<Vec<u8>>()]),
        Scalar::Uuid | Scalar::Interval => values(&[&[0; 16], &[0xff; 16], b"0123456789abcdef"]),
        Scalar::Inet => texts(&["::1", "10.0.0.0/8", "2001:db8::ffff:1/64"]),
        Scalar::Json => texts(&["null", "{}", "[1, {\"ü\": \"🙂\"}]", "\"\""]),
    }
}
