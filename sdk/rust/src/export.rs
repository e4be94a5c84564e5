//! The macros that make a crate a module: the exports that the runner calls.
//!
//! Must not know: what the calls do (glue).

/// Exports what the contract wants, for an [`Entry`]. `#[transform]` and [`batches!`](crate::batches) write this.
#[doc(hidden)]
#[macro_export]
macro_rules! export {
    ($entry:path) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "the exports of a module are raw calls; all they do is in etl-sdk")]
        const _: () = {
            use $crate::glue;

            #[unsafe(no_mangle)]
            extern "C" fn etl_transform_0_1() {}
            #[unsafe(no_mangle)]
            unsafe extern "C" fn cabi_realloc(
                old: *mut u8,
                old_length: usize,
                align: usize,
                length: usize,
            ) -> *mut u8 {
                unsafe { glue::realloc(old, old_length, align, length) }
            }
            #[unsafe(export_name = "plan")]
            unsafe extern "C" fn export_plan(
                fields: *mut glue::RawField,
                field_count: usize,
                settings: *mut glue::RawSetting,
                setting_count: usize,
            ) -> *mut u8 {
                unsafe { glue::plan($entry, (fields, field_count), (settings, setting_count)) }
            }
            #[unsafe(export_name = "transform")]
            unsafe extern "C" fn export_transform(
                rows: u32,
                columns: *mut glue::RawColumn,
                length: usize,
            ) -> *mut u8 {
                unsafe { glue::transform(rows, columns, length) }
            }
            #[unsafe(no_mangle)]
            unsafe extern "C" fn cabi_post_plan(result: *mut u8) {
                unsafe { glue::drop_plan(result) }
            }
            #[unsafe(no_mangle)]
            unsafe extern "C" fn cabi_post_transform(result: *mut u8) {
                unsafe { glue::drop_output(result) }
            }
        };
    };
}

/// Makes a module of two functions over whole batches: the way out when rows are not what you want.
///
/// ```
/// use etl_sdk::batch::{Batch, Output, Writer};
/// use etl_sdk::{Field, Out, Plan, Scalar, Setting, Type};
///
/// /// Finds the column, and keeps what `transform` needs.
/// fn plan(input: &[Field], _options: &[Setting]) -> Result<(Plan, Writer<Option<i64>>), String> {
///     let at = input.iter().position(|field| field.name == "price").ok_or("no column `price`")?;
///     let doubled = Field::nullable("doubled", Type::of(Scalar::Int64));
///     let output = (0..input.len() as u32).map(Out::Keep).chain([Out::New(doubled)]).collect();
///     Ok((Plan { reads: vec![at as u32], output }, Writer::default()))
/// }
///
/// fn transform(doubled: &mut Writer<Option<i64>>, batch: &Batch<'_>) -> Result<Output, String> {
///     let prices = batch.reader::<Option<i64>>(0)?;
///     let mut output = Output::default();
///     for row in 0..batch.rows() {
///         match prices.get(row).ok().flatten().map(|price| price.checked_mul(2)) {
///             Some(None) => output.rejects.push((row as u32, "price is too large".into())),
///             value => doubled.push(value.flatten()),
///         }
///     }
///     output.rows = batch.rows() - output.rejects.len();
///     output.columns = vec![doubled.finish()];
///     Ok(output)
/// }
///
/// etl_sdk::batches!(plan, transform);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! batches {
    ($plan:path, $transform:path) => {
        #[doc(hidden)]
        #[allow(unreachable_pub, reason = "made by a macro")]
        pub fn __etl_plan(
            input: &[$crate::Field],
            settings: &[$crate::Setting],
        ) -> ::core::result::Result<$crate::batch::Planned, ::std::string::String> {
            $plan(input, settings).map(|planned| $crate::batch::Planned::with(planned, $transform))
        }
        $crate::export!(__etl_plan);
    };
}
