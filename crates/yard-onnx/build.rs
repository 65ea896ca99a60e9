//! Compiles `proto/onnx.proto` without the need of an installed `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/onnx.proto");
    let descriptors = protox::compile(["proto/onnx.proto"], ["proto"])?;
    // `Bytes` lets the decoder share the file's buffer instead of copying the weights.
    prost_build::Config::new().bytes(["."]).compile_fds(descriptors)?;
    Ok(())
}
