//! `#[derive(Output)]`: a struct of writers beside the struct of values.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{DeriveInput, Error, LitStr, Result};

use crate::attributes;

pub(crate) fn derive(item: &DeriveInput) -> Result<TokenStream> {
    let keep = keep(item)?;
    let fields = attributes::fields(item, false)?;
    let (name, (impl_generics, type_generics, _)) = (&item.ident, item.generics.split_for_impl());
    let idents: Vec<_> = fields.iter().map(|field| field.ident).collect();
    let types: Vec<_> = fields.iter().map(|field| field.ty).collect();
    // The writers of a type do not depend on its lifetime.
    let writes: Vec<_> = fields.iter().map(|field| attributes::with_lifetime(field.ty, "'static")).collect();
    let columns: Vec<_> = fields.iter().map(|field| &field.column).collect();
    let writers: Vec<_> = (0..fields.len()).map(|at| format_ident!("W{at}")).collect();
    Ok(quote! {
        #[allow(unreachable_pub, reason = "made by a macro")]
        const _: () = {
            #[derive(Default)]
            pub struct Writers<#(#writers),*> {
                #(#idents: #writers),*
            }
            impl<#(#writers: ::etl_sdk::batch::ColumnWriter),*> ::etl_sdk::rows::Writers for Writers<#(#writers),*> {
                fn reserve(&mut self, rows: usize) {
                    let _ = rows;
                    #(::etl_sdk::batch::ColumnWriter::reserve(&mut self.#idents, rows);)*
                }
                fn finish(&mut self) -> ::std::vec::Vec<::etl_sdk::batch::Column> {
                    ::std::vec![#(::etl_sdk::batch::ColumnWriter::finish(&mut self.#idents)),*]
                }
            }
            impl #impl_generics ::etl_sdk::Output for #name #type_generics {
                const COLUMNS: &'static [::etl_sdk::rows::Made] = &[#(::etl_sdk::rows::Made {
                    name: #columns,
                    ty: <#writes as ::etl_sdk::ToColumn>::TYPE,
                    nullable: <#writes as ::etl_sdk::ToColumn>::NULLABLE,
                }),*];
                const KEEP: ::etl_sdk::rows::Keep = #keep;
                type Writers = Writers<#(<#writes as ::etl_sdk::ToColumn>::Writer),*>;
                #[inline]
                fn write(self, to: &mut Self::Writers) {
                    let _ = to;
                    #(<#types as ::etl_sdk::ToColumn>::write(self.#idents, &mut to.#idents);)*
                }
            }
            impl #impl_generics ::etl_sdk::rows::Emit for #name #type_generics {
                type Row = Self;
                #[inline]
                fn emit(self, mut each: impl FnMut(Self)) {
                    each(self);
                }
            }
        };
    })
}

fn keep(item: &DeriveInput) -> Result<TokenStream> {
    let (mut rest, mut drop, mut only): (_, Vec<LitStr>, Option<Vec<LitStr>>) = (false, Vec::new(), None);
    attributes::each(&item.attrs, |meta| {
        if meta.path.is_ident("keep_rest") {
            rest = true;
        } else if meta.path.is_ident("drop") {
            drop = attributes::names(&meta)?;
        } else if meta.path.is_ident("keep") {
            only = Some(attributes::names(&meta)?);
        } else {
            let known = "`keep_rest`, `drop(\"…\")` or `keep(\"…\")`";
            return Err(meta.error(format!("unknown attribute: an output struct takes {known}")));
        }
        Ok(())
    })?;
    match (rest, only) {
        (true, Some(_)) => Err(Error::new_spanned(&item.ident, "either `keep_rest` or `keep(…)`")),
        (false, _) if !drop.is_empty() => Err(Error::new_spanned(
            &item.ident,
            "`drop(…)` says what `keep_rest` leaves out: there is no `keep_rest`",
        )),
        (true, None) => Ok(quote!(::etl_sdk::rows::Keep::Rest(&[#(#drop),*]))),
        (false, only) => {
            let only = only.unwrap_or_default();
            Ok(quote!(::etl_sdk::rows::Keep::Only(&[#(#only),*])))
        }
    }
}
