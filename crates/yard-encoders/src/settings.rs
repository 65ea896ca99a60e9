//! What the files of sentence-transformers say: how rows are pooled, and how long texts may be.

use serde_json::Value;
use yard_engine::{LoadError, ModelPackage};

use crate::{
    files::{self, Found, unusable},
    pooling::Pooling,
    shape::OutputKind,
};

/// How many tokens a text may have if no file says.
const DEFAULT_LONGEST: u64 = 512;
/// How many tokens a text may have whatever the files say: attention takes memory with the square of it.
const MAX_LONGEST: u64 = 8_192;
/// Files say 1e30 and the like where they mean that they do not know.
const MAX_BELIEVED: u64 = 65_536;

/// Names under which the files come: as sentence-transformers lays them out, and flat.
const POOLING_FILES: [&str; 2] = ["1_Pooling/config.json", "pooling_config.json"];
const MODULE_FILES: [&str; 1] = ["modules.json"];
const LENGTH_FILES: [(&str, &str); 2] =
    [("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length")];

/// What becomes of tokens and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextSettings {
    pub(crate) pooling: Pooling,
    /// Whether rows get the length of one.
    pub(crate) normalize: bool,
    /// How many tokens a text may have, those that begin and end it included.
    pub(crate) longest: usize,
}

impl TextSettings {
    pub(crate) fn read(package: &ModelPackage, kind: OutputKind) -> Result<Self, LoadError> {
        let mut settings = Self { pooling: Pooling::Mean, normalize: true, longest: longest(package)? };
        if kind == OutputKind::Scores {
            return Ok(settings);
        }
        if let Some(found) = files::settings(package, &MODULE_FILES)? {
            let modules = parse(&found)?;
            settings.normalize =
                has_normalization(&modules, kind).map_err(|reason| unusable(&found.path, reason))?;
        }
        if kind == OutputKind::Tokens
            && let Some(found) = files::settings(package, &POOLING_FILES)?
        {
            settings.pooling = pooling(&parse(&found)?).map_err(|reason| unusable(&found.path, reason))?;
        }
        Ok(settings)
    }
}

fn parse(found: &Found) -> Result<Value, LoadError> {
    serde_json::from_slice(&found.bytes)
        .map_err(|error| unusable(&found.path, format!("it is not JSON: {error}")))
}

fn longest(package: &ModelPackage) -> Result<usize, LoadError> {
    let mut longest = None;
    for (file, member) in LENGTH_FILES {
        let Some(found) = files::settings(package, &[file])? else { continue };
        let told = parse(&found)?.get(member).and_then(Value::as_u64);
        // Numbers beyond it say that nobody knows.
        let Some(told) = told.filter(|told| *told <= MAX_BELIEVED) else { continue };
        if told == 0 {
            return Err(unusable(&found.path, format!("'{member}' is 0")));
        }
        longest = Some(longest.map_or(told, |known: u64| known.min(told)));
    }
    let longest = longest.unwrap_or(DEFAULT_LONGEST).min(MAX_LONGEST);
    // At most 8,192.
    Ok(usize::try_from(longest).unwrap_or(usize::MAX))
}

/// Whether the modules that follow the model give rows the length of one.
fn has_normalization(modules: &Value, kind: OutputKind) -> Result<bool, String> {
    let modules = modules.as_array().ok_or("it must be a list of modules")?;
    let mut normalizes = false;
    for module in modules {
        let class = module.get("type").and_then(Value::as_str).ok_or("a module has no 'type'")?;
        match class.rsplit('.').next().unwrap_or(class) {
            "Transformer" | "Pooling" | "Dropout" => {}
            "Normalize" => normalizes = true,
            // What the graph answers as a whole text's row has been through all of them.
            _ if kind == OutputKind::Sentences => {}
            other => {
                return Err(format!(
                    "the module '{other}' comes after the model and is not part of it: export the model with it, with \
                     an output 'sentence_embedding'"
                ));
            }
        }
    }
    Ok(normalizes)
}

fn pooling(settings: &Value) -> Result<Pooling, String> {
    const PREFIX: &str = "pooling_mode_";
    let members = settings.as_object().ok_or("it must be an object")?;
    let mut modes: Vec<&str> = members.get("pooling_mode").and_then(Value::as_str).into_iter().collect();
    if modes.is_empty() {
        let switched_on = members.iter().filter(|(_, value)| value.as_bool() == Some(true));
        modes = switched_on.filter_map(|(name, _)| name.strip_prefix(PREFIX)).collect();
    }
    match modes.as_slice() {
        [] | ["mean" | "mean_tokens"] => Ok(Pooling::Mean),
        ["cls" | "cls_token"] => Ok(Pooling::First),
        ["max" | "max_tokens"] => Ok(Pooling::Largest),
        ["lasttoken"] => Ok(Pooling::Last),
        [other] => {
            Err(format!("the pooling '{other}' is not offered: there are mean, cls, max and lasttoken"))
        }
        several => Err(format!("several poolings are joined ({}), which is not offered", several.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)], kind: OutputKind) -> Result<TextSettings, String> {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let package = ModelPackage::new(folder.path(), "model.onnx".parse().unwrap());
        TextSettings::read(&package, kind).map_err(|error| error.to_string())
    }

    const DEFAULTS: TextSettings = TextSettings { pooling: Pooling::Mean, normalize: true, longest: 512 };

    #[test]
    fn without_files_there_are_defaults() {
        assert_eq!(read(&[], OutputKind::Tokens), Ok(DEFAULTS));
    }

    #[test]
    fn the_files_of_sentence_transformers_are_read_nested_and_flat() {
        let modules = r#"[{"idx":0,"type":"sentence_transformers.models.Transformer"},
            {"type":"sentence_transformers.models.Pooling","path":"1_Pooling"}]"#;
        let cls = r#"{"word_embedding_dimension":384,"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false}"#;
        for pooling_file in POOLING_FILES {
            let files = [
                ("modules.json", modules),
                (pooling_file, cls),
                ("sentence_bert_config.json", r#"{"max_seq_length":256,"do_lower_case":false}"#),
                ("tokenizer_config.json", r#"{"model_max_length":1000000000000000019884624838656}"#),
            ];
            let expected = TextSettings { pooling: Pooling::First, normalize: false, longest: 256 };
            assert_eq!(read(&files, OutputKind::Tokens), Ok(expected));
        }
        let shorter = [("tokenizer_config.json", r#"{"model_max_length":128}"#)];
        assert_eq!(read(&shorter, OutputKind::Scores), Ok(TextSettings { longest: 128, ..DEFAULTS }));
    }

    #[test]
    fn no_file_makes_texts_longer_than_the_limit() {
        let longest = |length: u64| {
            let content = format!(r#"{{"max_seq_length":{length}}}"#);
            read(&[("sentence_bert_config.json", content.as_str())], OutputKind::Tokens).unwrap().longest
        };
        assert_eq!((longest(8_192), longest(32_768)), (8_192, 8_192));
        assert_eq!(longest(65_537), 512, "nobody knows");
    }

    #[test]
    fn what_is_not_offered_is_refused_with_its_file() {
        let refused = |file: &str, content: &str, part: &str| {
            let error = read(&[(file, content)], OutputKind::Tokens).unwrap_err();
            assert!(error.contains(file) && error.contains(part), "{error}");
        };
        refused("modules.json", r#"[{"type":"sentence_transformers.models.Dense"}]"#, "'Dense'");
        refused("modules.json", "{}", "a list");
        refused("modules.json", "[", "not JSON");
        refused("pooling_config.json", r#"{"pooling_mode":"weightedmean"}"#, "weightedmean");
        let both = r#"{"pooling_mode_cls_token":true,"pooling_mode_max_tokens":true}"#;
        refused("1_Pooling/config.json", both, "cls_token, max_tokens");
        refused("sentence_bert_config.json", r#"{"max_seq_length":0}"#, "is 0");
        let dense = [("modules.json", r#"[{"type":"sentence_transformers.models.Dense"}]"#)];
        assert!(read(&dense, OutputKind::Sentences).is_ok(), "the graph has it");
    }
}
