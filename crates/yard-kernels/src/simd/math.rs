//! Functions of `f32`, by polynomials whose every operation is the same on each path.

use super::Lanes;

/// The exponents whose powers of two are normal numbers.
const LARGEST_ARGUMENT: f32 = 88.37;
const SMALLEST_ARGUMENT: f32 = -87.33;

/// Coefficients of the Taylor-like minimax polynomial of `(exp(r) - 1 - r) / r^2` for `|r| <= ln(2) / 2`, highest
/// power first (the classic single-precision set of the Cephes library).
const EXP: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// `ln(2)` in two parts: the first has few bits, so that a whole number times it is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

#[inline(always)]
pub(super) fn exp<L: Lanes>(lanes: L, a: L::V) -> L::V {
    // In this order of operands, what is not a number stays that.
    let bounded = lanes.max(lanes.splat(SMALLEST_ARGUMENT), lanes.min(lanes.splat(LARGEST_ARGUMENT), a));
    let power = lanes.round(lanes.mul(bounded, lanes.splat(std::f32::consts::LOG2_E)));
    let rest = lanes.fma(power, lanes.splat(-LN_2_HIGH), bounded);
    let rest = lanes.fma(power, lanes.splat(-LN_2_LOW), rest);
    let mut polynomial = lanes.splat(EXP[0]);
    for coefficient in &EXP[1..] {
        polynomial = lanes.fma(polynomial, rest, lanes.splat(*coefficient));
    }
    let near_one = lanes.add(lanes.fma(lanes.mul(polynomial, rest), rest, rest), lanes.splat(1.0));
    lanes.mul(near_one, lanes.power_of_two(power))
}

#[inline(always)]
pub(super) fn sigmoid<L: Lanes>(lanes: L, a: L::V) -> L::V {
    let one = lanes.splat(1.0);
    let falling = lanes.exp(lanes.sub(lanes.splat(0.0), a));
    lanes.div(one, lanes.add(one, falling))
}

/// `1 - 2 / (exp(2 |a|) + 1)` with the sign of `a`: within 2e-7, which is small beside the values it is added to.
#[inline(always)]
pub(super) fn tanh<L: Lanes>(lanes: L, a: L::V) -> L::V {
    let one = lanes.splat(1.0);
    let magnitude = lanes.abs(a);
    let grown = lanes.exp(lanes.add(magnitude, magnitude));
    let result = lanes.sub(one, lanes.div(lanes.splat(2.0), lanes.add(grown, one)));
    lanes.with_sign_of(result, a)
}

/// Formula 7.1.26 of Abramowitz and Stegun.
const ERF: [f32; 5] = [1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6];
const ERF_SCALE: f32 = 0.327_591_1;

#[inline(always)]
pub(super) fn erf<L: Lanes>(lanes: L, a: L::V) -> L::V {
    let one = lanes.splat(1.0);
    let magnitude = lanes.abs(a);
    let t = lanes.div(one, lanes.fma(lanes.splat(ERF_SCALE), magnitude, one));
    let mut polynomial = lanes.splat(ERF[0]);
    for coefficient in &ERF[1..] {
        polynomial = lanes.fma(polynomial, t, lanes.splat(*coefficient));
    }
    let tail = lanes.exp(lanes.sub(lanes.splat(0.0), lanes.mul(magnitude, magnitude)));
    let result = lanes.sub(one, lanes.mul(lanes.mul(polynomial, t), tail));
    lanes.with_sign_of(result, a)
}
