use proptest::prelude::*;

use super::*;

/// Logits without ties: no two tokens are equally probable.
fn logits(size: usize) -> Vec<f32> {
    (0..size).map(|token| ((token * 7919) % size) as f32 * 6.0 / size as f32 - 2.0).collect()
}

fn greedy() -> SamplingOptions {
    SamplingOptions { temperature: 0.0, ..SamplingOptions::default() }
}

fn sample(options: SamplingOptions, logits: &[f32]) -> Sampled {
    Sampler::new(options, &[]).unwrap().sample(logits, None, &mut SamplingScratch::default()).unwrap()
}

/// How often each token is drawn under one seed.
fn draws(options: SamplingOptions, logits: &[f32], times: usize) -> Vec<usize> {
    let mut sampler = Sampler::new(options, &[]).unwrap();
    let mut scratch = SamplingScratch::default();
    let mut counts = vec![0; logits.len()];
    for _ in 0..times {
        let token = sampler.sample(logits, None, &mut scratch).unwrap().token;
        counts[token as usize] += 1;
        sampler.accept(token);
    }
    counts
}

/// What the filters should leave, by sorting: the definition, without any of the shortcuts.
fn expected_probabilities(logits: &[f32], options: &SamplingOptions) -> Vec<f64> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|one, other| logits[*other].total_cmp(&logits[*one]).then(one.cmp(other)));
    let best = f64::from(logits[order[0]]);
    let temperature = f64::from(options.temperature);
    let weight = |token: &usize| ((f64::from(logits[*token]) - best) / temperature).exp();
    order.retain(|token| weight(token) >= f64::from(options.min_p) - 1e-12);
    if options.top_k > 0 {
        order.truncate(options.top_k as usize);
    }
    let total: f64 = order.iter().map(weight).sum();
    let mut sum = 0.0;
    let mut kept = 0;
    while kept < order.len() && sum < f64::from(options.top_p) * total - 1e-9 {
        sum += weight(&order[kept]);
        kept += 1;
    }
    order.truncate(kept.max(1));
    let total: f64 = order.iter().map(weight).sum();
    let mut probabilities = vec![0.0; logits.len()];
    for token in &order {
        probabilities[*token] = weight(token) / total;
    }
    probabilities
}

/// The chi-square statistic, as standard deviations from its mean.
fn deviation(counts: &[usize], probabilities: &[f64]) -> f64 {
    let times = counts.iter().sum::<usize>() as f64;
    let possible: Vec<_> =
        counts.iter().zip(probabilities).filter(|(_, probability)| **probability > 0.0).collect();
    let statistic: f64 = possible
        .iter()
        .map(|(count, probability)| (**count as f64 - times * *probability).powi(2) / (times * *probability))
        .sum();
    let freedom = (possible.len() - 1) as f64;
    (statistic - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn draws_follow_the_distribution_that_the_options_describe() {
    let logits = logits(40);
    let plain = SamplingOptions { seed: 11, ..SamplingOptions::default() };
    let cases = [
        plain.clone(),
        SamplingOptions { temperature: 0.5, ..plain.clone() },
        SamplingOptions { temperature: 2.0, seed: 12, ..plain.clone() },
        SamplingOptions { top_k: 7, ..plain.clone() },
        SamplingOptions { top_p: 0.6, ..plain.clone() },
        SamplingOptions { min_p: 0.1, ..plain.clone() },
        SamplingOptions { temperature: 1.5, top_k: 20, top_p: 0.9, min_p: 0.05, ..plain },
    ];
    for options in cases {
        let probabilities = expected_probabilities(&logits, &options);
        let counts = draws(options.clone(), &logits, 20_000);
        let impossible: usize =
            counts.iter().zip(&probabilities).filter(|(_, p)| **p == 0.0).map(|(count, _)| count).sum();
        assert_eq!(impossible, 0, "filtered tokens were drawn: {options:?}");
        let deviation = deviation(&counts, &probabilities);
        assert!(deviation.abs() < 5.0, "{deviation} standard deviations: {options:?}");
    }
}

proptest! {
    #[test]
    fn filters_keep_what_sorting_would_keep(
        logits in prop::collection::vec(-80_i8..80, 2..200),
        top_k in 0_u32..40,
        top_p in 0.01_f32..=1.0,
        min_p in prop::sample::select(vec![0.0_f32, 0.0009, 0.013, 0.21, 1.0]),
        temperature in prop::sample::select(vec![0.25_f32, 1.0, 3.0]),
    ) {
        let logits: Vec<f32> = logits.into_iter().map(|logit| f32::from(logit) / 8.0).collect();
        let options = SamplingOptions { temperature, top_k, top_p, min_p, ..SamplingOptions::default() };
        let best = filters::best(&logits).unwrap();
        let floor = filters::floor(&logits, best, &options, &mut Vec::new());
        let kept: Vec<bool> = filters::candidates(&logits).map(|token| token.order(&floor).is_le()).collect();
        let probabilities = expected_probabilities(&logits, &options);
        // Sums in another order may differ in the last digit: where the share is hit exactly, one token more is right.
        let expected = probabilities.iter().filter(|probability| **probability > 0.0).count();
        let got = kept.iter().filter(|kept| **kept).count();
        prop_assert!(got == expected || (top_p < 1.0 && got.abs_diff(expected) == 1), "{got} of {expected}");
        for (kept, probability) in kept.iter().zip(&probabilities) {
            prop_assert!(*kept || *probability == 0.0 || got < expected);
        }
    }

    #[test]
    fn log_probabilities_are_those_of_the_model(
        logits in prop::collection::vec(-30.0_f32..30.0, 1..300),
        count in 0_u32..20,
    ) {
        let options = SamplingOptions {
            temperature: 3.0, top_k: 5, logit_bias: vec![(0, 50.0)], log_probabilities: Some(count),
            ..SamplingOptions::default()
        };
        let sampled = sample(options, &logits);
        let largest = logits.iter().copied().fold(f32::MIN, f32::max);
        let sum: f64 = logits.iter().map(|logit| f64::from(logit - largest).exp()).sum();
        let of = |token: TokenId| f64::from(logits[token as usize] - largest) - sum.ln();
        prop_assert!((f64::from(sampled.log_probability.unwrap()) - of(sampled.token)).abs() < 1e-5);
        let mut sorted: Vec<TokenId> = (0..logits.len() as u32).collect();
        sorted.sort_by(|one, other| {
            logits[*other as usize].total_cmp(&logits[*one as usize]).then(one.cmp(other))
        });
        sorted.truncate(count as usize);
        let tokens: Vec<TokenId> = sampled.most_probable.iter().map(|best| best.token).collect();
        prop_assert_eq!(tokens, sorted);
        for best in &sampled.most_probable {
            prop_assert!((f64::from(best.log_probability) - of(best.token)).abs() < 1e-5);
        }
    }
}

#[test]
fn at_temperature_zero_the_first_of_the_best_is_taken() {
    assert_eq!(sample(greedy(), &[0.5, 2.0, 1.0, 2.0]).token, 1);
    assert_eq!(sample(greedy(), &[f32::NEG_INFINITY, -7.0]).token, 1);
}

#[test]
fn equal_requests_get_equal_tokens_and_other_seeds_others() {
    let logits = logits(1000);
    let tokens = |seed| {
        let mut sampler = Sampler::new(SamplingOptions { seed, ..SamplingOptions::default() }, &[]).unwrap();
        let mut tokens = Vec::new();
        for _ in 0..50 {
            tokens.push(sampler.sample(&logits, None, &mut SamplingScratch::default()).unwrap().token);
            sampler.accept(tokens[tokens.len() - 1]);
        }
        tokens
    };
    assert_eq!(tokens(1), tokens(1));
    assert_ne!(tokens(1), tokens(2));
}

#[test]
fn a_choice_is_repeated_until_a_token_is_accepted() {
    let logits = logits(1000);
    let mut sampler = Sampler::new(SamplingOptions::default(), &[]).unwrap();
    let mut scratch = SamplingScratch::default();
    let first = sampler.sample(&logits, None, &mut scratch).unwrap();
    assert_eq!(sampler.sample(&logits, None, &mut scratch).unwrap(), first);
    sampler.accept(first.token);
    assert_ne!(sampler.sample(&logits, None, &mut scratch).unwrap(), first);
}

#[test]
fn penalties_count_what_they_are_said_to_count() {
    let logits = [3.0, 2.0, -1.0, 0.5];
    // Each case: options, and the logits as they are after token 1 was in the prompt and token 0 twice in the answer.
    let plain = greedy();
    let cases = [
        (SamplingOptions { repetition_penalty: 2.0, ..plain.clone() }, [1.5, 1.0, -1.0, 0.5]),
        (SamplingOptions { frequency_penalty: 0.75, ..plain.clone() }, [1.5, 2.0, -1.0, 0.5]),
        (SamplingOptions { presence_penalty: 0.75, ..plain.clone() }, [2.25, 2.0, -1.0, 0.5]),
        (
            SamplingOptions {
                repetition_penalty: 2.0,
                frequency_penalty: 1.0,
                presence_penalty: 0.25,
                logit_bias: vec![(0, -1.0), (3, 4.0)],
                ..plain
            },
            [1.0 - 2.0 - 0.25, 1.0, -1.0, 4.5],
        ),
    ];
    for (options, expected) in cases {
        let mut sampler = Sampler::new(options.clone(), &[1, 1, 99]).unwrap();
        sampler.accept(0);
        sampler.accept(0);
        let mut changed = logits;
        sampler.add_bias(&mut changed).unwrap();
        sampler.penalize(&mut changed);
        assert_eq!(changed, expected, "{options:?}");
    }
    let repeated = SamplingOptions { repetition_penalty: 2.0, ..greedy() };
    let mut below_zero = [-1.0];
    Sampler::new(repeated, &[0]).unwrap().penalize(&mut below_zero);
    assert_eq!(below_zero, [-2.0]);
}

#[test]
fn forbidden_tokens_are_not_chosen_and_keep_their_probabilities() {
    let allowed = [0b1010_u32];
    let options = SamplingOptions { log_probabilities: Some(1), ..greedy() };
    let sampler = Sampler::new(options, &[]).unwrap();
    let mut scratch = SamplingScratch::default();
    let sampled =
        sampler.sample(&[9.0, 1.0, 5.0, 2.0, 7.0], Some(AllowedTokens(&allowed)), &mut scratch).unwrap();
    assert_eq!(sampled.token, 3);
    assert_eq!(sampled.most_probable[0].token, 0);
    let nothing = sampler.sample(&[1.0, 2.0], Some(AllowedTokens(&[])), &mut scratch);
    assert_eq!(nothing, Err(SamplingError::NothingPossible));
}

#[test]
fn what_is_no_distribution_is_refused() {
    let sampler = Sampler::new(SamplingOptions::default(), &[]).unwrap();
    let mut scratch = SamplingScratch::default();
    let mut refused = |logits: &[f32]| sampler.sample(logits, None, &mut scratch).unwrap_err().to_string();
    assert_eq!(refused(&[0.0, f32::NAN]), "the logit of token 1 is NaN");
    assert_eq!(refused(&[f32::INFINITY]), "the logit of token 0 is inf");
    assert_eq!(refused(&[f32::NEG_INFINITY; 3]), "no token is possible");
    assert_eq!(refused(&[]), "no token is possible");
}

#[test]
fn extreme_logits_are_drawn_from() {
    for temperature in [0.0, 1e-30, 1.0, 100.0] {
        let options = SamplingOptions { temperature, top_p: 0.5, top_k: 2, ..SamplingOptions::default() };
        assert_eq!(sample(options, &[f32::MIN, f32::MAX, f32::NEG_INFINITY]).token, 1);
    }
    let pushed = SamplingOptions {
        repetition_penalty: 0.01,
        logit_bias: vec![(0, 100.0)],
        ..SamplingOptions::default()
    };
    let sampler = Sampler::new(pushed, &[0]).unwrap();
    let token = sampler.sample(&[f32::MAX, 0.0], None, &mut SamplingScratch::default()).unwrap().token;
    assert_eq!(token, 0);
}

#[test]
fn options_out_of_range_are_refused_with_their_range() {
    let plain = SamplingOptions::default;
    let cases = [
        (SamplingOptions { temperature: -0.1, ..plain() }, "temperature is -0.1, not between 0 and 100"),
        (SamplingOptions { temperature: f32::NAN, ..plain() }, "temperature is NaN, not between 0 and 100"),
        (SamplingOptions { top_p: 0.0, ..plain() }, "top_p is 0, not above 0 and at most 1"),
        (SamplingOptions { top_p: 1.5, ..plain() }, "top_p is 1.5, not above 0 and at most 1"),
        (SamplingOptions { min_p: 2.0, ..plain() }, "min_p is 2, not between 0 and 1"),
        (
            SamplingOptions { repetition_penalty: 0.0, ..plain() },
            "repetition_penalty is 0, not between 0.01 and 100",
        ),
        (
            SamplingOptions { presence_penalty: f32::INFINITY, ..plain() },
            "presence_penalty is inf, not between -100 and 100",
        ),
        (
            SamplingOptions { frequency_penalty: -101.0, ..plain() },
            "frequency_penalty is -101, not between -100 and 100",
        ),
        (
            SamplingOptions { logit_bias: vec![(1, 200.0)], ..plain() },
            "a bias in logit_bias is 200, not between -100 and 100",
        ),
        (
            SamplingOptions { logit_bias: vec![(1, 0.0); 1025], ..plain() },
            "the number of tokens in logit_bias is 1025, not at most 1024",
        ),
        (
            SamplingOptions { log_probabilities: Some(21), ..plain() },
            "log_probabilities is 21, not at most 20",
        ),
    ];
    for (options, message) in cases {
        assert_eq!(Sampler::new(options, &[]).unwrap_err().to_string(), message);
    }
    let biased = SamplingOptions { logit_bias: vec![(4, 1.0)], ..plain() };
    let refused = Sampler::new(biased, &[]).unwrap().sample(&[0.0; 4], None, &mut SamplingScratch::default());
    assert_eq!(refused.unwrap_err().to_string(), "logit_bias names token 4, beyond a vocabulary of 4 tokens");
}
