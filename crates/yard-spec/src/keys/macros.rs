//! The declarations.

/// Declares a table of keys: its struct, its reading, its writing and its part of the reference.
///
/// Each key reads `/// meaning` `name: Type = default, "unit", RANGE;`, with `as "key"` after the name where the key
/// is a word that Rust keeps for itself. The default is a literal, an expression in
/// parentheses, `none` (an `Option` that is not set) or `required`. `: Default` after the name of the table, where no
/// key is required, gives the struct that trait.
macro_rules! spec_table {
    (
        $(#[doc = $table_doc:literal])+
        pub struct $name:ident: Default {
            $( $(#[doc = $doc:literal])+ $key:ident $(as $word:literal)?: $type:ty = $default:tt, $unit:literal, $allowed:expr; )+
        }
    ) => {
        spec_table! {
            $(#[doc = $table_doc])+
            pub struct $name {
                $( $(#[doc = $doc])+ $key $(as $word)?: $type = $default, $unit, $allowed; )+
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $key: spec_default!(value $default), )+ }
            }
        }
    };
    (
        $(#[doc = $table_doc:literal])+
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])+ $key:ident $(as $word:literal)?: $type:ty = $default:tt, $unit:literal, $allowed:expr; )+
        }
    ) => {
        $(#[doc = $table_doc])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $key: $type, )+
        }

        impl $crate::keys::Table for $name {
            const NAMES: &'static [&'static str] = &[$( spec_name!($key $($word)?) ),+];

            fn read_keys(
                reader: &$crate::keys::TableReader<'_>,
            ) -> Result<Self, $crate::error::SpecError> {
                Ok(Self { $( $key: spec_default!(read reader, spec_name!($key $($word)?), $allowed, $default), )+ })
            }

            fn write_keys(&self, table: &mut serde_json::Map<String, serde_json::Value>) {
                $(
                    if let Some(value) = $crate::keys::Field::write(&self.$key) {
                        table.insert(spec_name!($key $($word)?).to_owned(), value);
                    }
                )+
            }

            fn doc() -> Vec<&'static str> {
                vec![$( $table_doc ),+]
            }

            fn keys() -> Vec<$crate::keys::KeyDoc> {
                vec![$( $crate::keys::KeyDoc {
                    name: spec_name!($key $($word)?),
                    doc: vec![$( $doc ),+],
                    type_text: <$type as $crate::keys::Field>::type_text(),
                    default: spec_default!(text $type, $default),
                    unit: $unit,
                    allowed: $allowed,
                } ),+]
            }

            fn sections_below(path: &str, sections: &mut Vec<$crate::keys::Section>) {
                let below = |key: &str| {
                    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
                };
                $( <$type as $crate::keys::Field>::sections(&below(spec_name!($key $($word)?)), sections); )+
            }
        }
    };
}

/// The name of a key: that of its field, unless `as` gives another.
macro_rules! spec_name {
    ($key:ident) => {
        stringify!($key)
    };
    ($key:ident $word:literal) => {
        $word
    };
}

/// What [`spec_table!`] makes of a default.
macro_rules! spec_default {
    (read $reader:ident, $key:expr, $allowed:expr, required) => {
        $reader.required($key, $allowed)?
    };
    (read $reader:ident, $key:expr, $allowed:expr, $default:tt) => {
        $reader.or($key, $allowed, || spec_default!(value $default))?
    };
    (value none) => { None };
    (value ($default:expr)) => { $default };
    (value $default:literal) => { $default };
    (text $type:ty, required) => { "required".to_owned() };
    (text $type:ty, none) => { "not set".to_owned() };
    (text $type:ty, $default:tt) => {{
        let default: $type = spec_default!(value $default);
        $crate::keys::Field::write(&default).map_or_else(String::new, |value| value.to_string())
    }};
}

/// Declares a closed list of words.
macro_rules! spec_choice {
    (
        $(#[doc = $list_doc:literal])+
        pub enum $name:ident {
            $( $(#[doc = $doc:literal])+ $variant:ident = $word:literal, )+
        }
    ) => {
        $(#[doc = $list_doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl $name {
            /// Every word of the list.
            pub const ALL: &'static [Self] = &[$( Self::$variant ),+];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl $crate::keys::Field for $name {
            fn read(
                value: &serde_json::Value,
                path: &$crate::error::KeyPath,
                allowed: $crate::keys::Allowed,
            ) -> Result<Self, $crate::error::SpecError> {
                let word = <String as $crate::keys::Field>::read(value, path, allowed)?;
                Self::ALL.iter().copied().find(|choice| choice.as_str() == word).ok_or_else(|| {
                    let known: Vec<String> =
                        Self::ALL.iter().map(|choice| choice.as_str().to_owned()).collect();
                    $crate::error::SpecError::UnknownValue {
                        path: path.clone(),
                        nearest: $crate::nearest::nearest(&word, known.iter().map(String::as_str)),
                        found: $crate::error::quoted(&word),
                        known,
                    }
                })
            }

            fn write(&self) -> Option<serde_json::Value> {
                Some(serde_json::Value::from(self.as_str()))
            }

            fn type_text() -> String {
                "word".to_owned()
            }

            fn sections(path: &str, sections: &mut Vec<$crate::keys::Section>) {
                sections.push($crate::keys::Section {
                    path: path.to_owned(),
                    doc: vec![$( $list_doc ),+],
                    choices: vec![$( $crate::keys::ChoiceDoc { name: $word, doc: vec![$( $doc ),+] } ),+],
                    keys: Vec::new(),
                });
            }
        }
    };
}

/// Declares a table whose further keys depend on one of its keys, the tag.
macro_rules! spec_kinds {
    (
        $(#[doc = $list_doc:literal])+
        pub enum $name:ident by $tag:literal {
            $( $(#[doc = $doc:literal])+ $variant:ident $( ($keys:ident: $table:ty) )? = $word:literal, )+
        }
    ) => {
        $(#[doc = $list_doc])+
        #[derive(Debug, Clone, PartialEq)]
        pub enum $name {
            $( $(#[doc = $doc])+ $variant $( ($table) )?, )+
        }

        impl $name {
            /// The words that the tag can be.
            pub const KINDS: &'static [&'static str] = &[$( $word ),+];

            /// The word of the tag.
            pub const fn kind(&self) -> &'static str {
                match self {
                    $( Self::$variant { .. } => $word, )+
                }
            }
        }

        impl $crate::keys::Field for $name {
            fn read(
                value: &serde_json::Value,
                path: &$crate::error::KeyPath,
                allowed: $crate::keys::Allowed,
            ) -> Result<Self, $crate::error::SpecError> {
                let Some(table) = value.as_object() else {
                    return Err($crate::error::SpecError::WrongType {
                        path: path.clone(),
                        expected: concat!("a table with the key '", $tag, "'").to_owned(),
                        found: $crate::keys::found(value),
                    });
                };
                let tag_path = path.key($tag);
                let Some(tag) = table.get($tag) else {
                    return Err($crate::error::SpecError::Missing { path: tag_path });
                };
                let word = <String as $crate::keys::Field>::read(tag, &tag_path, allowed)?;
                match word.as_str() {
                    $( $word => spec_kinds!(read value, path, $tag, $variant $( ($keys: $table) )?), )+
                    _ => Err($crate::error::SpecError::UnknownValue {
                        path: tag_path,
                        nearest: $crate::nearest::nearest(&word, Self::KINDS.iter().copied()),
                        found: $crate::error::quoted(&word),
                        known: Self::KINDS.iter().map(|kind| (*kind).to_owned()).collect(),
                    }),
                }
            }

            fn write(&self) -> Option<serde_json::Value> {
                let mut table = serde_json::Map::new();
                table.insert($tag.to_owned(), serde_json::Value::from(self.kind()));
                match self {
                    $( Self::$variant $( ($keys) )? => {
                        $( <$table as $crate::keys::Table>::write_keys($keys, &mut table); )?
                    } )+
                }
                Some(serde_json::Value::Object(table))
            }

            fn type_text() -> String {
                "table".to_owned()
            }

            fn sections(path: &str, sections: &mut Vec<$crate::keys::Section>) {
                sections.push($crate::keys::Section {
                    path: format!("{path}.{}", $tag),
                    doc: vec![$( $list_doc ),+],
                    choices: vec![$( $crate::keys::ChoiceDoc { name: $word, doc: vec![$( $doc ),+] } ),+],
                    keys: Vec::new(),
                });
                $( $(
                    sections.push($crate::keys::Section {
                        path: format!("{path} ({} = \"{}\")", $tag, $word),
                        doc: <$table as $crate::keys::Table>::doc(),
                        choices: Vec::new(),
                        keys: <$table as $crate::keys::Table>::keys(),
                    });
                    <$table as $crate::keys::Table>::sections_below(path, sections);
                )? )+
            }

            fn element_path(
                list: &$crate::error::KeyPath,
                index: usize,
                value: &serde_json::Value,
            ) -> $crate::error::KeyPath {
                list.counted_element(index, value.get($tag).and_then(serde_json::Value::as_str))
            }
        }
    };
    (read $value:ident, $path:ident, $tag:literal, $variant:ident) => {{
        $crate::keys::TableReader::new($value, $path, Some($tag), &[])?;
        Ok(Self::$variant)
    }};
    (read $value:ident, $path:ident, $tag:literal, $variant:ident ($keys:ident: $table:ty)) => {{
        let reader = $crate::keys::TableReader::new(
            $value,
            $path,
            Some($tag),
            <$table as $crate::keys::Table>::NAMES,
        )?;
        <$table as $crate::keys::Table>::read_keys(&reader).map(Self::$variant)
    }};
}
