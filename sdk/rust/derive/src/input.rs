//! `#[derive(Input)]`: a struct of views beside the struct of values.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{DeriveInput, Error, Lifetime, Result};

use crate::attributes;

pub(crate) fn derive(item: &DeriveInput) -> Result<TokenStream> {
    let drop_all = drops_all(item)?;
    let fields = attributes::fields(item, true)?;
    if item.generics.lifetimes().count() > 1 {
        return Err(Error::new_spanned(
            &item.generics,
            "an input struct has one lifetime: that of its batch",
        ));
    }
    let lifetime = item
        .generics
        .lifetimes()
        .next()
        .map_or_else(|| Lifetime::new("'etl", item.ident.span()), |parameter| parameter.lifetime.clone());
    let (name, (_, type_generics, _)) = (&item.ident, item.generics.split_for_impl());
    let idents: Vec<_> = fields.iter().map(|field| field.ident).collect();
    let types: Vec<_> = fields.iter().map(|field| field.ty).collect();
    let columns: Vec<_> = fields.iter().map(|field| &field.column).collect();
    let drops = fields.iter().map(|field| field.drop.unwrap_or(drop_all));
    let views: Vec<_> = (0..fields.len()).map(|at| format_ident!("V{at}")).collect();
    let places = 0..fields.len();
    Ok(quote! {
        #[allow(unreachable_pub, reason = "made by a macro")]
        const _: () = {
            // Type parameters instead of the fields' types: the struct may be public where its fields' types are not.
            #[derive(Clone, Copy)]
            pub struct Views<#(#views),*> {
                #(#idents: #views),*
            }
            impl<#lifetime> ::etl_sdk::Input<#lifetime> for #name #type_generics {
                const COLUMNS: &'static [::etl_sdk::rows::Read] = &[#(::etl_sdk::rows::Read {
                    name: #columns,
                    ty: <#types as ::etl_sdk::FromColumn<#lifetime>>::TYPE,
                    drop: #drops,
                }),*];
                type Views = Views<#(<#types as ::etl_sdk::FromColumn<#lifetime>>::View),*>;
                fn views(batch: &#lifetime ::etl_sdk::batch::Batch<'_>) -> Self::Views {
                    Views { #(#idents: <#types as ::etl_sdk::FromColumn<#lifetime>>::view(batch.checked(#places))),* }
                }
                #[inline]
                fn row(views: &Self::Views, row: usize) -> ::core::result::Result<Self, &'static str> {
                    ::core::result::Result::Ok(Self { #(
                        #idents: match <#types as ::etl_sdk::FromColumn<#lifetime>>::get(&views.#idents, row) {
                            ::core::result::Result::Ok(value) => value,
                            ::core::result::Result::Err(fault) => return ::core::result::Result::Err(match fault {
                                ::etl_sdk::batch::Fault::Null => ::core::concat!(#columns, " is null"),
                                ::etl_sdk::batch::Fault::NullElement => ::core::concat!(#columns, " has a null element"),
                                ::etl_sdk::batch::Fault::Range => ::core::concat!(#columns, " is out of range"),
                            }),
                        }
                    ),* })
                }
            }
        };
    })
}

/// `drop` without names. What an output struct takes is skipped: one struct may be both.
fn drops_all(item: &DeriveInput) -> Result<bool> {
    let mut drop_all = false;
    attributes::each(&item.attrs, |meta| {
        let with_names = meta.input.peek(syn::token::Paren);
        if with_names && (meta.path.is_ident("drop") || meta.path.is_ident("keep")) {
            attributes::names(&meta)?;
        } else if meta.path.is_ident("drop") {
            drop_all = true;
        } else if !meta.path.is_ident("keep_rest") {
            return Err(meta.error("unknown attribute: an input struct takes `drop`"));
        }
        Ok(())
    })?;
    Ok(drop_all)
}
