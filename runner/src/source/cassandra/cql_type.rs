//! The types of CQL. Must not know how their values are written, nor what becomes of them.

use std::collections::BTreeMap;
use std::fmt;

/// A type of a column, with the types inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CqlType {
    /// One value without parts.
    Native(Native),
    /// `list<…>`.
    List {
        /// Of its elements.
        element: Box<CqlType>,
        /// Whether it is written as a whole.
        frozen: bool,
    },
    /// `set<…>`.
    Set {
        /// Of its elements.
        element: Box<CqlType>,
        /// Whether it is written as a whole.
        frozen: bool,
    },
    /// `map<…, …>`.
    Map {
        /// Of its keys.
        key: Box<CqlType>,
        /// Of its values.
        value: Box<CqlType>,
        /// Whether it is written as a whole.
        frozen: bool,
    },
    /// `tuple<…>`.
    Tuple {
        /// Of its parts, in their order.
        parts: Vec<CqlType>,
        /// Whether `frozen` was said; a tuple is written as a whole in any case.
        frozen: bool,
    },
    /// A type that a user made.
    Udt {
        /// Its name, as it is stored.
        name: String,
        /// In their order.
        fields: Vec<UdtField>,
        /// Whether it is written as a whole.
        frozen: bool,
    },
    /// `vector<…, n>`.
    Vector {
        /// Of its elements.
        element: Box<CqlType>,
        /// How many there are, at least 1.
        dimensions: u32,
        /// Whether `frozen` was said; a vector is written as a whole in any case.
        frozen: bool,
    },
    /// A class of the server's own, `'org.apache.cassandra.db.marshal.…'`. Its values cannot be read.
    Custom(String),
}

/// A field of a user's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdtField {
    /// As it is stored.
    pub name: String,
    /// Of its values.
    pub ty: CqlType,
}

/// The users' types of a keyspace: for each name, as it is stored, the fields' names and the texts of their types,
/// in their order.
pub type Udts = BTreeMap<String, Vec<(String, String)>>;

/// A type without parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are the names of CQL")]
pub enum Native {
    Ascii,
    Text,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Counter,
    VarInt,
    Decimal,
    Float,
    Double,
    Boolean,
    Uuid,
    TimeUuid,
    Inet,
    Timestamp,
    Date,
    Time,
    Duration,
    Blob,
}

impl Native {
    /// All of them.
    pub const ALL: [Native; 20] = [
        Native::Ascii,
        Native::Text,
        Native::TinyInt,
        Native::SmallInt,
        Native::Int,
        Native::BigInt,
        Native::Counter,
        Native::VarInt,
        Native::Decimal,
        Native::Float,
        Native::Double,
        Native::Boolean,
        Native::Uuid,
        Native::TimeUuid,
        Native::Inet,
        Native::Timestamp,
        Native::Date,
        Native::Time,
        Native::Duration,
        Native::Blob,
    ];

    /// The name in CQL.
    pub fn name(self) -> &'static str {
        match self {
            Native::Ascii => "ascii",
            Native::Text => "text",
            Native::TinyInt => "tinyint",
            Native::SmallInt => "smallint",
            Native::Int => "int",
            Native::BigInt => "bigint",
            Native::Counter => "counter",
            Native::VarInt => "varint",
            Native::Decimal => "decimal",
            Native::Float => "float",
            Native::Double => "double",
            Native::Boolean => "boolean",
            Native::Uuid => "uuid",
            Native::TimeUuid => "timeuuid",
            Native::Inet => "inet",
            Native::Timestamp => "timestamp",
            Native::Date => "date",
            Native::Time => "time",
            Native::Duration => "duration",
            Native::Blob => "blob",
        }
    }

    /// The type of that name; `varchar` is `text`.
    pub fn named(name: &str) -> Option<Native> {
        let name = if name == "varchar" { "text" } else { name };
        Native::ALL.into_iter().find(|native| native.name() == name)
    }
}

impl CqlType {
    /// The first class of the server's own in it, which cannot be read.
    pub fn custom(&self) -> Option<&str> {
        match self {
            CqlType::Native(_) => None,
            CqlType::List { element, .. }
            | CqlType::Set { element, .. }
            | CqlType::Vector { element, .. } => element.custom(),
            CqlType::Map { key, value, .. } => key.custom().or_else(|| value.custom()),
            CqlType::Tuple { parts, .. } => parts.iter().find_map(CqlType::custom),
            CqlType::Udt { fields, .. } => fields.iter().find_map(|field| field.ty.custom()),
            CqlType::Custom(class) => Some(class),
        }
    }

    /// Its name as CQL has it, and behind it the fields of each user's type in it, once: two types of the same shape make
    /// the same documents.
    pub fn shape(&self) -> String {
        let mut fields = BTreeMap::new();
        self.add_fields(&mut fields);
        fields
            .into_iter()
            .fold(self.to_string(), |shape, (name, fields)| format!("{shape}; {name:?} ({fields})"))
    }

    fn add_fields<'a>(&'a self, types: &mut BTreeMap<&'a str, String>) {
        match self {
            CqlType::Native(_) | CqlType::Custom(_) => {}
            CqlType::List { element, .. }
            | CqlType::Set { element, .. }
            | CqlType::Vector { element, .. } => element.add_fields(types),
            CqlType::Map { key, value, .. } => [key, value].into_iter().for_each(|ty| ty.add_fields(types)),
            CqlType::Tuple { parts, .. } => parts.iter().for_each(|ty| ty.add_fields(types)),
            CqlType::Udt { name, fields, .. } => {
                if !types.contains_key(name.as_str()) {
                    let listed = fields.iter().map(|field| format!("{:?} {}", field.name, field.ty));
                    types.insert(name, listed.collect::<Vec<_>>().join(", "));
                    fields.iter().for_each(|field| field.ty.add_fields(types));
                }
            }
        }
    }

    /// Whether a value is written as a whole: anything but a collection or a user's type without `frozen`, whose
    /// elements each have a time of writing of their own.
    pub fn is_whole(&self) -> bool {
        match self {
            CqlType::List { frozen, .. }
            | CqlType::Set { frozen, .. }
            | CqlType::Map { frozen, .. }
            | CqlType::Udt { frozen, .. } => *frozen,
            CqlType::Native(_) | CqlType::Tuple { .. } | CqlType::Vector { .. } | CqlType::Custom(_) => true,
        }
    }
}

/// As CQL has it, `frozen` where it was said.
impl fmt::Display for CqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frozen = match self {
            CqlType::Native(_) | CqlType::Custom(_) => false,
            CqlType::List { frozen, .. }
            | CqlType::Set { frozen, .. }
            | CqlType::Map { frozen, .. }
            | CqlType::Tuple { frozen, .. }
            | CqlType::Udt { frozen, .. }
            | CqlType::Vector { frozen, .. } => *frozen,
        };
        if frozen {
            f.write_str("frozen<")?;
        }
        match self {
            CqlType::Native(native) => f.write_str(native.name())?,
            CqlType::List { element, .. } => write!(f, "list<{element}>")?,
            CqlType::Set { element, .. } => write!(f, "set<{element}>")?,
            CqlType::Map { key, value, .. } => write!(f, "map<{key}, {value}>")?,
            CqlType::Tuple { parts, .. } => {
                for (index, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if index == 0 { "tuple<" } else { ", " })?;
                }
                f.write_str(">")?;
            }
            CqlType::Udt { name, .. } => write_name(name, f)?,
            CqlType::Vector { element, dimensions, .. } => write!(f, "vector<{element}, {dimensions}>")?,
            CqlType::Custom(class) => write!(f, "'{}'", class.replace('\'', "''"))?,
        }
        f.write_str(if frozen { ">" } else { "" })
    }
}

/// In quotes where CQL would read another name, or a type of its own.
fn write_name(name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const OWN: [&str; 6] = ["frozen", "list", "set", "map", "tuple", "vector"];
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let starts_plain = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if starts_plain && name.bytes().all(plain) && Native::named(name).is_none() && !OWN.contains(&name) {
        f.write_str(name)
    } else {
        write!(f, "\"{}\"", name.replace('"', "\"\""))
    }
}
