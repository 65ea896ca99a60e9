//! What to type next.

use std::path::Path;

use anyhow::{Context as _, Result};
use yard_types::VersionNumber;

use super::server::DemoServer;

/// Commands with the real addresses of this run. The key itself stays in its file.
pub(super) fn render(
    server: &DemoServer,
    data_dir: &Path,
    version: VersionNumber,
    rows: &Path,
    image: &[f32],
) -> Result<String> {
    let program = std::env::current_exe().context("cannot find this executable")?;
    let (program, key) = (quoted(&program), quoted(&data_dir.join("admin.key")));
    let (http, grpc) = (server.http(), server.grpc().to_string().replace("http://", ""));
    let rows = quoted(rows);
    let pixels = image.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    Ok(format!(
        r#"
Try next, in another terminal:

  export MODELYARD_SERVER={http}
  export MODELYARD_API_KEY="$(cat {key})"

  {program} models
  {program} show digits:{version}
  {program} jobs
  {program} predict digits:{version} --input {rows} --ignore label

With curl:

  curl -s {http}/v2/models/digits/versions/{version}/infer -H "Authorization: Bearer $MODELYARD_API_KEY" \
    -H 'Content-Type: application/json' \
    -d '{{"inputs": [{{"name": "features", "shape": [1, 64], "datatype": "FP32", "data": [{pixels}]}}]}}'

From Python, over gRPC (pip install "tritonclient[grpc]"):

  import os, numpy, tritonclient.grpc as triton
  client = triton.InferenceServerClient("{grpc}")
  pixels = triton.InferInput("features", [1, 64], "FP32")
  pixels.set_data_from_numpy(numpy.array([[{pixels}]], dtype=numpy.float32))
  key = {{"authorization": "Bearer " + os.environ["MODELYARD_API_KEY"]}}
  answer = client.infer("digits", [pixels], model_version="{version}", headers=key)
  print(answer.as_numpy("probabilities").argmax())"#
    ))
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-+".contains(character);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_where_a_shell_would_take_them_apart() {
        assert_eq!(quoted(Path::new("/tmp/a-b_c.d")), "/tmp/a-b_c.d");
        assert_eq!(quoted(Path::new("/my things/it's")), r"'/my things/it'\''s'");
    }
}
