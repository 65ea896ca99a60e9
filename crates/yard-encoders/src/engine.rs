//! An engine whose models read texts where they can.

use std::{any::Any, sync::Arc};

use yard_engine::{
    Engine, EngineInfo, LoadError, LoadOptions, LoadedModel, ModelPackage, PredictError, RowJoining,
    RunControl,
};
use yard_types::{Signature, Tensor};

use crate::TextEncoder;

/// What models are loaded for.
#[derive(Debug, Clone, Copy)]
pub enum Occasion {
    /// The proof: a tokenizer that cannot be used is a reason to refuse the model, and whoever pushed it learns of it.
    Proof,
    /// To serve what was proven, maybe by an earlier release that asked for less: a model whose texts cannot be read is served
    /// by its tensors alone.
    Serving {
        /// Is told why.
        warn: fn(&ModelPackage, &LoadError),
    },
}

/// An engine of the same name as the one inside, whose encoders have a [`TextEncoder`] as their service.
#[derive(Debug)]
pub struct WithTexts {
    inner: Arc<dyn Engine>,
    occasion: Occasion,
}

/// A model and what it offers besides.
#[derive(Debug)]
struct Encoder {
    model: Arc<dyn LoadedModel>,
    texts: Arc<TextEncoder>,
}

impl WithTexts {
    /// Goes around an engine.
    pub fn new(inner: Arc<dyn Engine>, occasion: Occasion) -> Self {
        Self { inner, occasion }
    }

    /// Goes around each of these engines.
    pub fn around(engines: Vec<Arc<dyn Engine>>, occasion: Occasion) -> Vec<Arc<dyn Engine>> {
        engines.into_iter().map(|engine| Arc::new(Self::new(engine, occasion)) as Arc<dyn Engine>).collect()
    }
}

impl Engine for WithTexts {
    fn info(&self) -> EngineInfo {
        self.inner.info()
    }

    fn load(&self, package: &ModelPackage, options: &LoadOptions) -> Result<Arc<dyn LoadedModel>, LoadError> {
        let model = self.inner.load(package, options)?;
        match (TextEncoder::open(package, model.as_ref(), self.occasion), self.occasion) {
            (Ok(Some(texts)), _) => Ok(Arc::new(Encoder { model, texts: Arc::new(texts) })),
            (Ok(None), _) => Ok(model),
            // Reading the files may work the next time.
            (Err(error @ LoadError::Io(_)), _) | (Err(error), Occasion::Proof) => Err(error),
            (Err(error), Occasion::Serving { warn }) => {
                warn(package, &error);
                Ok(model)
            }
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

    fn unload(&self) {
        self.model.unload();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::testing::{CountingEngine, TOKENIZER_FILE, package};

    fn load_for(
        occasion: Occasion,
        engine: CountingEngine,
        files: &[(&str, &str)],
    ) -> Result<Arc<dyn LoadedModel>, LoadError> {
        let (_folder, package) = package(files);
        WithTexts::new(Arc::new(engine), occasion).load(&package, &LoadOptions::default())
    }

    fn load(files: &[(&str, &str)]) -> Result<Arc<dyn LoadedModel>, LoadError> {
        load_for(Occasion::Proof, CountingEngine::tokens(), files)
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

    #[test]
    fn what_was_proven_is_served_without_texts_and_the_reason_told() {
        static WARNINGS: AtomicUsize = AtomicUsize::new(0);
        fn warn(_: &ModelPackage, error: &LoadError) {
            assert!(matches!(error, LoadError::Companion { .. }), "{error}");
            WARNINGS.fetch_add(1, Ordering::Relaxed);
        }
        let serving = Occasion::Serving { warn };
        let dense = r#"[{"type":"sentence_transformers.models.Dense"}]"#;
        let broken = [("tokenizer.json", "{")];
        let other_modules = [("tokenizer.json", TOKENIZER_FILE), ("modules.json", dense)];
        for files in [&broken[..], &other_modules[..]] {
            assert!(load_for(serving, CountingEngine::tokens(), files).unwrap().service().is_none());
        }
        assert_eq!(WARNINGS.load(Ordering::Relaxed), 2);
        let sound = [("tokenizer.json", TOKENIZER_FILE)];
        assert!(load_for(serving, CountingEngine::tokens(), &sound).unwrap().service().is_some());
    }

    #[test]
    fn a_model_whose_answer_tells_that_it_is_no_encoder_is_what_it_was() {
        use yard_types::Dim::{Any, Fixed};
        let files = [("tokenizer.json", TOKENIZER_FILE)];
        let classifier = CountingEngine::answering("logits", Some(&[Any, Any]), &[3]);
        let names = CountingEngine::answering("logits", None, &[4, 9]);
        let spans = CountingEngine::answering("spans", Some(&[Any, Any, Fixed(2)]), &[17, 2]);
        for engine in [classifier, names, spans] {
            let model = load_for(Occasion::Proof, engine.clone(), &files);
            assert!(model.unwrap().service().is_none(), "{engine:?}");
        }
        let reranker = CountingEngine::answering("logits", Some(&[Any, Any]), &[1]);
        assert!(load_for(Occasion::Proof, reranker, &files).unwrap().service().is_some());
    }
}
