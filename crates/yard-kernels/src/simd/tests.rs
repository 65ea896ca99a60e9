use super::*;
use crate::Cpu;

/// What a function over lanes gives for each of the values.
struct Map<'a, F> {
    values: &'a [f32],
    function: F,
}

trait Function {
    fn apply<L: Lanes>(&self, lanes: L, a: L::V) -> L::V;
}

impl<F: Function> Kernel for Map<'_, F> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Vec<f32> {
        let mut results = vec![0.0; self.values.len()];
        for (values, results) in self.values.chunks(WIDTH).zip(results.chunks_mut(WIDTH)) {
            lanes.store_some(self.function.apply(lanes, lanes.load_some(values)), results);
        }
        results
    }
}

#[track_caller]
fn check<F: Function + Copy>(function: F, reference: impl Fn(f64) -> f64, relative: f64, absolute: f64) {
    let values: Vec<f32> = (-3000..3000).map(|step| step as f32 * 0.029 + 0.001).collect();
    let mut first_path: Option<Vec<u32>> = None;
    for cpu in Cpu::every() {
        let results = cpu.run(Map { values: &values, function });
        for (value, result) in values.iter().zip(&results) {
            let exact = reference(f64::from(*value));
            let error = (f64::from(*result) - exact).abs();
            assert!(error <= relative * exact.abs() + absolute, "{cpu:?} f({value}) = {result}, not {exact}");
        }
        let bits: Vec<u32> = results.iter().map(|result| result.to_bits()).collect();
        assert_eq!(*first_path.get_or_insert_with(|| bits.clone()), bits, "{cpu:?}");
    }
}

macro_rules! functions {
    ($($name:ident => $method:ident),*) => { $(
        #[derive(Clone, Copy)]
        struct $name;
        impl Function for $name {
            #[inline(always)]
            fn apply<L: Lanes>(&self, lanes: L, a: L::V) -> L::V {
                lanes.$method(a)
            }
        }
    )* };
}
functions!(Exp => exp, Tanh => tanh, Sigmoid => sigmoid, Erf => erf, Round => round);

#[test]
fn exp_is_within_two_units_and_the_same_on_every_path() {
    check(Exp, |value| value.clamp(-87.33, 88.37).exp(), 2.4e-7, 1e-37);
}

#[test]
fn exp_of_zero_is_one() {
    for cpu in Cpu::every() {
        assert_eq!(cpu.run(Map { values: &[0.0, -0.0], function: Exp }), [1.0, 1.0]);
    }
}

#[test]
fn what_is_not_a_number_stays_that() {
    for cpu in Cpu::every() {
        assert!(cpu.run(Map { values: &[f32::NAN], function: Exp })[0].is_nan());
        assert!(cpu.run(Map { values: &[f32::NAN], function: Tanh })[0].is_nan());
        assert!(cpu.run(Map { values: &[f32::NAN], function: Sigmoid })[0].is_nan());
        assert!(cpu.run(Map { values: &[f32::NAN], function: Erf })[0].is_nan());
    }
}

#[test]
fn tanh_is_within_its_error_and_the_same_on_every_path() {
    check(Tanh, f64::tanh, 0.0, 2e-7);
}

#[test]
fn sigmoid_is_within_its_error_and_the_same_on_every_path() {
    check(Sigmoid, |value| 1.0 / (1.0 + (-value).clamp(-87.33, 88.37).exp()), 6e-7, 0.0);
}

#[test]
fn erf_is_within_its_error_and_the_same_on_every_path() {
    // The integral of the bell curve by Simpson's rule, fine enough for twelve digits.
    let reference = |value: f64| {
        let end = value.clamp(-6.0, 6.0);
        let steps = 600;
        let width = end / f64::from(steps);
        let curve = |at: f64| (-at * at).exp();
        let mut sum = curve(0.0) + curve(end);
        for step in 1..steps {
            sum += curve(width * f64::from(step)) * if step % 2 == 1 { 4.0 } else { 2.0 };
        }
        sum * width / 3.0 * std::f64::consts::FRAC_2_SQRT_PI
    };
    check(Erf, reference, 0.0, 5e-7);
}

#[test]
fn rounding_takes_ties_to_even_on_every_path() {
    check(Round, f64::round_ties_even, 0.0, 0.0);
    for cpu in Cpu::every() {
        let values = [0.5, 1.5, 2.5, -0.5, -1.5];
        assert_eq!(cpu.run(Map { values: &values, function: Round }), [0.0, 2.0, 2.0, 0.0, -2.0]);
    }
}

/// Everything that takes lanes to something else than lanes.
struct Reductions<'a>(&'a [f32; WIDTH]);

impl Kernel for Reductions<'_> {
    type Output = (u32, u32, u32, i32, [i8; WIDTH], [u16; WIDTH], Vec<u32>);

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Self::Output {
        let vector = lanes.load(self.0);
        let mut small = [0; WIDTH];
        let sum_of_small = lanes.store_rounded(vector, &mut small);
        let mut halves = [0; WIDTH];
        lanes.store_f16(vector, &mut halves);
        let mut others = Vec::new();
        for count in [0, 1, 7, 8, 9, 15, 16] {
            let mut values = [0.0; WIDTH];
            lanes.store(lanes.first(count, vector, lanes.splat(7.0)), &mut values);
            others.extend(values.map(f32::to_bits));
        }
        let mut values = [0.0; WIDTH];
        lanes.store(lanes.load_f16(&halves), &mut values);
        others.extend(values.map(f32::to_bits));
        lanes.store(lanes.load_bf16(&halves), &mut values);
        others.extend(values.map(f32::to_bits));
        (
            lanes.sum(vector).to_bits(),
            lanes.largest(vector).to_bits(),
            lanes.largest_magnitude_bits(vector),
            sum_of_small,
            small,
            halves,
            others,
        )
    }
}

#[test]
fn reductions_and_conversions_are_the_same_on_every_path() {
    for seed in 0..200_u32 {
        let values: [f32; WIDTH] = std::array::from_fn(|lane| {
            let mixed = (seed * 16 + lane as u32).wrapping_mul(2_654_435_761);
            (mixed >> 8) as f32 / 65536.0 - 128.0 + 1.0 / (1.0 + seed as f32)
        })
        .map(|value: f32| value.clamp(-127.0, 127.0));
        let expected = Portable;
        let expected = Reductions(&values).run(expected);
        for cpu in Cpu::every() {
            assert_eq!(cpu.run(Reductions(&values)), expected, "{cpu:?} {values:?}");
        }
    }
}

#[test]
fn what_is_not_finite_has_the_largest_magnitude() {
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN] {
        for lane in 0..WIDTH {
            let mut values = [f32::MAX; WIDTH];
            values[lane] = odd;
            for cpu in Cpu::every() {
                struct Magnitude([f32; WIDTH]);
                impl Kernel for Magnitude {
                    type Output = u32;
                    #[inline(always)]
                    fn run<L: Lanes>(self, lanes: L) -> u32 {
                        lanes.largest_magnitude_bits(lanes.load(&self.0))
                    }
                }
                assert!(cpu.run(Magnitude(values)) >= f32::INFINITY.to_bits());
            }
        }
    }
}
