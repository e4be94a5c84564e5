//! `#[transform]`: the author's function stays as it is; beside it comes what the runner calls.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Error, FnArg, ItemFn, Path, Result, ReturnType, Token, Type};

use crate::attributes::with_lifetime;

/// `omit = path`.
pub(crate) struct Arguments {
    omit: Option<Path>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.is_empty() {
            return Ok(Arguments { omit: None });
        }
        let name: syn::Ident = input.parse()?;
        if name != "omit" {
            return Err(Error::new(
                name.span(),
                "unknown argument: `transform` takes `omit = path::to::function`",
            ));
        }
        input.parse::<Token![=]>()?;
        Ok(Arguments { omit: Some(input.parse()?) })
    }
}

pub(crate) fn expand(arguments: &Arguments, function: &ItemFn) -> Result<TokenStream> {
    let signature = &function.sig;
    let types: Vec<&Type> = signature
        .inputs
        .iter()
        .map(|argument| match argument {
            FnArg::Typed(argument) => Ok(&*argument.ty),
            FnArg::Receiver(receiver) => Err(Error::new_spanned(receiver, "a function, not a method")),
        })
        .collect::<Result<_>>()?;
    let (input, options) = match types[..] {
        [input] => (input, None),
        [input, Type::Reference(options)] if options.mutability.is_none() => (input, Some(&*options.elem)),
        _ => {
            let shape = "a transform is `fn(Input) -> Result<…>` or `fn(Input, &Options) -> Result<…>`";
            return Err(Error::new_spanned(&signature.inputs, shape));
        }
    };
    let ReturnType::Type(_, answer) = &signature.output else {
        return Err(Error::new_spanned(signature, "a transform returns `Result<Output, Reject>`"));
    };
    let (input, answer, name) = (with_lifetime(input, "'_"), with_lifetime(answer, "'_"), &signature.ident);
    let (read, pass) = match options {
        None => (quote!(let options = ::etl_sdk::options::none(settings)?;), quote!()),
        Some(ty) => (quote!(let options: #ty = ::etl_sdk::options::read(settings)?;), quote!(, &options)),
    };
    let omit = match &arguments.omit {
        None => quote!(&[]),
        Some(path) => quote!(#path(&options)),
    };
    // It has one caller, a loop over rows: a call for each costs a twentieth of a short transform.
    let has_own = function.attrs.iter().any(|attribute| attribute.path().is_ident("inline"));
    let inline = if has_own { quote!() } else { quote!(#[inline(always)]) };
    Ok(quote! {
        #inline
        #function

        #[doc(hidden)]
        #[allow(unreachable_pub, reason = "made by a macro")]
        pub fn __etl_plan(
            input: &[::etl_sdk::Field],
            settings: &[::etl_sdk::Setting],
        ) -> ::core::result::Result<::etl_sdk::batch::Planned, ::std::string::String> {
            #read
            let shape = ::etl_sdk::rows::shape::<#input, #answer>(input, #omit)?;
            let mut rows = ::etl_sdk::rows::Rows::<::etl_sdk::rows::WritersOf<#answer>>::new(&shape);
            ::core::result::Result::Ok(::etl_sdk::batch::Planned::new(shape.plan, move |batch| {
                let _ = &options;
                ::core::result::Result::Ok(rows.run(batch, |row: #input| #name(row #pass)))
            }))
        }
        ::etl_sdk::export!(__etl_plan);
    })
}
