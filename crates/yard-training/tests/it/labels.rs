//! Labels of any size: learned in a unit of their own, told and served in theirs.

use serde_json::Value;
use yard_data::Column;
use yard_training::Trained;

use crate::served::{InMemory, file, numbers, trained_on};

/// Rows of three numbers and a label that follows from them, times `size` and above `base`.
fn columns(size: f64, base: f64) -> Vec<Column> {
    let column = |factor: usize, of: usize| -> Vec<f64> {
        (0..240).map(|row| ((row * factor) % of) as f64 / of as f64).collect()
    };
    let [a, b, c] = [column(7, 31), column(11, 41), column(13, 23)];
    let label: Vec<f64> =
        (0..240).map(|row| base + size * (2.0 * a[row] - b[row] + a[row] * c[row])).collect();
    vec![numbers("a", &a), numbers("b", &b), numbers("c", &c), numbers("label", &label)]
}

fn fitted(size: f64, base: f64, model: &str, more: &str) -> Trained {
    let text = format!(
        "name = 'm'\nseed = 3\n[data]\nbuiltin = 'iris'\n[model]\n{model}\n[training]\nepochs = 60\nbatch_size = 16\n\
         optimizer = {{ kind = 'adam', learning_rate = 0.01 }}\n{more}\n"
    );
    trained_on(&text, columns(size, base), &mut InMemory::default()).unwrap()
}

const NETWORK: &str = "kind = 'network'\nlayers = [ { type = 'dense', units = 16, activation = 'relu' }, \
                       { type = 'dense', units = 1 } ]";

#[test]
fn a_label_in_millions_or_millionths_is_learned_as_well_as_one_of_ones() {
    for model in [NETWORK, "kind = 'linear'"] {
        let plain = fitted(1.0, 0.0, model, "");
        let r2 = plain.metrics["test"]["r2"];
        assert!(r2 > 0.9, "{r2}");
        for (size, base) in [(1e6, 5e6), (1e-6, 0.0), (1e6, -2e5)] {
            let scaled = fitted(size, base, model, "");
            let test = &scaled.metrics["test"];
            assert!((test["r2"] - r2).abs() < 1e-3, "{size} {base}: {} is not {r2}", test["r2"]);
            let mae = plain.metrics["test"]["mae"] * size;
            assert!((test["mae"] - mae).abs() < 0.03 * mae, "{size} {base}: {} is not {mae}", test["mae"]);
            // What a client is to expect is in the label's unit.
            let golden: Value = serde_json::from_slice(file(&scaled, "golden.json")).unwrap();
            let predicted = golden["samples"][0]["outputs"][0]["data"][0].as_f64().unwrap();
            assert!((predicted - base).abs() < 4.0 * size, "{size} {base}: {predicted}");
        }
    }
}

#[test]
fn a_label_that_is_to_stay_as_it_is_is_not_scaled() {
    let model = |label: &str| format!("{NETWORK}\n[features]\nlabel = '{label}'");
    assert!(fitted(1e6, 5e6, &model("none"), "").metrics["test"]["r2"] < 0.0);
    assert!(fitted(1e6, 5e6, &model("standardize"), "").metrics["test"]["r2"] > 0.9);
    // Of a network that ends in an activation the range is that of the label.
    let bounded = NETWORK.replace("units = 1 }", "units = 1, activation = 'sigmoid' }");
    let trained = fitted(0.25, 0.375, &bounded, "");
    assert!(trained.metrics["test"]["r2"] > 0.9, "{:?}", trained.metrics["test"]);
}

#[test]
fn losses_are_told_in_the_unit_of_the_label() {
    let check = |more: &str, figure: &str, times: f64| {
        let trained = fitted(1e4, 2e4, NETWORK, more);
        let record: Value = serde_json::from_slice(file(&trained, "training.json")).unwrap();
        let best = record["best_epoch"].as_u64().unwrap() as usize;
        let loss = record["history"][best - 1]["validation_loss"].as_f64().unwrap();
        let expected = times * trained.metrics["validation"][figure];
        assert!((loss - expected).abs() < 1e-3 * expected, "{more}: {loss} is not {expected}");
    };
    check("", "mse", 1.0);
    check("loss = 'mae'", "mae", 1.0);
    // Huber's bend is in the label's unit: beyond all distances half of the square is left, below all of them the distance.
    check("loss = 'huber'\nhuber_delta = 1e6", "mse", 0.5);
    check("loss = 'huber'\nhuber_delta = 1e-2", "mae", 1e-2);
}
