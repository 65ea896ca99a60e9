use proptest::{collection::vec, prelude::*};

use super::*;
use Standing::{Aliased, Busy, Kept, OnDemand};

const MANY: usize = 100;

fn resident(bytes: u64, used: u64, standing: Standing) -> Resident {
    Resident { bytes, used, standing, in_service: true }
}

/// What becomes of a version of `needs` bytes where 10 are allowed and nothing is on its way out.
#[track_caller]
fn check(needs: u64, residents: &[Resident], expected: Room) {
    let limits = Limits { bytes: 10, versions: MANY };
    assert_eq!(find_room(needs, limits, total(residents.iter()), residents), expected);
}

#[test]
fn what_is_free_is_taken_first() {
    check(10, &[], Room::Free);
    check(11, &[], Room::Full(Full::TooLarge));
    check(4, &[resident(6, 0, OnDemand)], Room::Free);
    check(0, &[resident(10, 0, Kept)], Room::Free);
}

#[test]
fn what_was_not_used_for_longest_goes_first_and_on_demand_before_aliases() {
    let residents = [resident(3, 7, OnDemand), resident(3, 5, OnDemand), resident(4, 1, Aliased)];
    check(3, &residents, Room::Evict(vec![1]));
    check(6, &residents, Room::Evict(vec![1, 0]));
    check(7, &residents, Room::Evict(vec![1, 2]));
    check(10, &residents, Room::Evict(vec![1, 0, 2]));
}

#[test]
fn nobody_goes_in_vain() {
    // The large one has to go in any case, and then the small ones need not.
    let residents = [resident(1, 1, OnDemand), resident(1, 2, OnDemand), resident(8, 3, OnDemand)];
    check(8, &residents, Room::Evict(vec![2]));
    check(9, &residents, Room::Evict(vec![0, 2]));
    // All of them together would not do, so none goes.
    check(9, &[resident(5, 1, OnDemand), resident(5, 2, Kept)], Room::Full(Full::Memory));
    check(9, &[resident(5, 1, OnDemand), resident(5, 2, Busy)], Room::Later);
}

#[test]
fn what_is_leaving_already_is_waited_for() {
    let limits = Limits { bytes: 10, versions: MANY };
    let idle = [resident(4, 1, OnDemand)];
    // Of 10 bytes in use 4 belong to a version that is seen.
    assert_eq!(find_room(6, limits, 10, &idle), Room::Later);
    assert_eq!(find_room(7, limits, 10, &idle), Room::Evict(vec![0]));
    assert_eq!(find_room(6, limits, 10, &[]), Room::Later);
}

#[test]
fn places_are_made_by_idle_versions_and_not_waited_for() {
    let check = |residents: &[Resident], expected: Room| {
        let limits = Limits { bytes: 100, versions: 2 };
        assert_eq!(find_room(1, limits, total(residents.iter()), residents), expected, "{residents:?}");
    };
    check(&[resident(1, 1, Aliased)], Room::Free);
    check(&[resident(1, 1, Aliased), resident(1, 2, OnDemand)], Room::Evict(vec![1]));
    check(&[resident(1, 2, Aliased), resident(1, 1, Aliased)], Room::Evict(vec![1]));
    check(&[resident(1, 1, Aliased), resident(1, 2, Kept)], Room::Evict(vec![0]));
    check(&[resident(1, 1, Aliased), resident(1, 2, Busy)], Room::Evict(vec![0]));
    check(&[resident(1, 1, Kept), resident(1, 2, Busy)], Room::Full(Full::Versions));
    let draining = Resident { in_service: false, ..resident(1, 2, Busy) };
    check(&[resident(1, 1, Aliased), draining], Room::Free);
}

fn residents() -> impl Strategy<Value = Vec<Resident>> {
    let standing = prop::sample::select(&[OnDemand, Aliased, Busy, Kept][..]);
    let resident =
        (0_u64..50, 0_u64..8, standing, any::<bool>()).prop_map(|(bytes, used, standing, in_service)| {
            // What drains is not idle, or it would not be among them.
            let in_service = in_service || standing != Busy;
            Resident { bytes, used, standing, in_service }
        });
    vec(resident, 0..12)
}

proptest! {
    #[test]
    fn those_that_go_are_idle_the_oldest_and_just_enough(
        residents in residents(), needs in 0_u64..200, spare in 0_u64..60, leaving in 0_u64..40, places in 0_usize..14,
    ) {
        let charged = total(residents.iter()) + leaving;
        let limits = Limits { bytes: charged + spare, versions: places };
        let in_service = residents.iter().filter(|resident| resident.in_service).count();
        let fits = |gone: &[usize]| {
            let places_freed = gone.iter().filter(|place| residents[**place].frees_a_place()).count();
            let bytes_freed: u64 = gone.iter().map(|place| residents[*place].bytes).sum();
            in_service < places + places_freed && needs <= spare + leaving + bytes_freed
        };
        let idle: Vec<usize> = (0..residents.len()).filter(|place| residents[*place].is_idle()).collect();
        match find_room(needs, limits, charged, &residents) {
            Room::Free => prop_assert!(needs <= spare && in_service < places),
            Room::Evict(gone) => {
                prop_assert!(!gone.is_empty() && fits(&gone));
                prop_assert!(gone.iter().all(|place| idle.contains(place)), "only idle ones go");
                for place in &gone {
                    let others: Vec<usize> = gone.iter().copied().filter(|other| other != place).collect();
                    prop_assert!(!fits(&others), "{place} could be spared");
                    // It goes only where all that stand before it would not have done.
                    let rank = |place: usize| (residents[place].standing, residents[place].used);
                    let before: Vec<usize> =
                        idle.iter().copied().filter(|other| rank(*other) < rank(*place)).collect();
                    prop_assert!(!fits(&before), "{place} went before its turn");
                }
            }
            Room::Later => {
                prop_assert!(needs > spare, "nothing is waited for but memory");
                let may_go: Vec<usize> =
                    (0..residents.len()).filter(|place| residents[*place].standing != Kept).collect();
                let bytes: u64 = may_go.iter().map(|place| residents[*place].bytes).sum();
                prop_assert!(needs <= spare + leaving + bytes);
                prop_assert!(fits(&[]) || !fits(&idle), "idle ones would have done");
            }
            Room::Full(Full::TooLarge) => prop_assert!(needs > limits.bytes),
            Room::Full(Full::Memory) => {
                let kept: u64 = residents.iter().filter(|one| one.standing == Kept).map(|one| one.bytes).sum();
                prop_assert!(needs > limits.bytes - kept && needs <= limits.bytes);
            }
            Room::Full(Full::Versions) => {
                let may_go = residents.iter().filter(|resident| resident.frees_a_place()).count();
                prop_assert!(in_service - may_go >= places);
            }
        }
    }
}
