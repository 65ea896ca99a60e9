use crate::TrainingSpec;

const LOGISTIC: &str = "kind = 'logistic'";
const LINEAR: &str = "kind = 'linear'";
const DENSE: &str = "kind = 'network'\nlayers = [{ type = 'dense', units = 3 }]";

/// A specification of a model with more text before and after its table.
fn text(before: &str, model: &str, after: &str) -> String {
    let data = if before.contains("[data") { "" } else { "[data]\nbuiltin = 'iris'\n" };
    format!("name = 'x'\n{before}\n{data}[model]\n{model}\n{after}")
}

fn check(before: &str, model: &str, after: &str, expected: Result<(), &str>) {
    let text = text(before, model, after);
    let outcome = TrainingSpec::from_toml(&text);
    match (&outcome, expected) {
        (Ok(_), Ok(())) => {}
        (Err(error), Err(expected)) => {
            let message = error.to_string();
            assert!(message.contains(expected), "{text}\n{message}\ndoes not contain: {expected}");
        }
        _ => panic!("{text}\n{outcome:?}\nis not {expected:?}"),
    }
}

fn refused(before: &str, model: &str, after: &str, expected: &str) {
    check(before, model, after, Err(expected));
}

fn taken(before: &str, model: &str, after: &str) {
    check(before, model, after, Ok(()));
}

fn network(keys: &str, layers: &str) -> String {
    format!("kind = 'network'\n{keys}\nlayers = [{layers}]")
}

#[test]
fn a_message_names_the_key_and_what_to_do() {
    let rate = |rate: &str| format!("[training.optimizer]\nkind = 'sgd'\nlearning_rate = {rate}");
    let cases: [(&str, &str, &str, &str); 16] = [
        ("", LINEAR, &rate("0"), "training.optimizer.learning_rate must be above 0, not 0"),
        ("", LINEAR, &rate("-1.0"), "training.optimizer.learning_rate must be above 0, not -1.0"),
        (
            "",
            LINEAR,
            &rate("'fast'"),
            "training.optimizer.learning_rate must be a number, not the text 'fast'",
        ),
        ("", LINEAR, &rate("nan"), "training.optimizer.learning_rate must be a finite number"),
        ("", LINEAR, "[training]\nepcohs = 3", "training.epcohs is not a key: did you mean 'epochs'?"),
        ("", LINEAR, "[training]\nzebra = 3", "training.zebra is not a key: use one of loss, huber_delta"),
        (
            "",
            LINEAR,
            "[training]\nepochs = 1.5",
            "training.epochs must be a whole number, not the number 1.5",
        ),
        ("", LINEAR, "[training]\nepochs = -1", "training.epochs must be from 1 to 1000000, not -1"),
        (
            "",
            LINEAR,
            "[training]\nloss = 'mes'",
            "training.loss is 'mes', which does not exist: did you mean 'mse'?",
        ),
        (
            "",
            LINEAR,
            "[training]\noptimizer = 'adam'",
            "must be a table with the key 'kind', not the text 'adam'",
        ),
        ("", LINEAR, "[training.optimizer]\nlearning_rate = 1", "training.optimizer.kind is missing"),
        ("", LINEAR, "[training.optimizer]\nkind = 'adma'", "did you mean 'adam'?"),
        (
            "",
            LINEAR,
            "[training.optimizer]\nkind = 'sgd'\nbeta_1 = 0.5",
            "training.optimizer.beta_1 is not a key",
        ),
        ("", "kind = 'linear'\nrounds = 3", "", "model.rounds is not a key"),
        ("", LINEAR, "[split]\nstratify = 'yes'", "split.stratify must be true or false"),
        ("task = 'clasification'", LINEAR, "", "did you mean 'classification'?"),
    ];
    for (before, model, after, expected) in cases {
        refused(before, model, after, expected);
    }
    for (text, expected) in [
        ("", "name is missing: it has no default"),
        ("name = 'x'\n[data]\nbuiltin = 'iris'", "model is missing"),
        ("name = '../x'\n[data]\nbuiltin = 'iris'\n[model]\nkind = 'linear'", "name must be 1 to 128"),
    ] {
        let message = TrainingSpec::from_toml(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn exactly_one_source_is_given() {
    refused("[data]", LOGISTIC, "", "data: there is no data: give one of builtin, path and dataset");
    refused("[data]\nbuiltin = 'iris'\npath = 'a.csv'", LOGISTIC, "", "data: builtin and path are given");
    refused("[data]\nbuiltin = 'irsi'", LOGISTIC, "", "did you mean 'iris'?");
    refused("[data]\nbuiltin = 'iris'\nformat = 'csv'", LOGISTIC, "", "data.format: belongs to data.path");
    refused(
        "[data]\npath = 'a'\nformat = 'csv'\nlabels_path = 'b'",
        LOGISTIC,
        "",
        "data.labels_path: belongs to",
    );
    refused("[data]\ndataset = 'a:b'", LOGISTIC, "", "data.dataset must be the name of a data set");
    refused("[data]\nbuiltin = 'iris'\n[data.test]", LOGISTIC, "", "data.test: there is no data");
    for source in ["path = 'a.csv'", "dataset = 'a'", "dataset = 'a:3'", "path = 'a'\nlabels_path = 'b'"] {
        taken(&format!("[data]\n{source}"), LOGISTIC, "");
    }
}

#[test]
fn a_column_has_one_role() {
    let iris = |keys: &str| format!("[data]\nbuiltin = 'iris'\n{keys}");
    let cases = [
        ("label = 'a'\nignore = ['a']", "data.ignore: 'a' is the label"),
        ("label = 'a'\n[data.columns.b]\nrole = 'label'", "data.columns.b.role: 'a' is the label already"),
        ("[data.columns]\na.role = 'label'\nb.role = 'label'", "'a' is the label already"),
        ("label = 'a'\n[data.columns.a]\nrole = 'feature'", "'a' is the label by data.label"),
        ("ignore = ['a']\n[data.columns.a]\nrole = 'feature'", "'a' is left out by data.ignore"),
    ];
    for (keys, expected) in cases {
        refused(&iris(keys), LOGISTIC, "", expected);
    }
    taken(&iris("label = 'a'\n[data.columns.a]\nrole = 'label'\ntype = 'category'"), LOGISTIC, "");
}

#[test]
fn the_shares_of_a_split_sum_to_one() {
    refused(
        "",
        LOGISTIC,
        "[split]\ntrain = 0.8",
        "split: the shares must sum to 1, not 1.100000 (train = 0.8,",
    );
    refused("", LOGISTIC, "[split]\ntrain = 1.5", "split.train must be from 0 to 1");
    refused(
        "",
        LOGISTIC,
        "[split]\ntrain = 0\nvalidation = 0.5\ntest = 0.5",
        "nothing is left to learn from",
    );
    refused("", LOGISTIC, "[split]\nfolds = 1", "split.folds: one fold");
    let separate = "[data]\nbuiltin = 'iris'\n[data.test]\nbuiltin = 'wine'";
    refused(separate, LOGISTIC, "", "split.test: data.test is the held-out set");
    taken(separate, LOGISTIC, "[split]\ntrain = 0.8\nvalidation = 0.2\ntest = 0");
    let no_validation = "[split]\ntrain = 0.8\nvalidation = 0\ntest = 0.2\n";
    taken("", LOGISTIC, no_validation);
    let stopping = format!("{no_validation}[training.early_stopping]\npatience = 2");
    refused("", LOGISTIC, &stopping, "split.validation: early stopping watches");
    taken("", LOGISTIC, "[split]\ntrain = 0.1\nvalidation = 0.2\ntest = 0.7");
}

#[test]
fn task_model_and_loss_agree() {
    let trees = "kind = 'boosted_trees'";
    let text_model = "kind = 'text_classifier'";
    let loss = |loss: &str| format!("[training]\nloss = '{loss}'");
    refused(
        "task = 'classification'",
        LINEAR,
        "",
        "model.kind: the model 'linear' is for regression, but task says",
    );
    refused("task = 'regression'", LOGISTIC, "", "the model 'logistic' is for classification");
    refused(
        "",
        LOGISTIC,
        &loss("mse"),
        "training.loss: the loss 'mse' is for regression, but the model 'logistic'",
    );
    refused(
        "task = 'regression'",
        DENSE,
        &loss("categorical_cross_entropy"),
        "is for classification, but task says",
    );
    refused("", trees, &loss("huber"), "training.loss: the model 'boosted_trees' cannot make huber small");
    refused("", text_model, &loss("binary_cross_entropy"), "use auto or categorical_cross_entropy");
    refused(
        "",
        "kind = 'text_classifier'\nheads = 5",
        "",
        "model.width: 64 is not a multiple of the 5 heads",
    );
    for (model, name) in [(LINEAR, "huber"), (LOGISTIC, "binary_cross_entropy"), (trees, "mse")] {
        taken("", model, &loss(name));
    }
}

#[test]
fn options_of_one_loss_are_refused_with_another() {
    let training = |keys: &str| format!("[training]\n{keys}");
    let smoothing =
        "training.label_smoothing: belongs to the loss 'categorical_cross_entropy', but the loss is";
    refused("", LINEAR, &training("label_smoothing = 0.1"), smoothing);
    refused("", LOGISTIC, &training("label_smoothing = 0.1\nloss = 'binary_cross_entropy'"), smoothing);
    refused("", "kind = 'decision_tree'", &training("label_smoothing = 0.1"), "trees have none");
    refused("", LOGISTIC, &training("label_smoothing = 1.0"), "must be from 0 to below 1");
    taken("", LOGISTIC, &training("label_smoothing = 0.1"));
    refused("", LINEAR, &training("huber_delta = 2"), "training.huber_delta: belongs to the loss 'huber'");
    taken("", LINEAR, &training("huber_delta = 2\nloss = 'huber'"));
    refused(
        "",
        LINEAR,
        &training("class_weights = 'balanced'"),
        "training.class_weights: regression has no classes",
    );
    refused("", LOGISTIC, &training("class_weights = 'balnced'"), "did you mean 'balanced'?");
    refused("", LOGISTIC, &training("class_weights = { a = 0 }"), "training.class_weights.a must be above 0");
    taken("", LOGISTIC, &training("class_weights = { a = 2, b = 0.5 }"));
}

#[test]
fn layers_that_do_not_fit_are_named_by_number_and_type() {
    let conv = "{ type = 'conv2d', filters = 6, kernel = 5 }";
    let dense = "{ type = 'dense', units = 10 }";
    let softmax = "{ type = 'dense', units = 10, activation = 'softmax' }";
    let picture = "input = [3, 32, 32]";
    let cases = [
        (
            picture,
            format!("{conv}, {dense}"),
            "layer 2 (dense): takes rows of one dimension, not [6, 28, 28]: put a flatten",
        ),
        (
            "",
            format!("{conv}, {{ type = 'flatten' }}"),
            "layer 1 (conv2d): needs the shape of its pictures: set model.input",
        ),
        (
            "input = [64]",
            format!("{conv}, {dense}"),
            "layer 1 (conv2d): takes [channels, height, width], not [64]",
        ),
        ("input = [1, 4, 9]", conv.to_owned(), "layer 1 (conv2d): a kernel of 5 does not fit a height of 4"),
        (
            picture,
            conv.to_owned(),
            "layer 1 (conv2d): the network ends in [6, 28, 28]: add a flatten and a dense",
        ),
        (
            picture,
            "{ type = 'max_pool2d', kernel = 2, padding = 2 }".to_owned(),
            "layer 1 (max_pool2d): a padding of 2",
        ),
        (
            "",
            format!("{softmax}, {dense}"),
            "layer 1 (dense): softmax makes shares of all outputs: use it in the last",
        ),
        (
            "",
            format!("{dense}, {{ type = 'dropout', rate = 0.5 }}"),
            "layer 2 (dropout): has nothing to protect",
        ),
        ("", format!("{dense}, {conv}"), "layer 2 (conv2d): takes [channels, height, width], not [10]"),
        (
            "",
            "{ type = 'flatten' }, { type = 'dense', units = 0 }".to_owned(),
            "layer 2 (dense): units must be from 1",
        ),
        ("", "{ type = 'dense' }".to_owned(), "layer 1 (dense): units is missing"),
        (
            "",
            "{ type = 'dense', unit = 3 }".to_owned(),
            "layer 1 (dense): unit is not a key: did you mean 'units'?",
        ),
        (
            "",
            "{ type = 'dens', units = 3 }".to_owned(),
            "layer 1 (dens): type is 'dens', which does not exist: did you mean 'dense'",
        ),
        (
            "",
            "{ type = 'dropout', rate = 1 }".to_owned(),
            "layer 1 (dropout): rate must be from 0 to below 1",
        ),
        ("", String::new(), "model.layers: a network needs at least one layer"),
        ("input = [1, 2, 3, 4]", dense.to_owned(), "model.input: [1, 2, 3, 4] is neither"),
        ("input = [0]", dense.to_owned(), "model.input[0] must be from 1"),
        (
            "input = [1000000]",
            "{ type = 'dense', units = 1000000 }".to_owned(),
            "layer 1 (dense): the network would have more",
        ),
        ("input = [3, 4000, 4000]", dense.to_owned(), "layer 1 (dense): takes rows of one dimension"),
        (
            picture,
            "{ type = 'conv2d', filters = 65536, kernel = 1 }".to_owned(),
            "which is more than 16777216 values",
        ),
        (
            picture,
            format!("{{ type = 'layer_norm' }}, {dense}"),
            "layer 1 (layer_norm): takes rows of one dimension",
        ),
    ];
    for (keys, layers, expected) in cases {
        refused("", &network(keys, &layers), "", expected);
    }
}

#[test]
fn the_end_of_a_network_fits_task_and_loss() {
    let dense = |units: usize, activation: &str| {
        network("", &format!("{{ type = 'dense', units = {units}, activation = '{activation}' }}"))
    };
    let regression = "task = 'regression'";
    let classification = "task = 'classification'";
    let binary = "[training]\nloss = 'binary_cross_entropy'";
    let categorical = "[training]\nloss = 'categorical_cross_entropy'";
    refused(
        regression,
        &dense(2, "none"),
        "",
        "layer 1 (dense): regression predicts one number, but the network ends in 2",
    );
    refused(regression, &dense(2, "softmax"), "", "softmax is for classification");
    refused("", &dense(1, "softmax"), "", "softmax over one output is always 1");
    refused(classification, &dense(3, "relu"), "", "classes need probabilities, which relu does not give");
    refused(classification, &dense(3, "sigmoid"), "", "sigmoid is for one output, not 3");
    refused("", &dense(3, "softmax"), binary, "binary_cross_entropy takes one output, not 3");
    refused(
        "",
        &dense(1, "sigmoid"),
        categorical,
        "categorical_cross_entropy takes one output for each class",
    );
    taken(regression, &dense(1, "none"), "");
    taken(classification, &dense(1, "sigmoid"), binary);
    taken(classification, &dense(3, "none"), categorical);
    taken("", &dense(3, "softmax"), "");
}

#[test]
fn a_search_is_checked_value_by_value() {
    let random = |keys: &str| format!("[search]\n[search.keys]\n{keys}");
    let cases = [
        ("", "search.keys: there are 0: name 1 to 32 keys"),
        (
            "'training.lerning' = [1]",
            "the search cannot set training.lerning to 1: training.lerning is not a key",
        ),
        (
            "'training.epochs' = [5, 0]",
            "the search cannot set training.epochs to 0: training.epochs must be from 1",
        ),
        ("'training.epochs' = []", "search.keys.training.epochs: there are 0 values"),
        ("'training.epochs' = 5", "search.keys.training.epochs must be a list of values or a range"),
        ("'training.epochs' = { low = 5 }", "search.keys.training.epochs.high is missing"),
        ("'training.epochs' = { low = 5, high = 5 }", "low (5) must be below high (5)"),
        (
            "'training.optimizer.learning_rate' = { low = 0.1, high = 0.1000001 }",
            "are too near each other: numbers between them are drawn with six digits",
        ),
        (
            "'training.epochs' = { low = 5, high = 9 }",
            "search.keys.training.epochs: the key takes whole numbers alone: add whole = true to the range",
        ),
        ("'training.epochs' = { low = 5.5, high = 9 }", "training.epochs must be a whole number"),
        ("'training.epochs' = { low = 0, high = 9 }", "training.epochs must be from 1 to 1000000, not 0.0"),
        (
            "'training.batch_size' = [8, 16, 8]",
            "search.keys.training.batch_size: value 3 is the same as one before it",
        ),
        ("'training.loss' = ['hubber']", "cannot set training.loss to 'hubber': training.loss is 'hubber'"),
        ("'training.epochs' = { low = 0.5, high = 9, whole = true }", "ends in whole numbers, not 0.5 and 9"),
        ("'training.weight_decay' = { low = 0, high = 1, scale = 'log' }", "starts above 0, not at 0"),
        ("'model' = [{ kind = 'lonear' }]", "model.kind is 'lonear'"),
        (
            "'model' = [{ kind = 'logistic' }]\n'model.kind' = ['linear']",
            "'model' is varied as a whole already",
        ),
        ("'data.label' = ['a', 'b']", "'data' must be the same for all trials"),
        ("'name.x' = ['a']", "'name' must be the same"),
        ("'model.layers.0.units' = [1]", "the search cannot set model.layers.0.units"),
    ];
    for (keys, expected) in cases {
        refused("", LOGISTIC, &random(keys), expected);
    }
    refused(
        "",
        DENSE,
        &random("'model.layers.3.units' = [1]"),
        "model.layers.3: the list has 1 elements, counted from 0",
    );
    taken("", DENSE, &random("'model.layers.0.units' = { low = 4, high = 64, whole = true, scale = 'log' }"));
    taken(
        "",
        LOGISTIC,
        &random("'training.clip_norm' = [0.5, 1.0]\n'training.schedule.warmup_steps' = [0, 10]"),
    );
}

#[test]
fn a_search_has_a_size_a_metric_and_rungs_that_fit() {
    let search = |head: &str, keys: &str| format!("[search]\n{head}\n[search.keys]\n{keys}");
    let epochs = "'training.epochs' = [1, 2, 3]";
    let decay = "'training.weight_decay' = { low = 0, high = 1, points = 4 }";
    let grid = |trials: usize| {
        search(&format!("strategy = 'grid'\ntrials = {trials}"), &format!("{epochs}\n{decay}"))
    };
    refused("", LOGISTIC, &grid(11), "search.trials: the grid has 12 points, but only 11 trials are allowed");
    taken("", LOGISTIC, &grid(12));
    refused(
        "",
        LOGISTIC,
        &search("metric = 'r2'", epochs),
        "search.metric: 'r2' is for regression, but this is classification",
    );
    let halving = "strategy = 'successive_halving'";
    refused("", LOGISTIC, &search(halving, epochs), "successive_halving sets this itself");
    refused(
        "",
        "kind = 'decision_tree'",
        &search(halving, "'model.max_depth' = [1, 2]"),
        "cannot be fitted a little",
    );
    let first =
        |rung: usize| search(&format!("{halving}\nfirst_rung = {rung}"), "'training.batch_size' = [8, 16]");
    refused("", LOGISTIC, &first(11), "search.first_rung: 11 is more than the 10 epochs");
    taken("", LOGISTIC, &first(10));
    let no_validation = format!("[split]\ntrain = 0.8\nvalidation = 0\ntest = 0.2\n{}", search("", epochs));
    refused("", LOGISTIC, &no_validation, "split.validation: a search compares trials");
}

#[test]
fn a_specification_changed_in_code_is_checked_again() {
    let mut spec = TrainingSpec::from_toml(&text("", LOGISTIC, "")).unwrap();
    spec.check().unwrap();
    spec.training.weight_decay = f64::NAN;
    assert!(spec.check().unwrap_err().to_string().starts_with("training.weight_decay must be a number"));
    spec.training.weight_decay = -1.0;
    assert!(spec.check().unwrap_err().to_string().starts_with("training.weight_decay must be 0 or above"));
    spec.training.weight_decay = 0.0;
    spec.split.train = 0.5;
    assert!(spec.check().is_err());
}

#[test]
fn a_specification_that_names_paths_says_so() {
    let names_paths = |data: &str| {
        let split = "[split]\ntrain = 0.8\nvalidation = 0.2\ntest = 0";
        TrainingSpec::from_toml(&text(&format!("[data]\n{data}"), LOGISTIC, split)).unwrap().names_paths()
    };
    assert!(!names_paths("builtin = 'iris'"));
    assert!(!names_paths("dataset = 'iris:2'\n[data.test]\ndataset = 'iris'"));
    assert!(names_paths("path = 'a.csv'"));
    assert!(names_paths("builtin = 'iris'\n[data.test]\npath = 'a.csv'"));
}
