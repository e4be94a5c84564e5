//! What the derives tell the runner: columns read, kept, made, dropped, and what they say when something does not fit.
#![allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "structs that are only planned"
)]

use etl_sdk::{Field, Input, Numeric, Out, Output, Reject, Scalar, Setting, Type, Unchanged};

fn input() -> Vec<Field> {
    [("id", Scalar::Int64), ("name", Scalar::Text), ("price", Scalar::Int32), ("note", Scalar::Text)]
        .map(|(name, scalar)| Field::nullable(name, Type::of(scalar)))
        .into()
}

fn setting(name: &str, value: &str) -> Setting {
    Setting { name: name.into(), value: value.into() }
}

/// `2` is the input's column 2 kept, `price:numeric` a new one.
fn shown(planned: Result<etl_sdk::batch::Planned, String>) -> (Vec<u32>, String) {
    let plan = planned.map(|planned| planned.plan().clone()).unwrap();
    let columns: Vec<String> = plan
        .output
        .iter()
        .map(|out| match out {
            Out::Keep(at) => at.to_string(),
            Out::New(field) => {
                format!("{}:{}{}", field.name, field.ty, if field.nullable { "?" } else { "" })
            }
        })
        .collect();
    (plan.reads, columns.join(" "))
}

mod replace {
    use super::*;
    #[derive(Input)]
    pub struct In<'a> {
        price: Option<i32>,
        #[etl(rename = "name")]
        title: Option<&'a str>,
        #[etl(drop)]
        id: i64,
    }
    #[derive(Output)]
    #[etl(keep_rest, drop("note"))]
    pub struct Made {
        total: i64,
        price: Option<Numeric>,
        #[etl(rename = "Flags")]
        flags: Vec<Option<bool>>,
    }
    #[etl_sdk::transform]
    pub fn map(_: In<'_>) -> Result<Made, Reject> {
        Err("never".into())
    }
}

#[test]
fn a_made_column_takes_the_place_of_its_namesake_and_others_follow() {
    let (reads, output) = shown(replace::__etl_plan(&input(), &[]));
    assert_eq!(reads, [2, 1, 0]);
    assert_eq!(output, "1 price:numeric? total:int64 Flags:boolean[]");
}

#[test]
fn everything_that_does_not_fit_is_named_at_once() {
    let mut input = input();
    input[2].ty = Type::array_of(Scalar::Int32);
    input.remove(3);
    input.remove(1);
    let error = replace::__etl_plan(&input, &[]).err().unwrap();
    assert_eq!(
        error,
        "column `price` is int32[], this module wants int32; no column `name` (text); there is id, price; \
         no column `note` to drop; there is id, price"
    );
}

mod only {
    use super::*;
    #[derive(Input)]
    #[etl(drop)]
    pub struct In {
        id: i64,
        #[etl(keep)]
        price: i32,
    }
    #[derive(Output)]
    #[etl(keep("note", "id"))]
    pub struct Some {
        extra: bool,
    }
    #[derive(Output)]
    pub struct None {
        id: i64,
    }
    #[derive(Output)]
    #[etl(keep_rest)]
    pub struct Rest {}
    pub mod some {
        #[etl_sdk::transform]
        pub fn map(_: super::In) -> Result<super::Some, &'static str> {
            Err("never")
        }
    }
    pub mod none {
        #[etl_sdk::transform]
        pub fn map(_: super::In) -> Result<Vec<super::None>, &'static str> {
            Err("never")
        }
    }
    pub mod rest {
        #[etl_sdk::transform]
        pub fn map(_: super::In) -> Result<Option<super::Rest>, &'static str> {
            Err("never")
        }
    }
}

#[test]
fn an_output_has_what_it_names_and_nothing_else_without_keep_rest() {
    assert_eq!(shown(only::some::__etl_plan(&input(), &[])).1, "0 3 extra:boolean");
    assert_eq!(shown(only::none::__etl_plan(&input(), &[])).1, "id:int64");
}

#[test]
fn a_struct_may_drop_all_that_it_reads_but_one() {
    assert_eq!(shown(only::rest::__etl_plan(&input(), &[])).1, "1 2 3");
}

mod options {
    use super::*;
    #[derive(Input)]
    pub struct In {
        id: i64,
    }
    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    pub struct Options {
        pub mode: Option<Mode>,
        #[serde(default)]
        pub label: String,
        #[serde(default)]
        pub exact: bool,
        #[serde(default)]
        pub factor: f64,
        #[serde(default)]
        pub columns: Vec<String>,
        #[serde(default)]
        pub nested: Nested,
        pub least: i32,
    }
    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Mode {
        Flag,
        Filter,
        Limit(u8),
    }
    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    pub struct Nested {
        pub deep: Option<u8>,
    }
    impl Options {
        fn omits(&self) -> &'static [&'static str] {
            if self.exact { &[] } else { &["exact"] }
        }
    }
    #[derive(Output)]
    pub struct Made {
        exact: bool,
        label: &'static str,
    }
    #[etl_sdk::transform(omit = Options::omits)]
    pub fn map(_: In, _: &Options) -> Result<Made, Reject> {
        Ok(Made { exact: true, label: "x" })
    }
}

#[test]
fn options_are_read_as_the_struct_wants_them() {
    use options::{Mode, Nested, Options};
    let settings = [
        setting("least", "-3"),
        setting("label", "true"),
        setting("exact", "true"),
        setting("factor", "2"),
        setting("columns", r#"["a", "b"]"#),
        setting("nested", r#"{"deep": 7}"#),
        setting("mode", "filter"),
    ];
    let read: Options = etl_sdk::options::read(&settings).unwrap();
    let wanted = Options {
        least: -3,
        label: "true".into(),
        exact: true,
        factor: 2.0,
        columns: vec!["a".into(), "b".into()],
        nested: Nested { deep: Some(7) },
        mode: Some(Mode::Filter),
    };
    assert_eq!(read, wanted);
    let read: Options =
        etl_sdk::options::read(&[setting("least", "1"), setting("mode", r#"{"limit": 4}"#)]).unwrap();
    assert_eq!(read.mode, Some(Mode::Limit(4)));
}

#[test]
fn an_option_that_does_not_fit_is_named() {
    for (name, value, message) in [
        ("exact", "yes", "option `exact`: expected value"),
        ("exact", "1", "option `exact`: invalid type: integer `1`, expected a boolean"),
        ("least", "3000000000", "option `least`: invalid value: integer `3000000000`, expected i32"),
        ("mode", "drop", "option `mode`: unknown variant `drop`, expected one of `flag`, `filter`, `limit`"),
        (
            "colour",
            "red",
            "unknown option `colour`: this module takes `mode`, `label`, `exact`, `factor`, `columns`, `nested`, `least`",
        ),
        ("label", "x", "option `least` is missing"),
    ] {
        let error = options::__etl_plan(&input(), &[setting(name, value)]).err().unwrap();
        assert_eq!(error, message, "{name} = {value}");
    }
}

#[test]
fn a_module_without_options_refuses_any() {
    let error = replace::__etl_plan(&input(), &[setting("colour", "red")]).err().unwrap();
    assert_eq!(error, "unknown option `colour`: this module takes none");
}

#[test]
fn omitted_columns_are_neither_planned_nor_made() {
    for (exact, columns, made) in [("false", "label:text", 1), ("true", "exact:boolean label:text", 2)] {
        let settings = [setting("least", "0"), setting("exact", exact)];
        let mut planned = options::__etl_plan(&input(), &settings).unwrap();
        let mut ids = etl_sdk::batch::Writer::<i64>::default();
        ids.push(7i64);
        let types = [Type::of(Scalar::Int64)];
        let batch = etl_sdk::batch::Batch::new(1, &types, vec![ids.finish()]).unwrap();
        assert_eq!(planned.transform(&batch).unwrap().columns.len(), made);
        assert_eq!(shown(Ok(planned)).1, columns);
    }
}

mod unchanged {
    use super::*;
    #[derive(Input)]
    pub struct Nothing {}
    #[etl_sdk::transform]
    pub fn map(_: Nothing) -> Result<Unchanged, Reject> {
        Ok(Unchanged)
    }
}

#[test]
fn unchanged_keeps_everything_and_reads_what_it_is_told() {
    assert_eq!(shown(unchanged::__etl_plan(&input(), &[])), (vec![], "0 1 2 3".into()));
}
