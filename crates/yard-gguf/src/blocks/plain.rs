//! Values stored one by one.

use half::{bf16, f16};

pub(super) fn decode_f32(bytes: &[u8; 4], value: &mut [f32; 1]) {
    *value = [f32::from_le_bytes(*bytes)];
}

pub(super) fn decode_f16(bytes: &[u8; 2], value: &mut [f32; 1]) {
    *value = [f16::from_le_bytes(*bytes).to_f32()];
}

pub(super) fn decode_bf16(bytes: &[u8; 2], value: &mut [f32; 1]) {
    *value = [bf16::from_le_bytes(*bytes).to_f32()];
}

pub(super) fn encode_f32(value: &[f32; 1], bytes: &mut [u8; 4]) {
    *bytes = value[0].to_le_bytes();
}

pub(super) fn encode_f16(value: &[f32; 1], bytes: &mut [u8; 2]) {
    *bytes = f16::from_f32(value[0]).to_le_bytes();
}

pub(super) fn encode_bf16(value: &[f32; 1], bytes: &mut [u8; 2]) {
    *bytes = bf16::from_f32(value[0]).to_le_bytes();
}
