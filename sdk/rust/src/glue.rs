//! The calls of the runner: the canonical lowering of `sdk/wit/transform.wit`, whose records are `repr(C)`.
//!
//! Must not know: an author's structs (rows). Everything `unsafe` is here or says at its place why it holds. The traps are hidden
//! here too: empty lists need a pointer that is in bounds, what is given back lives until the runner has copied it, and a panic
//! says what happened before it traps.

use std::alloc::{self, Layout};
use std::cell::RefCell;
use std::{panic, ptr};

use crate::column::{Batch, Column, Output};
use crate::schema::{Field, Out, Plan, Scalar, Setting, Type};

/// A module that has planned: what it told the runner, and what it does with a batch.
pub struct Planned {
    plan: Plan,
    transform: Box<Transform>,
}

type Transform = dyn FnMut(&Batch<'_>) -> Result<Output, String>;

impl Planned {
    /// `transform` is called for every batch and keeps what it needs.
    pub fn new(plan: Plan, transform: impl FnMut(&Batch<'_>) -> Result<Output, String> + 'static) -> Planned {
        Planned { plan, transform: Box::new(transform) }
    }

    /// Whole batches: a plan with a state, and a function that gets both.
    pub fn with<S: 'static>(
        planned: (Plan, S),
        transform: fn(&mut S, &Batch<'_>) -> Result<Output, String>,
    ) -> Planned {
        let (plan, mut state) = planned;
        Planned::new(plan, move |batch| transform(&mut state, batch))
    }

    /// What it told the runner.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// One batch, as the runner would send it.
    pub fn transform(&mut self, batch: &Batch<'_>) -> Result<Output, String> {
        (self.transform)(batch)
    }
}

/// The author's side of `plan`.
pub type Entry = fn(&[Field], &[Setting]) -> Result<Planned, String>;

/// What an instance knows between its calls.
struct Module {
    planned: Planned,
    reads: Vec<Type>,
}

thread_local!(static MODULE: RefCell<Option<Module>> = const { RefCell::new(None) });

/// A list as the runner lays it out.
#[repr(C)]
pub struct List<T> {
    data: *mut T,
    length: usize,
}

impl<T> List<T> {
    /// What `values` holds, for the runner to read while `values` lives. A vector's pointer is never outside of memory or null.
    fn of(values: &[T]) -> List<T> {
        if values.is_empty() {
            // The pointer of an empty slice is dangling but small and aligned, so within the first page.
            return List { data: ptr::without_provenance_mut(align_of::<T>()), length: 0 };
        }
        List { data: values.as_ptr().cast_mut(), length: values.len() }
    }

    /// # Safety
    /// The list is one that `realloc` gave to the runner, which gave it up.
    unsafe fn take(self) -> Vec<T> {
        if self.length == 0 {
            return Vec::new();
        }
        // SAFETY: `realloc` allocated it with the alignment of `T` and exactly this length.
        unsafe { Vec::from_raw_parts(self.data, self.length, self.length) }
    }
}

/// # Safety
/// As for [`List::take`].
unsafe fn string(list: List<u8>) -> String {
    // SAFETY: the caller's promise; a `string` of the contract is UTF-8.
    unsafe { String::from_utf8_unchecked(list.take()) }
}

#[doc(hidden)]
#[repr(C)]
pub struct RawField {
    name: List<u8>,
    scalar: u8,
    array: u8,
    nullable: u8,
}

#[doc(hidden)]
#[repr(C)]
pub struct RawSetting {
    name: List<u8>,
    value: List<u8>,
}

#[expect(dead_code, reason = "the runner reads it")]
#[repr(C, u8)]
enum RawOut {
    Keep(u32),
    New(RawField),
}

#[repr(C)]
struct RawPlan {
    reads: List<u32>,
    output: List<RawOut>,
}

#[doc(hidden)]
#[repr(C)]
pub struct RawColumn {
    validity: List<u8>,
    offsets: List<u8>,
    data: List<u8>,
}

#[repr(C)]
struct RawReject {
    row: u32,
    reason: List<u8>,
}

#[repr(C)]
struct RawOutput {
    rows: u32,
    origin: List<u32>,
    columns: List<RawColumn>,
    rejects: List<RawReject>,
}

#[expect(dead_code, reason = "the runner reads it")]
#[repr(C, u8)]
enum RawResult<T> {
    Ok(T),
    Err(List<u8>),
}

/// A result with everything that it points to, alive until the runner says that it has read it.
#[repr(C)]
struct Kept<Raw, Owned> {
    raw: RawResult<Raw>, // first: the runner gets the address of this
    owned: Owned,
}

impl<Raw, Owned> Kept<Raw, Owned> {
    fn give(raw: RawResult<Raw>, owned: Owned) -> *mut u8 {
        Box::into_raw(Box::new(Kept { raw, owned })).cast()
    }

    /// # Safety
    /// `result` is what `give` of the same types returned, and nobody uses it any more.
    unsafe fn drop(result: *mut u8) {
        // SAFETY: the caller's promise.
        drop(unsafe { Box::from_raw(result.cast::<Self>()) });
    }
}

type KeptPlan = Kept<RawPlan, (Plan, Vec<RawOut>, String)>;
type KeptOutput = Kept<RawOutput, (Output, Vec<RawColumn>, Vec<RawReject>, String)>;

/// `cabi_realloc`: memory for what the runner sends.
///
/// # Safety
/// As for [`alloc::realloc`].
pub unsafe fn realloc(old: *mut u8, old_length: usize, align: usize, length: usize) -> *mut u8 {
    if length == 0 {
        return ptr::without_provenance_mut(align);
    }
    // SAFETY: alignments are those of the contract's types: powers of two, 1 to 8.
    let layout = |length| unsafe { Layout::from_size_align_unchecked(length, align) };
    // SAFETY: the length is not 0, and `old` is of an earlier call.
    let memory = unsafe {
        if old_length == 0 {
            alloc::alloc(layout(length))
        } else {
            alloc::realloc(old, layout(old_length), length)
        }
    };
    if memory.is_null() {
        alloc::handle_alloc_error(layout(length));
    }
    memory
}

/// `plan`.
///
/// # Safety
/// Both lists are from [`realloc`] and given up by the runner.
pub unsafe fn plan(
    entry: Entry,
    fields: (*mut RawField, usize),
    settings: (*mut RawSetting, usize),
) -> *mut u8 {
    panic::set_hook(Box::new(|info| crate::log::error(&info.to_string())));
    // SAFETY: the caller's promise.
    let fields = unsafe { List { data: fields.0, length: fields.1 }.take() };
    // SAFETY: as above.
    let settings = unsafe { List { data: settings.0, length: settings.1 }.take() };
    // SAFETY: the strings came with the lists.
    let fields: Vec<Field> = fields.into_iter().map(|field| unsafe { lift_field(field) }).collect();
    let settings: Vec<Setting> = settings
        .into_iter()
        // SAFETY: the strings came with the lists.
        .map(|setting| unsafe { Setting { name: string(setting.name), value: string(setting.value) } })
        .collect();
    match entry(&fields, &settings) {
        Ok(planned) => {
            let plan = planned.plan.clone();
            let reads = plan.reads.iter().map(|at| fields[*at as usize].ty).collect();
            MODULE.set(Some(Module { planned, reads }));
            give_plan(plan)
        }
        Err(error) => {
            let raw = RawResult::Err(List::of(error.as_bytes()));
            KeptPlan::give(raw, (Plan::default(), Vec::new(), error))
        }
    }
}

/// # Safety
/// As for [`List::take`].
unsafe fn lift_field(field: RawField) -> Field {
    let scalar = Scalar::ALL[usize::from(field.scalar)];
    // SAFETY: the caller's promise.
    let name = unsafe { string(field.name) };
    Field { name, ty: Type { scalar, array: field.array != 0 }, nullable: field.nullable != 0 }
}

fn give_plan(plan: Plan) -> *mut u8 {
    let output: Vec<RawOut> = plan
        .output
        .iter()
        .map(|out| match out {
            Out::Keep(at) => RawOut::Keep(*at),
            Out::New(field) => RawOut::New(RawField {
                name: List::of(field.name.as_bytes()),
                scalar: field.ty.scalar as u8,
                array: u8::from(field.ty.array),
                nullable: u8::from(field.nullable),
            }),
        })
        .collect();
    let raw = RawPlan { reads: List::of(&plan.reads), output: List::of(&output) };
    KeptPlan::give(RawResult::Ok(raw), (plan, output, String::new()))
}

/// `transform`.
///
/// # Safety
/// The list is from [`realloc`], given up by the runner, and what the plan asked for.
pub unsafe fn transform(rows: u32, columns: *mut RawColumn, length: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    let columns = unsafe { List { data: columns, length }.take() };
    let answer = MODULE.with_borrow_mut(|module| {
        let Some(Module { planned, reads }) = module else { return Err("`transform` before `plan`".into()) };
        let mut raw = columns.into_iter();
        // SAFETY: the buffers came with the list.
        let columns = reads.iter().map(|ty| unsafe { lift_column(&mut raw, *ty) }).collect();
        // SAFETY: the runner sends what the plan asked for, checked when it was read.
        planned.transform(&unsafe { Batch::trusted(rows as usize, reads, columns) })
    });
    match answer {
        Ok(output) => give_output(output),
        Err(error) => {
            let raw = RawResult::Err(List::of(error.as_bytes()));
            KeptOutput::give(raw, (Output::default(), Vec::new(), Vec::new(), error))
        }
    }
}

/// # Safety
/// As for [`List::take`].
unsafe fn lift_column(raw: &mut impl Iterator<Item = RawColumn>, ty: Type) -> Column {
    let column = raw.next().expect("the runner sends the columns that the plan reads");
    let elements = ty.array.then(|| {
        // SAFETY: the caller's promise.
        Box::new(unsafe { lift_column(raw, Type::of(ty.scalar)) })
    });
    // SAFETY: the caller's promise.
    unsafe {
        Column {
            validity: column.validity.take(),
            offsets: column.offsets.take(),
            data: column.data.take(),
            elements,
        }
    }
}

fn give_output(output: Output) -> *mut u8 {
    let mut columns = Vec::with_capacity(output.columns.len());
    for column in &output.columns {
        let mut next = Some(column);
        while let Some(Column { validity, offsets, data, elements }) = next {
            columns.push(RawColumn {
                validity: List::of(validity),
                offsets: List::of(offsets),
                data: List::of(data),
            });
            next = elements.as_deref();
        }
    }
    let reject = |(row, reject): &(u32, crate::Reject)| RawReject {
        row: *row,
        reason: List::of(reject.reason().as_bytes()),
    };
    let rejects: Vec<RawReject> = output.rejects.iter().map(reject).collect();
    let raw = RawOutput {
        rows: output.rows as u32,
        origin: List::of(&output.origin),
        columns: List::of(&columns),
        rejects: List::of(&rejects),
    };
    KeptOutput::give(RawResult::Ok(raw), (output, columns, rejects, String::new()))
}

/// `cabi_post_plan`.
///
/// # Safety
/// `result` is what [`plan`] returned.
pub unsafe fn drop_plan(result: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { KeptPlan::drop(result) }
}

/// `cabi_post_transform`.
///
/// # Safety
/// `result` is what [`transform`] returned.
pub unsafe fn drop_output(result: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { KeptOutput::drop(result) }
}

#[cfg(test)]
mod tests {
    use std::mem;

    use super::*;

    #[test]
    fn a_list_is_read_where_it_lies_and_an_empty_one_points_into_memory() {
        let list = List::of(&[7u32, 8]);
        assert_eq!(list.length, 2);
        let empty = List::<u32>::of(&[]);
        assert_eq!((empty.data as usize, empty.length), (align_of::<u32>(), 0));
    }

    #[test]
    fn a_record_has_the_layout_of_the_contract() {
        let pointer = size_of::<usize>();
        assert_eq!(mem::offset_of!(RawField, scalar), 2 * pointer);
        assert_eq!(mem::offset_of!(RawOutput, origin), pointer);
        assert_eq!(size_of::<RawOut>(), 4 * pointer);
        assert_eq!(mem::offset_of!(KeptOutput, raw), 0);
    }
}
