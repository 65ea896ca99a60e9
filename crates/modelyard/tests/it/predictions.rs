use std::io::Write as _;

use fs_err as fs;

use yard_fixtures::held_out_digits as held_out;

use crate::program::TestServer;

/// The first held-out digits: 64 pixels each, then the label.
fn rows(count: usize) -> Vec<Vec<f32>> {
    let text = fs::read_to_string(held_out()).unwrap();
    let row = |line: &str| line.split(',').map(|cell| cell.parse().unwrap()).collect();
    text.lines().skip(1).take(count).map(row).collect()
}

fn png(pixels: &[f32]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut encoder = png::Encoder::new(&mut content, 8, 8);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    // 0 to 16 as 0 to 240, so that 1/15 brings them back exactly.
    let samples: Vec<u8> = pixels.iter().map(|pixel| format!("{}", pixel * 15.0).parse().unwrap()).collect();
    encoder.write_header().unwrap().write_image_data(&samples).unwrap();
    content
}

fn npy(rows: &[&[f32]]) -> Vec<u8> {
    let header =
        format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}, {}), }}", rows.len(), rows[0].len());
    let mut content = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    writeln!(content, "{header:<117}").unwrap();
    content.extend(rows.iter().flat_map(|row| row.iter()).flat_map(|value| f64::from(*value).to_le_bytes()));
    content
}

#[test]
fn every_form_of_input_gives_the_same_answers() {
    let server = TestServer::start();
    server.push_digits();
    let folder = server.folder.path().to_owned();
    let data = rows(3);
    let pixels: Vec<&[f32]> = data.iter().map(|row| &row[..64]).collect();
    let json_rows = serde_json::to_string(&pixels).unwrap();
    let csv: Vec<String> =
        data.iter().map(|row| row.iter().map(f32::to_string).collect::<Vec<_>>().join(",")).collect();
    fs::write(folder.join("rows.json"), &json_rows).unwrap();
    fs::write(folder.join("named.json"), format!("{{\"inputs\": {{\"pixels\": {json_rows}}}}}")).unwrap();
    let flat = serde_json::to_string(&pixels.concat()).unwrap();
    let protocol = format!(
        r#"{{"inputs": [{{"name": "pixels", "shape": [3, 64], "datatype": "FP32", "data": {flat}}}]}}"#
    );
    fs::write(folder.join("protocol.json"), protocol).unwrap();
    fs::write(folder.join("rows.npy"), npy(&pixels)).unwrap();
    fs::write(folder.join("rows.csv"), csv.join("\n")).unwrap();
    for (place, pixels) in pixels.iter().enumerate() {
        fs::write(folder.join(format!("{place}.png")), png(pixels)).unwrap();
    }

    let expected = server.run(&["predict", "digits", "--input", "rows.json"]).data();
    let lines: Vec<&str> = expected.lines().collect();
    assert!(lines[0].starts_with("probabilities_0,probabilities_1,"), "{expected}");
    assert_eq!(lines.len(), 1 + 3);
    for arguments in [
        &["--input", "named.json"][..],
        &["--input", "protocol.json"],
        &["--input", "rows.npy"],
        &["--input", "rows.npy", "--rows-per-request", "2"],
        &["--input", "rows.csv", "--header", "no", "--ignore", "65"],
        &["--scale", "1/15", "--input", "0.png", "1.png", "2.png"],
    ] {
        let all = [&["predict", "digits"], arguments].concat();
        assert_eq!(server.run(&all).data(), expected, "{arguments:?}");
    }

    let answer = server.run(&["predict", "digits:1", "--input", "rows.json", "--json"]).json();
    assert_eq!((answer["model"].as_str(), answer["version"].as_u64()), (Some("digits"), Some(1)));
    assert_eq!(answer["outputs"][0]["shape"], serde_json::json!([3, 10]));
}

#[test]
fn the_held_out_digits_are_classified_as_well_as_the_model_can() {
    let server = TestServer::start();
    server.push_digits();
    let text = server.run_on(&["predict", "digits", "--ignore", "label", "--input"], &held_out(), &[]).data();
    let predicted = text.lines().skip(1).map(|line| {
        let values: Vec<f32> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        (0..10).max_by(|one, other| values[*one].total_cmp(&values[*other])).unwrap()
    });
    let labels: Vec<usize> =
        rows(usize::MAX).iter().map(|row| format!("{}", row[64]).parse().unwrap()).collect();
    let right = predicted.zip(&labels).filter(|(predicted, label)| predicted == *label).count();
    assert!(right >= 350 && labels.len() == 360, "scikit-learn's model tells 352 of 360 right, here {right}");
}

#[test]
fn input_that_does_not_fit_is_refused_with_its_reason() {
    let server = TestServer::start();
    server.push_digits();
    let folder = server.folder.path();
    fs::write(folder.join("short.csv"), "1,2\n").unwrap();
    server.run(&["predict", "digits", "--input", "short.csv"]).fails(6, "takes 64 values a row, got 2");
    fs::write(folder.join("short.json"), "[[1, 2]]").unwrap();
    server
        .run(&["predict", "digits", "--input", "short.json"])
        .fails(6, "unexpected shape for input 'pixels'");
    fs::write(folder.join("broken.png"), "no image").unwrap();
    server.run(&["predict", "digits", "--input", "broken.png"]).fails(6, "no readable PNG");
    server.run(&["predict", "digits", "--input", "missing.csv"]).fails(5, "missing.csv");
    server.run(&["predict", "digits", "--input", "short"]).fails(6, "cannot tell the format");
    server.run(&["predict", "digits:2", "--input", "short.csv"]).fails(5, "digits");
}
