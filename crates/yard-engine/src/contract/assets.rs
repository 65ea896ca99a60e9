//! Which models there are.

use std::fs;

use serde_json::Value;

use super::{Subject, samples, samples::Sample};

/// A model of the assets.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) name: String,
    pub(super) samples: Vec<Sample>,
    /// Whether its rows may be joined, where that is known by construction.
    pub(super) rows_join: Option<bool>,
}

/// Models that must be among the assets: a suite over an empty folder must not pass.
const INDISPENSABLE: [&str; 12] = [
    "mlp-100-128-10",
    "multi-io",
    "external-data",
    "ppocr-det",
    "ppocr-rec",
    "ppocr-cls",
    "minilm-int8",
    "silero-vad",
    "sklearn-pipeline",
    "sklearn-integer-labels",
    "gbt-classifier",
    "gbt-regressor",
];

impl Subject<'_> {
    /// Every model with its samples.
    pub(super) fn models(&self) -> Result<Vec<Asset>, String> {
        let manifest = self.manifest()?;
        let models = manifest["models"].as_array().ok_or("the manifest names no models")?;
        let mut assets = Vec::with_capacity(models.len());
        for model in models {
            let name = model["name"].as_str().ok_or("a model of the manifest has no name")?.to_owned();
            let samples = samples::read(&self.assets.join("models").join(&name).join("samples.json"))
                .map_err(|error| format!("{name}: {error}"))?;
            assets.push(Asset { name, samples, rows_join: model["rows_join"].as_bool() });
        }
        for name in INDISPENSABLE {
            if !assets.iter().any(|asset| asset.name == name) {
                return Err(format!("the model '{name}' is not among the assets: run `cargo xtask setup`"));
            }
        }
        Ok(assets)
    }

    /// The models that this engine must run.
    pub(super) fn models_to_run(&self) -> Result<Vec<Asset>, String> {
        let mut models = self.models()?;
        models.retain(|model| self.refusal_of(&model.name).is_none() && !self.is_refused_type(&model.name));
        Ok(models)
    }

    /// Whether it is the identity on an element type that the engine does not take.
    pub(super) fn is_refused_type(&self, name: &str) -> bool {
        let of_identity = name.strip_prefix("identity-").map(str::to_uppercase);
        of_identity
            .and_then(|name| name.parse().ok())
            .is_some_and(|data_type| !self.element_types.contains(&data_type))
    }

    fn manifest(&self) -> Result<Value, String> {
        let path = self.assets.join("manifest.json");
        let text = fs::read_to_string(&path).map_err(|error| {
            format!("'{}' cannot be read ({error}): run `cargo xtask setup`", path.display())
        })?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }
}
