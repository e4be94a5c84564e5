//! How a function of a component says its type, in the words of a WIT file, for errors.

use wasmtime::component::types::{ComponentFunc, Type};

/// What the contract wants of `plan` and `transform`.
pub(super) const PLAN: &str = "func(input: list<field>, options: list<setting>) -> result<plan, string>";
pub(super) const TRANSFORM: &str = "func(batch: batch) -> result<output, string>";

/// Deeper types are not spelled out.
const MAX_DEPTH: u32 = 6;

/// `func(a: u32) -> string`.
pub(super) fn of(func: &ComponentFunc) -> String {
    let params: Vec<String> = func.params().map(|(name, ty)| format!("{name}: {}", spell(&ty, 0))).collect();
    let results: Vec<String> = func.results().map(|ty| spell(&ty, 0)).collect();
    let arrow = if results.is_empty() { "" } else { " -> " };
    let start = if func.async_() { "async func" } else { "func" };
    format!("{start}({}){arrow}{}", params.join(", "), results.join(", "))
}

fn spell(ty: &Type, depth: u32) -> String {
    if depth > MAX_DEPTH {
        return "…".into();
    }
    let inner = |ty: &Type| spell(ty, depth + 1);
    let list = |parts: Vec<String>| parts.join(", ");
    match ty {
        Type::List(l) => format!("list<{}>", inner(&l.ty())),
        Type::Record(r) => {
            let fields = r.fields().map(|f| format!("{}: {}", f.name, inner(&f.ty))).collect();
            format!("record {{{}}}", list(fields))
        }
        Type::Tuple(t) => format!("tuple<{}>", list(t.types().map(|t| inner(&t)).collect())),
        Type::Variant(v) => {
            let case = |name: &str, ty: Option<Type>| match ty {
                Some(ty) => format!("{name}({})", inner(&ty)),
                None => name.to_owned(),
            };
            format!("variant {{{}}}", list(v.cases().map(|c| case(c.name, c.ty)).collect()))
        }
        Type::Enum(e) => format!("enum {{{}}}", list(e.names().map(str::to_owned).collect())),
        Type::Option(o) => format!("option<{}>", inner(&o.ty())),
        Type::Result(r) => {
            let part = |ty: Option<Type>| ty.map_or_else(|| "_".into(), |ty| inner(&ty));
            format!("result<{}, {}>", part(r.ok()), part(r.err()))
        }
        Type::Flags(f) => format!("flags {{{}}}", list(f.names().map(str::to_owned).collect())),
        Type::Own(_) | Type::Borrow(_) => "resource".into(),
        Type::Float32 => "f32".into(),
        Type::Float64 => "f64".into(),
        simple => format!("{simple:?}").to_lowercase().split('(').next().unwrap_or_default().to_owned(),
    }
}
