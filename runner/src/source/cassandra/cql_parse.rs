//! Types from their texts in `system_schema`: columns' and the fields' of users' types. Bounded in depth and
//! size, because the texts come from a server. Must not know whose type it is.

use super::cql_type::{CqlType, Native, UdtField, Udts};

/// Types inside types, `frozen` and users' types included: types and values are read by recursion.
const MAX_DEPTH: usize = 64;
/// Types in one type: users' types that hold others twice each would grow without end.
const MAX_PARTS: usize = 10_000;
/// The longest text of one type.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// A type that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypeError {
    /// Not CQL, or of a version with types that are not known here.
    #[error("the type `{text}` cannot be understood at byte {at}: {problem}")]
    Syntax {
        /// The type, or its beginning.
        text: String,
        /// Where in it.
        at: usize,
        /// What was expected.
        problem: &'static str,
    },
    /// A name that is neither CQL's nor a user's type of the keyspace.
    #[error("there is no type `{name}` in the keyspace")]
    Unknown {
        /// The type's name.
        name: String,
    },
    /// A user's type that holds itself.
    #[error("the type `{name}` holds itself")]
    Recursive {
        /// The type's name.
        name: String,
    },
    /// Larger than one of the bounds.
    #[error("the type `{text}` is too large: {limit}")]
    TooLarge {
        /// The type, or its beginning.
        text: String,
        /// Which bound, as a sentence.
        limit: &'static str,
    },
    /// A class of the server's own.
    #[error("values of the class `{class}` cannot be read: leave the column out")]
    Custom {
        /// The class.
        class: String,
    },
}

/// Reads a type; the users' types in it are resolved with `udts`.
pub fn parse(text: &str, udts: &Udts) -> Result<CqlType, TypeError> {
    Parser { udts, open: Vec::new(), parts: 0 }.whole(text, 0)
}

struct Parser<'a> {
    udts: &'a Udts,
    /// The users' types around what is read.
    open: Vec<&'a str>,
    /// Types read so far.
    parts: usize,
}

/// One text while it is read.
struct Text<'t> {
    whole: &'t str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn whole(&mut self, text: &str, depth: usize) -> Result<CqlType, TypeError> {
        let mut text = Text { whole: text, at: 0 };
        if text.whole.len() > MAX_TEXT_BYTES {
            return Err(text.too_large("its text has more than 64 KiB"));
        }
        let ty = self.ty(&mut text, depth)?;
        text.blanks();
        if text.rest().is_empty() { Ok(ty) } else { Err(text.wrong("the end was expected")) }
    }

    fn ty(&mut self, text: &mut Text<'_>, depth: usize) -> Result<CqlType, TypeError> {
        self.parts += 1;
        if depth > MAX_DEPTH {
            return Err(text.too_large("types inside types are more than 64 deep"));
        }
        if self.parts > MAX_PARTS {
            return Err(text.too_large("it is made of more than 10,000 types"));
        }
        text.blanks();
        match text.rest().as_bytes().first() {
            Some(b'\'') => return Ok(CqlType::Custom(text.quoted('\'')?)),
            Some(b'"') => {
                let name = text.quoted('"')?;
                return self.udt(&name, depth);
            }
            _ => {}
        }
        let word = text.word();
        if word.is_empty() {
            return Err(text.wrong("a type was expected"));
        }
        text.blanks();
        if !text.eat('<') {
            return match Native::named(&word) {
                Some(native) => Ok(CqlType::Native(native)),
                None => self.udt(&word, depth),
            };
        }
        let ty = self.parameters(&word, text, depth + 1)?;
        text.expect('>', "`>` was expected")?;
        Ok(ty)
    }

    /// What stands between `<` and `>`.
    fn parameters(&mut self, word: &str, text: &mut Text<'_>, depth: usize) -> Result<CqlType, TypeError> {
        let frozen = false;
        Ok(match word {
            "frozen" => match freeze(self.ty(text, depth)?) {
                Some(ty) => ty,
                None => return Err(text.wrong("`frozen` is for collections, tuples and users' types")),
            },
            "list" => CqlType::List { element: Box::new(self.ty(text, depth)?), frozen },
            "set" => CqlType::Set { element: Box::new(self.ty(text, depth)?), frozen },
            "map" => {
                let key = Box::new(self.ty(text, depth)?);
                text.expect(',', "`,` was expected")?;
                CqlType::Map { key, value: Box::new(self.ty(text, depth)?), frozen }
            }
            "tuple" => {
                let mut parts = vec![self.ty(text, depth)?];
                while text.eat(',') {
                    parts.push(self.ty(text, depth)?);
                }
                CqlType::Tuple { parts, frozen }
            }
            "vector" => {
                let element = Box::new(self.ty(text, depth)?);
                text.expect(',', "`,` was expected")?;
                text.blanks();
                let number = text.word();
                match number.parse() {
                    Ok(dimensions @ 1..) => CqlType::Vector { element, dimensions, frozen },
                    _ => return Err(text.wrong("the number of a vector's elements was expected in front")),
                }
            }
            _ => return Err(text.wrong("no such type takes parameters")),
        })
    }

    fn udt(&mut self, name: &str, depth: usize) -> Result<CqlType, TypeError> {
        let Some((name, fields)) = self.udts.get_key_value(name) else {
            return Err(TypeError::Unknown { name: head(name) });
        };
        if self.open.contains(&name.as_str()) {
            return Err(TypeError::Recursive { name: head(name) });
        }
        self.open.push(name);
        let mut read = Vec::with_capacity(fields.len());
        for (field, text) in fields {
            read.push(UdtField { name: field.clone(), ty: self.whole(text, depth + 1)? });
        }
        self.open.pop();
        Ok(CqlType::Udt { name: name.clone(), fields: read, frozen: false })
    }
}

/// `frozen<…>` of a type; `None` for one that cannot be.
fn freeze(mut ty: CqlType) -> Option<CqlType> {
    match &mut ty {
        CqlType::List { frozen, .. }
        | CqlType::Set { frozen, .. }
        | CqlType::Map { frozen, .. }
        | CqlType::Tuple { frozen, .. }
        | CqlType::Udt { frozen, .. }
        | CqlType::Vector { frozen, .. } => *frozen = true,
        CqlType::Custom(_) => {}
        CqlType::Native(_) => return None,
    }
    Some(ty)
}

impl Text<'_> {
    fn rest(&self) -> &str {
        &self.whole[self.at..]
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(' ').len();
    }

    fn eat(&mut self, character: char) -> bool {
        self.blanks();
        let found = self.rest().starts_with(character);
        self.at += if found { character.len_utf8() } else { 0 };
        found
    }

    fn expect(&mut self, character: char, problem: &'static str) -> Result<(), TypeError> {
        if self.eat(character) { Ok(()) } else { Err(self.wrong(problem)) }
    }

    /// Letters, digits and `_`, in lower case; as long as they go.
    fn word(&mut self) -> String {
        let length =
            self.rest().bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let word = self.rest()[..length].to_ascii_lowercase();
        self.at += length;
        word
    }

    /// What stands between two of `quote`, which is in front; a doubled one is one.
    fn quoted(&mut self, quote: char) -> Result<String, TypeError> {
        let mut name = String::new();
        let mut characters = self.rest().char_indices().skip(1).peekable();
        while let Some((at, character)) = characters.next() {
            if character != quote {
                name.push(character);
            } else if characters.next_if(|(_, next)| *next == quote).is_some() {
                name.push(quote);
            } else {
                self.at += at + quote.len_utf8();
                return Ok(name);
            }
        }
        Err(self.wrong("the quote that begins here has no end"))
    }

    fn wrong(&self, problem: &'static str) -> TypeError {
        TypeError::Syntax { text: head(self.whole), at: self.at, problem }
    }

    fn too_large(&self, limit: &'static str) -> TypeError {
        TypeError::TooLarge { text: head(self.whole), limit }
    }
}

/// As much as a message can hold.
fn head(text: &str) -> String {
    const MAX_CHARACTERS: usize = 200;
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn udts() -> Udts {
        let fields = |fields: &[(&str, &str)]| {
            fields.iter().map(|(name, ty)| ((*name).to_owned(), (*ty).to_owned())).collect()
        };
        Udts::from([
            ("addr".into(), fields(&[("street", "text"), ("Tags", "frozen<set<text>>")])),
            ("Some \"Udt\"".into(), fields(&[("home", "frozen<addr>"), ("n", "int")])),
            ("list".into(), fields(&[("a", "int")])),
            ("loop".into(), fields(&[("other", "frozen<list<frozen<loop2>>>")])),
            ("loop2".into(), fields(&[("other", "frozen<loop>")])),
            ("broken".into(), fields(&[("x", "nothing")])),
        ])
    }

    fn native(name: &str) -> CqlType {
        CqlType::Native(Native::named(name).unwrap())
    }

    #[test]
    fn every_type_gives_its_own_text_back() {
        let parts = Native::ALL.map(Native::name);
        let nested = [
            "list<int>",
            "frozen<list<int>>",
            "map<text, frozen<list<int>>>",
            "set<timeuuid>",
            "tuple<int, text, frozen<tuple<double>>>",
            "frozen<tuple<int, text>>",
            "vector<float, 3>",
            "vector<frozen<vector<int, 2>>, 2>",
            "addr",
            "frozen<\"Some \"\"Udt\"\"\">",
            "\"list\"",
            "'org.apache.cassandra.db.marshal.LexicalUUIDType'",
            "list<frozen<'a''b'>>",
        ];
        for text in parts.into_iter().chain(nested) {
            let ty = parse(text, &udts()).unwrap();
            let shown = ty.to_string();
            // `frozen` around a class says nothing.
            assert_eq!(shown, if text.contains("a''b") { "list<'a''b'>" } else { text });
            assert_eq!(parse(&shown, &udts()).unwrap(), ty);
        }
    }

    #[test]
    fn blanks_and_case_do_not_matter_outside_of_quotes() {
        let ty = parse(" MAP < Text,frozen < List<INT> > > ", &udts()).unwrap();
        assert_eq!(ty.to_string(), "map<text, frozen<list<int>>>");
        assert_eq!(parse("varchar", &udts()).unwrap(), native("text"));
    }

    #[test]
    fn a_users_type_is_resolved_with_all_inside_it() {
        let ty = parse("frozen<\"Some \"\"Udt\"\"\">", &udts()).unwrap();
        let CqlType::Udt { name, fields, frozen: true } = ty else { panic!("{ty:?}") };
        assert_eq!(name, "Some \"Udt\"");
        let CqlType::Udt { fields: home, frozen: true, .. } = &fields[0].ty else { panic!("{fields:?}") };
        assert_eq!(home[1].name, "Tags");
        assert_eq!(home[1].ty, CqlType::Set { element: Box::new(native("text")), frozen: true });
        assert_eq!(fields[1].ty, native("int"));
    }

    #[test]
    fn a_shape_has_the_fields_of_each_users_type_once() {
        let shape = |text: &str| parse(text, &udts()).unwrap().shape();
        assert_eq!(shape("map<text, int>"), "map<text, int>");
        let addr = "; \"addr\" (\"street\" text, \"Tags\" frozen<set<text>>)";
        assert_eq!(
            shape("map<frozen<addr>, frozen<addr>>"),
            format!("map<frozen<addr>, frozen<addr>>{addr}")
        );
        let outer = "; \"Some \\\"Udt\\\"\" (\"home\" frozen<addr>, \"n\" int)";
        assert_eq!(shape("\"Some \"\"Udt\"\"\""), format!("\"Some \"\"Udt\"\"\"{outer}{addr}"));
    }

    #[test]
    fn a_class_is_found_however_deep_it_stands() {
        assert_eq!(parse("map<int, frozen<tuple<int, 'c'>>>", &udts()).unwrap().custom(), Some("c"));
        assert_eq!(parse("map<int, frozen<addr>>", &udts()).unwrap().custom(), None);
    }

    #[test]
    fn only_what_has_parts_and_is_not_frozen_is_not_written_as_a_whole() {
        for (text, whole) in [
            ("int", true),
            ("list<int>", false),
            ("frozen<list<int>>", true),
            ("addr", false),
            ("tuple<int>", true),
            ("vector<float, 2>", true),
        ] {
            assert_eq!(parse(text, &udts()).unwrap().is_whole(), whole, "{text}");
        }
    }

    #[test]
    fn what_is_no_type_is_refused_with_the_place() {
        for (text, message) in [
            ("", "the type `` cannot be understood at byte 0: a type was expected"),
            ("list<int", "the type `list<int` cannot be understood at byte 8: `>` was expected"),
            ("int>", "the type `int>` cannot be understood at byte 3: the end was expected"),
            ("map<int>", "the type `map<int>` cannot be understood at byte 7: `,` was expected"),
            ("'abc", "the type `'abc` cannot be understood at byte 0: the quote that begins here has no end"),
            ("nothing", "there is no type `nothing` in the keyspace"),
            ("broken", "there is no type `nothing` in the keyspace"),
            ("frozen<loop>", "the type `loop` holds itself"),
        ] {
            assert_eq!(parse(text, &udts()).unwrap_err().to_string(), message);
        }
        for text in
            ["vector<float, 0>", "vector<float, -1>", "vector<float>", "frozen<int>", "array<int>", "tuple<>"]
        {
            assert!(parse(text, &udts()).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_size_and_length_have_bounds() {
        let nested = |depth: usize| format!("{}int{}", "list<".repeat(depth), ">".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH), &udts()).is_ok());
        for text in
            [nested(MAX_DEPTH + 1), nested(10_000), "frozen<".repeat(9000), "x".repeat(MAX_TEXT_BYTES + 1)]
        {
            assert!(parse(&text, &udts()).is_err(), "{:.40}", text);
        }
        // Each type holds the one before twice.
        let mut udts = Udts::from([("t0".into(), vec![("a".into(), "int".into())])]);
        for number in 1..30 {
            let inner = format!("frozen<t{}>", number - 1);
            udts.insert(format!("t{number}"), vec![("a".into(), inner.clone()), ("b".into(), inner)]);
        }
        assert!(parse("t5", &udts).is_ok());
        let error = parse("t29", &udts).unwrap_err();
        assert!(matches!(error, TypeError::TooLarge { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(list|map|frozen|vector|tuple|int|addr|'|\"|<|>|,| |1|é){0,20}") {
            if let Ok(ty) = parse(&text, &udts()) {
                prop_assert_eq!(parse(&ty.to_string(), &udts()), Ok(ty));
            }
        }
    }
}
