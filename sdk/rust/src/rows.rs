//! A module row by row: from an author's structs to a plan, and a batch through an author's function.
//!
//! Must not know: the calls of the runner (glue). The derives implement [`Input`] and [`Output`].

use crate::batch;
use crate::column::{Batch, Column, Reject};
use crate::schema::{Field, Out, Plan, Type};
use crate::write::ColumnWriter;

/// A struct whose fields are columns that a module reads: `#[derive(Input)]`.
///
/// A field's type says the column's type, which must be exactly that (see the [table](crate#types)). NULL in a field that is no
/// `Option` rejects the row with the reason `NAME is null`.
///
/// | attribute | on | says |
/// |---|---|---|
/// | `#[etl(rename = "Total Price")]` | a field | the column's name, where it is not the field's |
/// | `#[etl(drop)]` | a field | `keep_rest` does not keep this column |
/// | `#[etl(drop)]` | the struct | so for each of its fields |
/// | `#[etl(keep)]` | a field | but keeps this one |
pub trait Input<'a>: Sized {
    /// What the struct reads, field by field.
    const COLUMNS: &'static [Read];
    /// Views of those columns.
    type Views;
    /// Makes them, once a batch.
    fn views(batch: &'a Batch<'_>) -> Self::Views;
    /// One row, or why there is none.
    fn row(views: &Self::Views, row: usize) -> Result<Self, &'static str>;
}

/// One field of an input struct.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// The column's name.
    pub name: &'static str,
    /// The type that it must have.
    pub ty: Type,
    /// `keep_rest` leaves it out.
    pub drop: bool,
}

/// A struct whose fields are columns that a module makes: `#[derive(Output)]`.
///
/// | attribute | on | says |
/// |---|---|---|
/// | `#[etl(rename = "Total Price")]` | a field | the column's name, where it is not the field's |
/// | `#[etl(keep_rest)]` | the struct | the output has every input column too, except those it replaces and those marked `drop` |
/// | `#[etl(drop("a", "b"))]` | the struct | with `keep_rest`: but not these, which the input struct need not read |
/// | `#[etl(keep("a", "b"))]` | the struct | the output has these input columns too, and no others |
///
/// Kept columns never enter the sandbox. A column made under the name of an input column takes its place, whether that is kept
/// or not; the others follow behind, in the struct's order.
pub trait Output: Sized {
    /// What the struct makes, field by field.
    const COLUMNS: &'static [Made];
    /// Which input columns the output has besides.
    const KEEP: Keep;
    /// Gather the columns.
    type Writers: Writers;
    /// Appends a row.
    fn write(self, to: &mut Self::Writers);
}

/// One field of an output struct.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// The column's name.
    pub name: &'static str,
    /// Its type.
    pub ty: Type,
    /// Whether NULL may occur.
    pub nullable: bool,
}

/// Which input columns are carried around the sandbox.
#[derive(Clone, Copy, Debug)]
pub enum Keep {
    /// All but these, and but those that the input struct drops.
    Rest(&'static [&'static str]),
    /// Only these.
    Only(&'static [&'static str]),
}

/// The writers of an output struct's columns.
pub trait Writers: Default {
    /// Makes room for so many rows.
    fn reserve(&mut self, rows: usize);
    /// The columns so far, in the struct's order; the writers start anew.
    fn finish(&mut self) -> Vec<Column>;
}

/// An output without columns of its own: the input row as it is. Return it, or an `Option` of it, to filter and reject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unchanged;

impl Output for Unchanged {
    const COLUMNS: &'static [Made] = &[];
    const KEEP: Keep = Keep::Rest(&[]);
    type Writers = NoWriters;
    fn write(self, _: &mut NoWriters) {}
}

#[doc(hidden)]
#[derive(Default)]
pub struct NoWriters;

impl Writers for NoWriters {
    fn reserve(&mut self, _: usize) {}
    fn finish(&mut self) -> Vec<Column> {
        Vec::new()
    }
}

impl Emit for Unchanged {
    type Row = Unchanged;
    fn emit(self, mut each: impl FnMut(Unchanged)) {
        each(self);
    }
}

/// What a function may give for a row: an output struct, an `Option` of it, a `Vec` of it.
pub trait Emit {
    /// The output struct.
    type Row: Output;
    /// Hands over each row.
    fn emit(self, each: impl FnMut(Self::Row));
}

impl<T: Output> Emit for Option<T> {
    type Row = T;
    #[inline]
    fn emit(self, each: impl FnMut(T)) {
        self.into_iter().for_each(each);
    }
}

impl<T: Output> Emit for Vec<T> {
    type Row = T;
    #[inline]
    fn emit(self, each: impl FnMut(T)) {
        self.into_iter().for_each(each);
    }
}

/// A function's whole answer.
pub trait Answer {
    /// Its good part.
    type Good: Emit;
    /// Good or rejected.
    fn answer(self) -> Result<Self::Good, Reject>;
}

impl<E: Emit, R: Into<Reject>> Answer for Result<E, R> {
    type Good = E;
    #[inline]
    fn answer(self) -> Result<E, Reject> {
        self.map_err(Into::into)
    }
}

/// The output struct of an answer.
pub type RowOf<A> = <<A as Answer>::Good as Emit>::Row;
/// The writers of an answer's output struct.
pub type WritersOf<A> = <RowOf<A> as Output>::Writers;

/// The plan of two structs, and for each `New` column of it the field of the output struct.
#[derive(Debug)]
pub struct Shape {
    /// For the runner.
    pub plan: Plan,
    made: Vec<usize>,
}

/// Fits the two structs to the input, or says everything that does not fit. `omit` names output fields that are not wanted.
pub fn shape<'a, I: Input<'a>, A: Answer>(input: &[Field], omit: &[&str]) -> Result<Shape, String> {
    let mut problems = Vec::new();
    let reads = find_reads(I::COLUMNS, input, &mut problems);
    let made: Vec<usize> =
        (0..RowOf::<A>::COLUMNS.len()).filter(|at| !omit.contains(&RowOf::<A>::COLUMNS[*at].name)).collect();
    let kept = kept(RowOf::<A>::KEEP, I::COLUMNS, input, &mut problems);
    if problems.is_empty() {
        Ok(arrange(reads, &kept, RowOf::<A>::COLUMNS, made, input))
    } else {
        Err(problems.join("; "))
    }
}

fn find_reads(wanted: &[Read], input: &[Field], problems: &mut Vec<String>) -> Vec<u32> {
    let mut reads = Vec::new();
    for column in wanted {
        match input.iter().position(|field| field.name == column.name) {
            None => {
                problems.push(format!("no column `{}` ({}); {}", column.name, column.ty, there_is(input)));
            }
            Some(at) if input[at].ty != column.ty => {
                let found = input[at].ty;
                problems
                    .push(format!("column `{}` is {found}, this module wants {}", column.name, column.ty));
            }
            Some(at) => reads.push(at as u32),
        }
    }
    reads
}

fn there_is(input: &[Field]) -> String {
    const MOST: usize = 20;
    let names: Vec<&str> = input.iter().take(MOST).map(|field| field.name.as_str()).collect();
    let more = if input.len() > MOST { ", …" } else { "" };
    format!("there is {}{more}", if names.is_empty() { "none".into() } else { names.join(", ") })
}

fn kept(keep: Keep, reads: &[Read], input: &[Field], problems: &mut Vec<String>) -> Vec<bool> {
    let (Keep::Rest(named) | Keep::Only(named)) = keep;
    for name in named {
        if !input.iter().any(|field| field.name == *name) {
            let verb = if matches!(keep, Keep::Rest(_)) { "drop" } else { "keep" };
            problems.push(format!("no column `{name}` to {verb}; {}", there_is(input)));
        }
    }
    let keeps = |field: &Field| match keep {
        Keep::Only(named) => named.contains(&field.name.as_str()),
        Keep::Rest(dropped) => {
            !dropped.contains(&field.name.as_str())
                && !reads.iter().any(|read| read.drop && read.name == field.name)
        }
    };
    input.iter().map(keeps).collect()
}

fn arrange(reads: Vec<u32>, kept: &[bool], columns: &[Made], mut made: Vec<usize>, input: &[Field]) -> Shape {
    let new = |at: usize| {
        let Made { name, ty, nullable } = columns[at];
        Out::New(Field { name: name.into(), ty, nullable })
    };
    let (mut output, mut order) = (Vec::new(), Vec::new());
    for (at, field) in input.iter().enumerate() {
        if let Some(replaces) = made.iter().position(|made| columns[*made].name == field.name) {
            let column = made.remove(replaces);
            order.push(column);
            output.push(new(column));
        } else if kept[at] {
            output.push(Out::Keep(at as u32));
        }
    }
    output.extend(made.iter().copied().map(new));
    order.extend(made);
    Shape { plan: Plan { reads, output }, made: order }
}

/// Runs batches through a function. `W` are the writers of its output struct.
#[derive(Debug)]
pub struct Rows<W> {
    made: Vec<usize>,
    writers: W,
}

impl<W: Writers> Rows<W> {
    /// For batches of this shape.
    pub fn new(shape: &Shape) -> Self {
        Rows { made: shape.made.clone(), writers: W::default() }
    }

    /// One batch.
    pub fn run<'a, I, A>(&mut self, batch: &'a Batch<'_>, function: impl Fn(I) -> A) -> batch::Output
    where
        I: Input<'a>,
        A: Answer,
        RowOf<A>: Output<Writers = W>,
    {
        let views = I::views(batch);
        let (mut origin, mut rejects) = (Vec::with_capacity(batch.rows()), Vec::new());
        let mut once = true;
        self.writers.reserve(batch.rows());
        for row in 0..batch.rows() {
            let before = origin.len();
            match I::row(&views, row).map_err(Reject::from).and_then(|input| function(input).answer()) {
                Ok(good) => {
                    good.emit(|output| {
                        output.write(&mut self.writers);
                        origin.push(row as u32);
                    });
                    once &= origin.len() == before + 1;
                }
                Err(reject) => rejects.push((row as u32, reject)),
            }
        }
        let rows = origin.len();
        if once {
            origin = Vec::new();
        }
        batch::Output { rows, origin, columns: self.finish(), rejects }
    }

    fn finish(&mut self) -> Vec<Column> {
        let mut columns: Vec<Option<Column>> = self.writers.finish().into_iter().map(Some).collect();
        self.made.iter().filter_map(|at| columns[*at].take()).collect()
    }
}

/// What the derive of [`Output`] calls, so that it need not name the trait of writers.
#[doc(hidden)]
pub fn finish<W: ColumnWriter>(writer: &mut W) -> Column {
    writer.finish()
}
