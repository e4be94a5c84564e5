//! `#[etl(…)]` of structs and fields, and what both derives need.

use std::collections::HashSet;

use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::visit_mut::VisitMut;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Lifetime, LitStr, Result, Token, Type};

/// One field: the column's name and what its attributes say.
pub(crate) struct Field<'a> {
    pub(crate) ident: &'a syn::Ident,
    pub(crate) ty: &'a Type,
    pub(crate) column: LitStr,
    pub(crate) drop: Option<bool>,
}

/// The named fields of a struct without type parameters; a column's name occurs once.
pub(crate) fn fields(item: &DeriveInput, drops: bool) -> Result<Vec<Field<'_>>> {
    if let Some(parameter) = item.generics.type_params().next() {
        return Err(Error::new_spanned(parameter, "a struct of columns has no type parameters"));
    }
    let named = match &item.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => Some(&named.named),
            _ => None,
        },
        _ => None,
    };
    let named = named.ok_or_else(|| {
        Error::new_spanned(&item.ident, "columns come from a struct with named fields: `struct Row { … }`")
    })?;
    let fields = named.iter().map(|field| self::field(field, drops)).collect::<Result<Vec<_>>>()?;
    let mut names = HashSet::new();
    match fields.iter().find(|field| !names.insert(field.column.value())) {
        Some(twice) => {
            Err(Error::new(twice.column.span(), format!("column `{}` is there twice", twice.column.value())))
        }
        None => Ok(fields),
    }
}

fn field(field: &syn::Field, drops: bool) -> Result<Field<'_>> {
    let ident = field.ident.as_ref().ok_or_else(|| Error::new_spanned(field, "a column needs a name"))?;
    let name = ident.to_string();
    let mut column = LitStr::new(name.strip_prefix("r#").unwrap_or(&name), ident.span());
    let mut drop = None;
    each(&field.attrs, |meta| {
        if meta.path.is_ident("rename") {
            column = meta.value()?.parse()?;
        } else if drops && meta.path.is_ident("drop") {
            drop = Some(true);
        } else if drops && meta.path.is_ident("keep") {
            drop = Some(false);
        } else {
            let known = if drops { "`rename = \"…\"`, `drop` or `keep`" } else { "`rename = \"…\"`" };
            return Err(meta.error(format!("unknown attribute: a field takes {known}")));
        }
        Ok(())
    })?;
    Ok(Field { ident, ty: &field.ty, column, drop })
}

/// Every `#[etl(…)]`, one entry at a time.
pub(crate) fn each(
    attributes: &[Attribute],
    mut entry: impl FnMut(ParseNestedMeta<'_>) -> Result<()>,
) -> Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("etl")) {
        attribute.parse_nested_meta(&mut entry)?;
    }
    Ok(())
}

/// `("a", "b")`.
pub(crate) fn names(meta: &ParseNestedMeta<'_>) -> Result<Vec<LitStr>> {
    let content;
    syn::parenthesized!(content in meta.input);
    Ok(Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?.into_iter().collect())
}

/// The type with every lifetime but `'static` replaced.
pub(crate) fn with_lifetime(ty: &Type, lifetime: &str) -> Type {
    struct Replace<'a>(&'a str);
    impl VisitMut for Replace<'_> {
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            if lifetime.ident != "static" {
                *lifetime = Lifetime::new(self.0, lifetime.span());
            }
        }
        fn visit_type_reference_mut(&mut self, reference: &mut syn::TypeReference) {
            reference.lifetime.get_or_insert_with(|| Lifetime::new(self.0, reference.and_token.span));
            syn::visit_mut::visit_type_reference_mut(self, reference);
        }
    }
    let mut ty = ty.clone();
    Replace(lifetime).visit_type_mut(&mut ty);
    ty
}
