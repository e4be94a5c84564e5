//! The macros of `etl-sdk`: documented there.

mod attributes;
mod input;
mod output;
mod transform;

use proc_macro::TokenStream;

/// Implements `etl_sdk::Input`: a struct's fields are columns that the module reads.
#[proc_macro_derive(Input, attributes(etl))]
pub fn input(item: TokenStream) -> TokenStream {
    input::derive(&syn::parse_macro_input!(item)).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Implements `etl_sdk::Output`: a struct's fields are columns that the module makes.
#[proc_macro_derive(Output, attributes(etl))]
pub fn output(item: TokenStream) -> TokenStream {
    output::derive(&syn::parse_macro_input!(item)).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes a function the module: `fn(Input) -> Result<Output, Reject>`, with the options (`&Options`) as a second argument if wanted.
///
/// `Result<Option<Output>, Reject>` filters, `Result<Vec<Output>, Reject>` makes any number of rows of one.
/// `#[transform(omit = path)]` names a `fn(&Options) -> &'static [&'static str]`: output columns that these options do not want.
#[proc_macro_attribute]
pub fn transform(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = syn::parse_macro_input!(arguments as transform::Arguments);
    transform::expand(&arguments, &syn::parse_macro_input!(item))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
