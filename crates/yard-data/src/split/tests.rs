use proptest::prelude::*;

use super::*;

fn of_class(part: &[usize], classes: &[u32], class: u32) -> f64 {
    part.iter().filter(|row| classes[**row] == class).count() as f64
}

proptest! {
    #[test]
    fn every_row_is_held_out_once_and_classes_are_even_over_folds(
        classes in prop::collection::vec(0_u32..5, 6..300),
        count in 2_usize..7,
        seed: u64,
    ) {
        let rows = classes.len();
        prop_assume!(rows >= count);
        let folds = folds(rows, Some(&classes), count, seed).unwrap();
        prop_assert_eq!(folds.len(), count);
        let mut held_out: Vec<usize> = folds.iter().flat_map(|fold| fold.held_out.clone()).collect();
        held_out.sort_unstable();
        prop_assert_eq!(held_out, (0..rows).collect::<Vec<_>>());
        for fold in &folds {
            let mut all = [fold.train.clone(), fold.held_out.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..rows).collect::<Vec<_>>());
            let even = rows as f64 / count as f64;
            prop_assert!((fold.held_out.len() as f64 - even).abs() < 1.0);
            for class in 0..5 {
                let even = of_class(&(0..rows).collect::<Vec<_>>(), &classes, class) / count as f64;
                let found = of_class(&fold.held_out, &classes, class);
                prop_assert!((found - even).abs() < 1.0, "class {class}: {found} of {even}");
            }
        }
    }

    #[test]
    fn every_part_gets_its_share_of_every_class(
        classes in prop::collection::vec(0_u32..5, 40..400),
        train in 0.3_f64..0.8,
        rest in 0.2_f64..0.8,
        seed: u64,
    ) {
        let rows = classes.len();
        let validation = (1.0 - train) * rest;
        let shares = SplitShares { train, validation, test: 1.0 - train - validation };
        let Ok(split) = Split::draw(rows, Some(&classes), shares, seed) else {
            // Only a tiny share may go without a row.
            prop_assert!(validation.min(shares.test) * (rows as f64) < 3.0);
            return Ok(());
        };
        let mut all = [split.train.clone(), split.validation.clone(), split.test.clone()].concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..rows).collect::<Vec<_>>());
        let parts = [(&split.train, train), (&split.validation, validation), (&split.test, shares.test)];
        for class in 0..5 {
            let there = of_class(&(0..rows).collect::<Vec<_>>(), &classes, class);
            for (part, share) in parts {
                let found = of_class(part, &classes, class);
                prop_assert!((found - share * there).abs() < 1.0 + 1e-6, "{found} of {}", share * there);
            }
            prop_assert!(there == 0.0 || of_class(&split.train, &classes, class) > 0.0);
        }
        for (part, share) in parts {
            let even = share * rows as f64;
            prop_assert!((part.len() as f64 - even).abs() < 3.0, "{} of {even}", part.len());
        }
    }
}

#[test]
fn the_seed_alone_decides() {
    let shares = SplitShares::default();
    let split = |seed| Split::draw(100, None, shares, seed).unwrap();
    assert_eq!(split(1), split(1));
    assert_ne!(split(1), split(2));
    assert_eq!([split(1).train.len(), split(1).validation.len(), split(1).test.len()], [70, 15, 15]);
    assert_eq!(folds(10, None, 3, 1).unwrap(), folds(10, None, 3, 1).unwrap());
    assert_ne!(folds(10, None, 3, 1).unwrap(), folds(10, None, 3, 2).unwrap());
}

#[test]
fn drawn_rows_stay_as_they_were_in_the_first_version() {
    // A model must be trained again on the same rows after an update.
    let shares = SplitShares { train: 0.5, validation: 0.25, test: 0.25 };
    let split = Split::draw(8, Some(&[0, 1, 0, 1, 0, 1, 0, 1]), shares, 7).unwrap();
    assert_eq!((split.train, split.validation, split.test), (vec![0, 1, 4, 7], vec![5, 6], vec![2, 3]));
}

#[test]
fn shares_that_make_no_sense_and_too_few_rows_are_refused() {
    let refused = |rows, train, validation, test| {
        Split::draw(rows, None, SplitShares { train, validation, test }, 1).unwrap_err().to_string()
    };
    assert!(refused(10, 0.8, 0.3, 0.0).contains("train = 0.8, validation = 0.3"));
    assert!(refused(10, 0.0, 0.5, 0.5).contains("leave something to train on"));
    assert!(refused(10, f64::NAN, 0.5, 0.5).contains("from 0 to 1"));
    assert_eq!(
        refused(2, 0.7, 0.15, 0.15),
        "2 rows are too few for parts of these shares: every part needs one"
    );
    assert_eq!(folds(2, None, 3, 1).unwrap_err().to_string(), "2 rows are too few for 3 folds");
    assert!(folds(2, None, 1, 1).is_err());
}

#[test]
fn shares_below_one_leave_rows_out() {
    let split = Split::draw(100, None, SplitShares { train: 0.5, validation: 0.0, test: 0.1 }, 1).unwrap();
    assert_eq!([split.train.len(), split.validation.len(), split.test.len()], [50, 0, 10]);
}
