//! An engine whose models read texts where they can.

use std::{any::Any, sync::Arc};

use yard_engine::{
    Engine, EngineInfo, LoadError, LoadOptions, LoadedModel, ModelPackage, PredictError, RowJoining,
    RunControl,
};
use yard_types::{Signature, Tensor};

use crate::TextEncoder;

/// An engine of the same name as the one inside, whose encoders have a [`TextEncoder`] as their service. A tokenizer that
/// cannot be used is a reason not to load the model.
#[derive(Debug)]
pub struct WithTexts {
    inner: Arc<dyn Engine>,
}

/// A model and what it offers besides.
#[derive(Debug)]
struct Encoder {
    model: Arc<dyn LoadedModel>,
    texts: Arc<TextEncoder>,
}

impl WithTexts {
    /// Goes around an engine.
    pub fn new(inner: Arc<dyn Engine>) -> Self {
        Self { inner }
    }

    /// Goes around each of these engines.
    pub fn around(engines: Vec<Arc<dyn Engine>>) -> Vec<Arc<dyn Engine>> {
        engines.into_iter().map(|engine| Arc::new(Self::new(engine)) as Arc<dyn Engine>).collect()
    }
}

impl Engine for WithTexts {
    fn info(&self) -> EngineInfo {
        self.inner.info()
    }

    fn load(&self, package: &ModelPackage, options: &LoadOptions) -> Result<Arc<dyn LoadedModel>, LoadError> {
        let model = self.inner.load(package, options)?;
        match TextEncoder::open(package, model.as_ref())? {
            Some(texts) => Ok(Arc::new(Encoder { model, texts: Arc::new(texts) })),
            None => Ok(model),
        }
    }
}

impl LoadedModel for Encoder {
    fn signature(&self) -> &Signature {
        self.model.signature()
    }

    fn row_joining(&self) -> RowJoining {
        self.model.row_joining()
    }

    fn predict(&self, inputs: &[Tensor], control: &RunControl) -> Result<Vec<Tensor>, PredictError> {
        self.model.predict(inputs, control)
    }

    fn service(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::clone(&self.texts) as Arc<dyn Any + Send + Sync>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CountingEngine, TOKENIZER_FILE, package};

    fn load(files: &[(&str, &str)]) -> Result<Arc<dyn LoadedModel>, LoadError> {
        let (_folder, package) = package(files);
        let engine = WithTexts::new(Arc::new(CountingEngine::tokens()));
        engine.load(&package, &LoadOptions::default())
    }

    #[test]
    fn a_model_with_a_tokenizer_reads_texts() {
        let model = load(&[("tokenizer.json", TOKENIZER_FILE)]).unwrap();
        let service = model.service().unwrap();
        let encoder = service.downcast::<TextEncoder>().unwrap();
        assert_eq!(encoder.facts().width, 2);
        assert_eq!(encoder.facts().longest, 512);
    }

    #[test]
    fn a_model_without_one_is_what_it_was() {
        assert!(load(&[("labels.json", "[]")]).unwrap().service().is_none());
    }

    #[test]
    fn a_broken_tokenizer_is_a_reason_to_refuse() {
        let error = load(&[("tokenizer.json", "{")]).unwrap_err();
        assert!(error.to_string().starts_with("'tokenizer.json' cannot be used: "), "{error}");
    }
}
