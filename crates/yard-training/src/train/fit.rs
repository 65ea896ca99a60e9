//! Fitting a model of any kind to some rows.

use std::{num::NonZeroUsize, ops::ControlFlow};

use yard_features::{
    InputLayout, LabelEncoding, Matrix, MissingNumbers, NumberScaling, PreparationOptions, Targets,
};
use yard_spec::{FeaturesSpec, InputsLayout, ModelSpec, NumberPreparation, Task, TrainingSpec};
use yard_trees::{Ended, Forest, TrainingRun, TrainingSet, TreeMatrix, TreeProgress};

use super::inputs::Inputs;
use crate::{
    CheckpointError, Event, Fitted, Head, Model, Network, Rows, Run, TextNetwork, TrainingError,
    assemble::{self, class_weights},
    data::Labelled,
    label::LabelScale,
    outputs,
};

/// What is trained, apart from which rows it is trained on.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) spec: &'a TrainingSpec,
    pub(super) task: Task,
    pub(super) data: &'a Labelled,
    pub(super) digest: [u8; 32],
}

/// Everything that was learned from some rows.
pub(crate) struct FittedRows {
    pub(crate) preparation: Inputs,
    pub(crate) encoding: LabelEncoding,
    pub(crate) model: FittedModel,
    /// One entry for each epoch or round; none for a single tree.
    pub(crate) history: Vec<CurvePoint>,
    /// The epoch or round that is kept, from 1; 0 for a single tree.
    pub(crate) best_epoch: u64,
    pub(crate) ended_early: bool,
}

/// A trained model behind its preparation.
pub(crate) enum FittedModel {
    /// What it gives is in the unit of the label only after its scale.
    Network(Network, LabelScale),
    Text(TextNetwork),
    Forest(Forest),
}

/// How an epoch or a round went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CurvePoint {
    /// Counted from 1.
    pub(crate) epoch: u64,
    pub(crate) train_loss: f64,
    pub(crate) validation_loss: Option<f64>,
}

/// Rows as a model takes them.
struct Prepared {
    matrix: Matrix,
    targets: Targets,
}

impl FittedModel {
    /// Probabilities of each class or one number, row by row.
    pub(crate) fn predict(&self, matrix: &Matrix) -> Result<Vec<f32>, TrainingError> {
        match self {
            Self::Network(network, label) => {
                let raw = outputs(network, &matrix.values, matrix.width());
                Ok(label.restore(network.head().apply(&raw, network.outputs())))
            }
            Self::Text(network) => {
                let raw = outputs(network, &matrix.values, matrix.width());
                Ok(Head::Softmax.apply(&raw, network.outputs()))
            }
            Self::Forest(forest) => Ok(forest.predict(&matrix.values)?),
        }
    }
}

pub(super) fn fit_rows(
    job: &Job<'_>,
    train: &[usize],
    validation: &[usize],
    run: &mut dyn Run,
) -> Result<FittedRows, TrainingError> {
    let Labelled { features, label } = job.data;
    let encoding = match job.task {
        Task::Classification => LabelEncoding::classes(label, train)?,
        Task::Regression | Task::Auto => LabelEncoding::Numbers,
    };
    let preparation = Inputs::fit(&job.spec.model, &job.spec.features, features, train)?;
    for remark in preparation.remarks() {
        run.report(Event::Log(remark));
    }
    let prepare = |rows: &[usize]| -> Result<Prepared, TrainingError> {
        let matrix = preparation.apply(features, rows)?;
        Ok(Prepared { matrix, targets: encoding.encode(label, rows)? })
    };
    let train = prepare(train)?;
    let validation = if validation.is_empty() { None } else { Some(prepare(validation)?) };
    let weights = match &train.targets {
        Targets::Classes(targets) => {
            class_weights(&job.spec.training.class_weights, encoding.class_names(), targets)?
        }
        Targets::Numbers(_) => Vec::new(),
    };
    let learned = match &job.spec.model {
        ModelSpec::DecisionTree(keys) => {
            let options = assemble::decision_tree(keys);
            let row_weights = row_weights(&weights, &train.targets);
            let set = training_set(&train, encoding.class_names().len(), row_weights.as_deref())?;
            let forest = yard_trees::train_decision_tree(&set, &options)?;
            Learned {
                model: FittedModel::Forest(forest),
                history: Vec::new(),
                best_epoch: 0,
                ended_early: false,
            }
        }
        ModelSpec::BoostedTrees(keys) => {
            let options = assemble::boosted_trees(job.spec, keys);
            boost(job, &options, &train, validation.as_ref(), encoding.class_names().len(), &weights, run)?
        }
        ModelSpec::TextClassifier(keys) => {
            let words = preparation.known_words();
            let plan = assemble::text_plan(job.spec, keys, words, encoding.class_names().len())?;
            let mut network = TextNetwork::new(&plan, job.spec.seed)?;
            let label = LabelScale::NONE;
            let descent = Descent { job, train: &train, validation: validation.as_ref(), weights, label };
            let fitted = descent.follow(&mut network, Head::Softmax, run)?;
            Learned::of(fitted, FittedModel::Text(network))
        }
        ModelSpec::Linear | ModelSpec::Logistic | ModelSpec::Network(_) => {
            let classes = encoding.class_names().len();
            let plan = assemble::network_plan(job.spec, job.task, &train.matrix.shape, classes)?;
            let mut network = Network::new(&plan, job.spec.seed)?;
            if !matches!(job.spec.model, ModelSpec::Network(_)) {
                // One layer has one best solution. From 0 there are no drawn weights to unlearn, which takes long where
                // columns are nearly alike.
                network.parameters_mut().iter_mut().for_each(|parameter| parameter.values.fill(0.0));
            }
            let label = LabelScale::of(job.spec, &plan, &train.targets);
            let (train, validation) =
                (train.standardized(label), validation.map(|rows| rows.standardized(label)));
            let descent = Descent { job, train: &train, validation: validation.as_ref(), weights, label };
            let fitted = descent.follow(&mut network, plan.head, run)?;
            Learned::of(fitted, FittedModel::Network(network, label))
        }
    };
    let Learned { model, history, best_epoch, ended_early } = learned;
    Ok(FittedRows { preparation, encoding, model, history, best_epoch, ended_early })
}

struct Learned {
    model: FittedModel,
    history: Vec<CurvePoint>,
    best_epoch: u64,
    ended_early: bool,
}

impl Learned {
    fn of(fitted: Fitted, model: FittedModel) -> Self {
        let point = |record: &crate::EpochRecord| CurvePoint {
            epoch: record.epoch,
            train_loss: record.train_loss,
            validation_loss: record.validation_loss,
        };
        Self {
            model,
            history: fitted.history.iter().map(point).collect(),
            best_epoch: fitted.best_epoch,
            ended_early: fitted.ended_early,
        }
    }
}

/// Fits a model by gradients.
struct Descent<'a> {
    job: &'a Job<'a>,
    train: &'a Prepared,
    validation: Option<&'a Prepared>,
    /// Of each class.
    weights: Vec<f32>,
    /// Of the targets.
    label: LabelScale,
}

impl Descent<'_> {
    fn follow(self, model: &mut dyn Model, head: Head, run: &mut dyn Run) -> Result<Fitted, TrainingError> {
        let Self { job, train, validation, weights, label } = self;
        let plan = assemble::run_plan(job.spec, head, weights, label, job.digest)?;
        crate::fit(model, train.rows(), validation.map(Prepared::rows), &plan, run)
    }
}

/// Boosts trees, from the last checkpoint if there is one.
fn boost(
    job: &Job<'_>,
    options: &yard_trees::BoostedTreesOptions,
    train: &Prepared,
    validation: Option<&Prepared>,
    classes: usize,
    weights: &[f32],
    run: &mut dyn Run,
) -> Result<Learned, TrainingError> {
    let stored = run.last_checkpoint();
    let stored = stored.map_err(|source| TrainingError::Storage { action: "read", source })?;
    let (mut history, checkpoint) = match stored {
        Some((_, bytes)) => {
            let (history, forest) = read_checkpoint(&bytes, &job.digest)?;
            run.report(Event::Log(format!("going on from round {} of {}", forest.rounds(), options.rounds)));
            (history, Some(forest))
        }
        None => (Vec::new(), None),
    };
    let train_weights = row_weights(weights, &train.targets);
    let validation_weights = validation.and_then(|rows| row_weights(weights, &rows.targets));
    let validation = match validation {
        Some(rows) => Some(training_set(rows, classes, validation_weights.as_deref())?),
        None => None,
    };
    let trees_run = TrainingRun {
        training: training_set(train, classes, train_weights.as_deref())?,
        validation,
        checkpoint,
        threads: NonZeroUsize::new(job.spec.training.threads).unwrap_or(NonZeroUsize::MIN),
    };
    let every = job.spec.training.checkpoint_every;
    let mut failed = None;
    let mut progress = |progress: TreeProgress<'_>| {
        let TreeProgress { round, rounds, training_loss, validation_loss, forest } = progress;
        let epoch = round as u64;
        history.push(CurvePoint { epoch, train_loss: training_loss, validation_loss });
        run.report(Event::Progress { phase: "training", step: epoch, of: rounds as u64 });
        let mut metric = |split, value| run.report(Event::Metric { split, name: "loss", step: epoch, value });
        metric("train", training_loss);
        if let Some(loss) = validation_loss {
            metric("validation", loss);
        }
        let stopped = run.stopped();
        if (stopped || round.is_multiple_of(every))
            && let Err(source) = run.save_checkpoint(epoch, &write_checkpoint(&job.digest, &history, forest))
        {
            failed = Some(TrainingError::Storage { action: "save", source });
            return ControlFlow::Break(());
        }
        if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let outcome = yard_trees::train(&trees_run, options, &mut progress)?;
    if let Some(error) = failed {
        return Err(error);
    }
    if outcome.ended == Ended::Stopped {
        return Err(TrainingError::Stopped { step: outcome.forest.rounds() as u64 });
    }
    Ok(Learned {
        best_epoch: outcome.forest.rounds() as u64,
        ended_early: outcome.ended == Ended::Early,
        model: FittedModel::Forest(outcome.forest),
        history,
    })
}

const FOREST_MAGIC: [u8; 8] = *b"YARDFRST";
/// Of one round in a checkpoint: two losses, the second NaN where there is none.
const POINT_BYTES: usize = 16;

fn write_checkpoint(digest: &[u8; 32], history: &[CurvePoint], forest: &Forest) -> Vec<u8> {
    let mut bytes = FOREST_MAGIC.to_vec();
    bytes.extend(digest);
    bytes.extend((history.len() as u64).to_le_bytes());
    for point in history {
        bytes.extend(point.train_loss.to_le_bytes());
        bytes.extend(point.validation_loss.unwrap_or(f64::NAN).to_le_bytes());
    }
    bytes.extend(forest.to_bytes());
    bytes
}

fn read_checkpoint(bytes: &[u8], digest: &[u8; 32]) -> Result<(Vec<CurvePoint>, Forest), TrainingError> {
    let rest = bytes.strip_prefix(&FOREST_MAGIC).ok_or(CheckpointError::NotACheckpoint)?;
    let (found, rest) = rest.split_first_chunk::<32>().ok_or(CheckpointError::Damaged)?;
    if found != digest {
        return Err(CheckpointError::OtherSpecification.into());
    }
    let (count, rest) = rest.split_first_chunk::<8>().ok_or(CheckpointError::Damaged)?;
    let length = usize::try_from(u64::from_le_bytes(*count)).ok();
    let length =
        length.and_then(|count| count.checked_mul(POINT_BYTES)).filter(|length| *length <= rest.len());
    let (points, rest) = rest.split_at(length.ok_or(CheckpointError::Damaged)?);
    let (points, _) = points.as_chunks::<8>();
    let losses: Vec<f64> = points.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    let (losses, _) = losses.as_chunks::<2>();
    let point = |(place, [train, validation]): (usize, &[f64; 2])| CurvePoint {
        epoch: place as u64 + 1,
        train_loss: *train,
        validation_loss: Some(*validation).filter(|loss| !loss.is_nan()),
    };
    let history: Vec<CurvePoint> = losses.iter().enumerate().map(point).collect();
    let forest = Forest::from_bytes(rest)?;
    if forest.rounds() != history.len() {
        return Err(CheckpointError::Damaged.into());
    }
    Ok((history, forest))
}

fn training_set<'a>(
    rows: &'a Prepared,
    classes: usize,
    weights: Option<&'a [f32]>,
) -> Result<TrainingSet<'a>, TrainingError> {
    let matrix = TreeMatrix::new(rows.matrix.rows, rows.matrix.width(), &rows.matrix.values)?;
    let targets = match &rows.targets {
        Targets::Numbers(numbers) => yard_trees::Targets::Numbers(numbers),
        Targets::Classes(codes) => yard_trees::Targets::Classes { codes, classes },
    };
    let set = TrainingSet::new(matrix, targets)?;
    Ok(match weights {
        Some(weights) => set.with_weights(weights)?,
        None => set,
    })
}

/// The weight of each row, from that of its class.
fn row_weights(weights: &[f32], targets: &Targets) -> Option<Vec<f32>> {
    match targets {
        Targets::Classes(classes) if !weights.is_empty() => {
            Some(classes.iter().map(|class| weights[*class as usize]).collect())
        }
        _ => None,
    }
}

impl Prepared {
    /// The same rows with their targets as they are learned.
    fn standardized(self, label: LabelScale) -> Self {
        Self { targets: label.standardize(self.targets), ..self }
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            values: &self.matrix.values,
            row_length: self.matrix.width(),
            targets: match &self.targets {
                Targets::Numbers(numbers) => crate::Targets::Numbers(numbers),
                Targets::Classes(classes) => crate::Targets::Classes(classes),
            },
        }
    }
}

pub(crate) const fn is_of_trees(model: &ModelSpec) -> bool {
    matches!(model, ModelSpec::DecisionTree(_) | ModelSpec::BoostedTrees(_))
}

pub(super) fn preparation_options(features: &FeaturesSpec) -> PreparationOptions {
    PreparationOptions {
        numbers: match features.numbers {
            NumberPreparation::Standardize => NumberScaling::Standardize,
            NumberPreparation::MinMax => NumberScaling::MinMax,
            NumberPreparation::None => NumberScaling::None,
        },
        missing_numbers: match features.missing_numbers {
            yard_spec::MissingNumbers::Mean => MissingNumbers::Mean,
            yard_spec::MissingNumbers::Median => MissingNumbers::Median,
            yard_spec::MissingNumbers::Zero => MissingNumbers::Zero,
            yard_spec::MissingNumbers::Refuse => MissingNumbers::Refuse,
        },
        max_categories: features.max_categories,
        inputs: match features.inputs {
            InputsLayout::Auto => InputLayout::Auto,
            InputsLayout::Matrix => InputLayout::Matrix,
            InputsLayout::Columns => InputLayout::Columns,
        },
    }
}
