//! Which of our types load into which PostgreSQL types without surprise: one table, which the checks before a
//! run and `docs/types.md` share.
//!
//! Must not know: a real table's columns; the target's stage reads them and asks here.

use crate::schema::{Scalar, Type};

/// What happens to the values of a column of ours in a column of PostgreSQL's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loads {
    /// Each value loads, and is the same there.
    Exact,
    /// A value that fits is the same there; one that does not is refused by the server, never changed.
    Fits,
    /// The server reads the text in its own way, and refuses what it cannot read.
    Parsed,
    /// Refused before a row moves: values would be changed silently, or none could load.
    No {
        /// What to do.
        hint: &'static str,
    },
}

/// How values of type `from` load into a column of type `pg_type_name`: `pg_type.typname`, which is the
/// `udt_name` of `information_schema.columns`, e.g. `int4`, `timestamptz`, `_text`. Of a domain, that of its base
/// type. Types that are not in the table (enums, extensions, …) take text alone.
pub fn loads(from: Type, pg_type_name: &str) -> Loads {
    let element = pg_type_name.strip_prefix('_');
    match (from.array, element) {
        (false, None) => scalar(from.scalar, pg_type_name),
        (true, Some(element)) => scalar(from.scalar, element),
        (false, Some(_)) if from.scalar == Scalar::Text => Loads::Parsed,
        (false, Some(_)) => Loads::No { hint: "make it an array in a module, or the column a single value" },
        (true, None) => vector(from.scalar, pg_type_name),
    }
}

/// The columns that hold each value of type `from` as it is, or whose types parse its text, by their names in SQL.
pub fn names(from: Type) -> Vec<String> {
    let loads = TARGETS.iter().filter(|(typname, name)| match scalar(from.scalar, typname) {
        Loads::Exact => true,
        // Text is parsed by any type.
        Loads::Parsed => from.scalar != Scalar::Text || *name == "text",
        Loads::Fits | Loads::No { .. } => false,
    });
    let names = loads.map(|(_, name)| format!("{name}{}", if from.array { "[]" } else { "" }));
    let exact = |name: &&str| from.array && vector(from.scalar, name) == Loads::Exact;
    names.chain(VECTORS.into_iter().filter(exact).map(String::from)).collect()
}

/// Whether arrays of type `from` reach a column of type `pg_type_name` as pgvector's text, `[1,2]`.
pub fn is_vector(from: Type, pg_type_name: &str) -> bool {
    from.array && VECTORS.contains(&pg_type_name)
}

/// The column that is made for values of type `from`, as SQL writes its type.
pub fn column(from: Type) -> String {
    let name = match from.scalar {
        Scalar::Boolean => "boolean",
        Scalar::Int16 => "smallint",
        Scalar::Int32 => "integer",
        Scalar::Int64 => "bigint",
        Scalar::Float32 => "real",
        Scalar::Float64 => "double precision",
        Scalar::Numeric => "numeric",
        Scalar::Text => "text",
        Scalar::Bytes => "bytea",
        Scalar::Uuid => "uuid",
        Scalar::Date => "date",
        Scalar::Time => "time",
        Scalar::Timestamp => "timestamptz",
        Scalar::Interval => "interval",
        Scalar::Inet => "inet",
        Scalar::Json => "jsonb",
    };
    format!("{name}{}", if from.array { "[]" } else { "" })
}

/// The table of `docs/types.md`.
pub fn markdown() -> String {
    let mut text = String::from("| type | exact | if it fits | parsed by the server |\n|---|---|---|---|\n");
    for from in Scalar::ALL {
        let names = |wanted: Loads| {
            let loads = TARGETS.iter().filter(|(typname, _)| scalar(from, typname) == wanted);
            loads.map(|(_, name)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        let (exact, fits, parsed) = (names(Loads::Exact), names(Loads::Fits), names(Loads::Parsed));
        let parsed = if from == Scalar::Text { "every other type" } else { &parsed };
        text.push_str(&format!("| `{from}` | {exact} | {fits} | {parsed} |\n"));
    }
    text
}

/// PostgreSQL's own types, by their names in `pg_type` and in SQL.
const TARGETS: [(&str, &str); 23] = [
    ("bool", "boolean"),
    ("int2", "smallint"),
    ("int4", "integer"),
    ("int8", "bigint"),
    ("float4", "real"),
    ("float8", "double precision"),
    ("numeric", "numeric"),
    ("text", "text"),
    ("varchar", "varchar"),
    ("bpchar", "char"),
    ("bytea", "bytea"),
    ("uuid", "uuid"),
    ("date", "date"),
    ("time", "time"),
    ("timetz", "timetz"),
    ("timestamp", "timestamp"),
    ("timestamptz", "timestamptz"),
    ("interval", "interval"),
    ("inet", "inet"),
    ("cidr", "cidr"),
    ("json", "json"),
    ("jsonb", "jsonb"),
    ("xml", "xml"),
];

/// pgvector's types that have the text `[1,2]`: of singles, and of halves.
const VECTORS: [&str; 2] = ["vector", "halfvec"];

/// An array into a column that is none.
fn vector(element: Scalar, target: &str) -> Loads {
    match (element, target) {
        (Scalar::Float32, "vector") => Loads::Exact,
        // Wider than the column's elements, which rounds them: see `loads_changes`.
        (Scalar::Float32 | Scalar::Float64, "vector" | "halfvec") => Loads::Parsed,
        (_, "vector" | "halfvec") => Loads::No { hint: "make the elements float32 in a module" },
        (_, "sparsevec") => Loads::No {
            hint: "make the column `vector` or `real[]`, or the value a text such as `{1:0.5,3:2}/5` in a module",
        },
        _ => Loads::No { hint: "make the column an array, or give one of the elements in a module" },
    }
}

fn scalar(from: Scalar, target: &str) -> Loads {
    match (from, target) {
        (Scalar::Text, "text") => Loads::Exact,
        (Scalar::Text, "varchar" | "bpchar") => Loads::Fits,
        (Scalar::Text, _) => Loads::Parsed,
        (Scalar::Bytes, "bytea") => Loads::Exact,
        (Scalar::Bytes, _) => Loads::No { hint: "make the column `bytea`, or the value a text in a module" },
        // The text form of anything else is a text like any other.
        (_, "text") => Loads::Exact,
        (_, "varchar" | "bpchar") => Loads::Fits,
        (
            Scalar::Boolean
            | Scalar::Int16
            | Scalar::Int32
            | Scalar::Int64
            | Scalar::Float32
            | Scalar::Float64
            | Scalar::Numeric,
            _,
        ) => number(from, target),
        (Scalar::Uuid, "uuid") => Loads::Exact,
        (Scalar::Date | Scalar::Time | Scalar::Timestamp | Scalar::Interval, _) => moment(from, target),
        (Scalar::Inet, "inet" | "cidr") | (Scalar::Json, "json" | "jsonb") => Loads::Parsed,
        (Scalar::Uuid | Scalar::Inet | Scalar::Json, _) => Loads::No { hint: NO_TYPE },
    }
}

const NO_TYPE: &str =
    "change the column's type, or make the value a text in a module: text loads into any type";

fn number(from: Scalar, target: &str) -> Loads {
    const ROUNDS: &str = "the column would round it: make the column wider, or the value narrower in a module, or allow it with `round`";
    let width = |name: &str| ["int2", "int4", "int8"].iter().position(|int| *int == name);
    let bits = match from {
        Scalar::Int16 => Some(0),
        Scalar::Int32 => Some(1),
        Scalar::Int64 => Some(2),
        _ => None,
    };
    match (from, bits, target) {
        (Scalar::Boolean, _, "bool") => Loads::Exact,
        (Scalar::Boolean, ..) => {
            Loads::No { hint: "make the column `boolean`, or the value a number in a module" }
        }
        (_, Some(bits), "int2" | "int4" | "int8") if width(target) >= Some(bits) => Loads::Exact,
        (_, Some(_), "int2" | "int4" | "int8") => Loads::Fits,
        (_, Some(0), "float4") | (_, Some(0 | 1), "float8") => Loads::Exact,
        // A numeric with a precision refuses what is larger; infinities need PostgreSQL 14.
        (_, Some(_), "numeric") | (Scalar::Numeric, _, "numeric") => Loads::Exact,
        (Scalar::Float32 | Scalar::Float64, _, "numeric") => Loads::Fits,
        // The shortest text of a single is another double than the single widened.
        (Scalar::Float32, _, "float8") => Loads::Parsed,
        (Scalar::Float32, _, "float4") | (Scalar::Float64, _, "float8") => Loads::Exact,
        (_, _, "float4" | "float8") => Loads::No { hint: ROUNDS },
        (_, _, "int2" | "int4" | "int8") => Loads::No { hint: "make the value a whole number in a module" },
        _ => Loads::No { hint: NO_TYPE },
    }
}

fn moment(from: Scalar, target: &str) -> Loads {
    match (from, target) {
        (Scalar::Date, "date")
        | (Scalar::Time, "time")
        | (Scalar::Timestamp, "timestamptz" | "timestamp")
        | (Scalar::Interval, "interval") => Loads::Exact,
        // Midnight, UTC. A timestamp ends before a date does.
        (Scalar::Date, "timestamptz" | "timestamp") => Loads::Fits,
        (Scalar::Timestamp, "date" | "time" | "timetz") => Loads::No {
            hint: "the column would drop a part of it: make the value a date or a time in a module",
        },
        (Scalar::Time, "timetz") => Loads::No { hint: "a time has no zone: make the column `time`" },
        _ => Loads::No { hint: NO_TYPE },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_loads_into_anything() {
        for (typname, _) in TARGETS {
            assert!(!matches!(loads(Type::of(Scalar::Text), typname), Loads::No { .. }), "{typname}");
        }
        assert_eq!(loads(Type::of(Scalar::Text), "some_enum"), Loads::Parsed);
        assert_eq!(loads(Type::of(Scalar::Text), "_int4"), Loads::Parsed);
        assert_eq!(loads(Type::array_of(Scalar::Text), "_some_enum"), Loads::Parsed);
    }

    #[test]
    fn each_type_has_a_column_that_holds_it_whole() {
        for scalar in Scalar::ALL {
            let name = column(Type::of(scalar));
            let (own, _) = TARGETS.into_iter().find(|(_, sql)| *sql == name).unwrap();
            assert_eq!(column(Type::array_of(scalar)), format!("{name}[]"));
            let parsed = matches!(scalar, Scalar::Inet | Scalar::Json);
            let expected = if parsed { Loads::Parsed } else { Loads::Exact };
            assert_eq!(loads(Type::of(scalar), own), expected, "{scalar}");
            assert_eq!(loads(Type::array_of(scalar), &format!("_{own}")), expected, "{scalar}[]");
            assert!(matches!(loads(Type::array_of(scalar), own), Loads::No { .. }), "{scalar}[]");
        }
    }

    #[test]
    fn arrays_of_floats_load_into_the_types_of_pgvector() {
        let of = |scalar, target| loads(Type::array_of(scalar), target);
        assert_eq!(of(Scalar::Float32, "vector"), Loads::Exact);
        assert_eq!(of(Scalar::Float64, "vector"), Loads::Parsed);
        assert_eq!(of(Scalar::Float32, "halfvec"), Loads::Parsed);
        assert!(matches!(of(Scalar::Int32, "vector"), Loads::No { hint } if hint.contains("float32")));
        assert!(matches!(of(Scalar::Float32, "sparsevec"), Loads::No { hint } if hint.contains("}/5")));
        assert!(matches!(loads(Type::of(Scalar::Float32), "vector"), Loads::No { .. }));
        assert!(matches!(of(Scalar::Float32, "_vector"), Loads::No { .. }), "an array of vectors");
        assert!(is_vector(Type::array_of(Scalar::Float32), "vector"));
        assert!(!is_vector(Type::of(Scalar::Text), "vector"), "text is a vector's text already");
        assert!(names(Type::array_of(Scalar::Float32)).contains(&"vector".to_string()));
        assert!(!names(Type::of(Scalar::Float32)).contains(&"vector".to_string()));
    }

    #[test]
    fn what_the_column_would_round_or_cut_is_refused() {
        for (scalar, typname) in [
            (Scalar::Float64, "float4"),
            (Scalar::Int64, "float8"),
            (Scalar::Numeric, "float8"),
            (Scalar::Float64, "int8"),
            (Scalar::Timestamp, "date"),
            (Scalar::Int32, "bool"),
            (Scalar::Int32, "_int4"),
            (Scalar::Int32, "some_enum"),
        ] {
            assert!(matches!(loads(Type::of(scalar), typname), Loads::No { .. }), "{scalar} into {typname}");
        }
        assert_eq!(loads(Type::of(Scalar::Int64), "int4"), Loads::Fits);
        assert_eq!(loads(Type::of(Scalar::Int16), "int4"), Loads::Exact);
    }

    /// `ETL_BLESS=1 cargo test -p etl loads` writes the block anew.
    #[test]
    fn the_table_in_the_docs_is_this_one() {
        const START: &str =
            "<!-- generated from runner/src/loads.rs: ETL_BLESS=1 cargo test -p etl loads -->\n";
        const END: &str = "<!-- end -->";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/types.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (head, rest) = page.split_once(START).unwrap();
        let (table, tail) = rest.split_once(END).unwrap();
        if std::env::var_os("ETL_BLESS").is_some() {
            std::fs::write(path, format!("{head}{START}{}{END}{tail}", markdown())).unwrap();
        } else {
            assert_eq!(table, markdown(), "docs/types.md is old: run this test with ETL_BLESS=1");
        }
    }
}
