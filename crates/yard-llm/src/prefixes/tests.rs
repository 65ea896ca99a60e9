use std::collections::HashMap;

use proptest::prelude::*;
use yard_kernels::PageElement;

use super::*;

fn cache(pages: usize) -> KeyValueCache {
    let config = crate::families::tests::small();
    KeyValueCache::new(&config, pages * PAGE_POSITIONS, PageElement::F16).unwrap()
}

fn run(cache: &mut KeyValueCache, sequence: &mut Sequence, tokens: usize) {
    cache.reserve(sequence, tokens).unwrap();
    KeyValueCache::grow(sequence, tokens);
}

/// A sequence of these tokens has run and gone.
fn gone(cache: &mut KeyValueCache, prefixes: &mut Prefixes, salt: &Arc<str>, tokens: &[TokenId]) {
    let mut sequence = Sequence::new();
    run(cache, &mut sequence, tokens.len());
    prefixes.insert(cache, salt, tokens, &mut sequence);
    cache.release(sequence);
}

fn tokens(range: std::ops::Range<TokenId>) -> Vec<TokenId> {
    range.collect()
}

#[test]
fn the_longest_beginning_is_found_to_the_token() {
    let (mut cache, mut prefixes, salt) = (cache(20), Prefixes::new(20), Arc::from("a"));
    gone(&mut cache, &mut prefixes, &salt, &tokens(0..70));
    let branch = [tokens(0..32), tokens(500..540)].concat();
    gone(&mut cache, &mut prefixes, &salt, &branch);
    assert_eq!((prefixes.pages(), cache.idle_pages(), cache.free_pages()), (6, 6, 14));
    let found = |prefixes: &mut Prefixes, wanted: &[TokenId]| {
        let found = prefixes.find(&salt, wanted);
        assert_eq!(found.pages.len(), found.tokens.div_ceil(PAGE_POSITIONS));
        found.tokens
    };
    // What was in a page that was not full is not kept.
    assert_eq!(found(&mut prefixes, &tokens(0..100)), 64);
    assert_eq!(found(&mut prefixes, &tokens(0..64)), 64);
    assert_eq!(found(&mut prefixes, &tokens(0..63)), 63);
    assert_eq!(found(&mut prefixes, &tokens(0..5)), 5);
    assert_eq!(found(&mut prefixes, &branch), 64);
    assert_eq!(found(&mut prefixes, &[tokens(0..32), tokens(500..509), vec![7; 30]].concat()), 41);
    assert_eq!(found(&mut prefixes, &[tokens(0..32), tokens(32..33), vec![600; 30]].concat()), 33);
    assert_eq!(found(&mut prefixes, &[9, 9, 9]), 0);
    assert_eq!(found(&mut prefixes, &[]), 0);
    assert_eq!(prefixes.find("another salt", &tokens(0..64)), Found::default());
}

#[test]
fn what_two_computed_at_once_is_kept_once() {
    let (mut cache, mut prefixes, salt) = (cache(20), Prefixes::new(20), Arc::from("a"));
    let (mut one, mut other) = (Sequence::new(), Sequence::new());
    run(&mut cache, &mut one, 40);
    run(&mut cache, &mut other, 40);
    assert_eq!(cache.free_pages(), 14);
    prefixes.insert(&mut cache, &salt, &tokens(0..40), &mut one);
    prefixes.insert(&mut cache, &salt, &tokens(0..40), &mut other);
    assert_eq!((cache.free_pages(), one.pages()[..2] == other.pages()[..2]), (16, true));
    assert_ne!(one.pages()[2], other.pages()[2]);
    cache.release(one);
    assert_eq!(cache.idle_pages(), 0, "the other still holds them");
    cache.release(other);
    assert_eq!((cache.idle_pages(), cache.free_pages()), (2, 18));
}

#[test]
fn the_ends_of_what_was_used_longest_ago_go_first() {
    let (mut cache, mut prefixes, salt) = (cache(20), Prefixes::new(20), Arc::from("a"));
    gone(&mut cache, &mut prefixes, &salt, &tokens(0..48));
    gone(&mut cache, &mut prefixes, &salt, &tokens(100..148));
    prefixes.find(&salt, &tokens(0..48));
    assert_eq!(prefixes.evict(&mut cache, 2), 2);
    assert_eq!(prefixes.find(&salt, &tokens(100..148)).tokens, 16);
    assert_eq!(prefixes.find(&salt, &tokens(0..48)).tokens, 48);
    // What a sequence holds stays.
    let found = prefixes.find(&salt, &tokens(0..48));
    let held = cache.begin(&found.pages[..2], 32);
    assert_eq!(prefixes.evict(&mut cache, 100), 2);
    assert_eq!(prefixes.find(&salt, &tokens(0..48)).tokens, 32);
    cache.release(held);
    assert_eq!(prefixes.evict(&mut cache, 100), 2);
    assert_eq!((prefixes.pages(), cache.free_pages(), prefixes.roots.len()), (0, 20, 0));
}

#[test]
fn no_more_is_kept_than_allowed() {
    let (mut cache, mut prefixes, salt) = (cache(20), Prefixes::new(4), Arc::from("a"));
    for first in 0..5 {
        gone(&mut cache, &mut prefixes, &salt, &tokens(1000 * first..1000 * first + 48));
        assert!(prefixes.pages() <= 4);
        assert_eq!(cache.free_pages() + prefixes.pages(), 20);
    }
    assert_eq!(prefixes.find(&salt, &tokens(4000..4048)).tokens, 48);
    let mut nothing = Prefixes::new(0);
    gone(&mut cache, &mut nothing, &salt, &tokens(0..48));
    assert_eq!(nothing.pages(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Beside a list of everything that was ever kept: what is found was kept for that salt, pages hold those tokens, and
    /// none is lost.
    #[test]
    fn pages_hold_the_tokens_they_are_found_for(
        texts in prop::collection::vec((0..3_u32, prop::collection::vec(0..2_u32, 1..80), 0..2_u8), 1..60),
        pages in 8..24_usize,
    ) {
        let (mut cache, mut prefixes) = (cache(pages), Prefixes::new(pages));
        // What each page was last filled with: salt, and all tokens to its end.
        let mut content: HashMap<u32, (u32, Vec<TokenId>)> = HashMap::new();
        for (salt, bits, evicted) in texts {
            let name: Arc<str> = salt.to_string().into();
            // Few different pages: each bit is four equal tokens.
            let text: Vec<TokenId> = bits.iter().flat_map(|bit| [*bit; 4]).take(5 * PAGE_POSITIONS).collect();
            let found = prefixes.find(&name, &text);
            prop_assert_eq!(found.pages.len(), found.tokens.div_ceil(PAGE_POSITIONS));
            for (place, page) in found.pages.iter().enumerate() {
                let (of, known) = &content[page];
                let end = found.tokens.min((place + 1) * PAGE_POSITIONS);
                prop_assert_eq!((*of, &known[..end]), (salt, &text[..end]));
            }
            let mut sequence = cache.begin(&found.pages, found.tokens);
            let rest = text.len() - found.tokens;
            let needed = rest.div_ceil(PAGE_POSITIONS) + 1;
            let free = cache.free_pages();
            prefixes.evict(&mut cache, needed.saturating_sub(free));
            if rest > 0 && cache.reserve(&mut sequence, rest).is_ok() {
                KeyValueCache::grow(&mut sequence, rest);
                for (place, page) in sequence.pages().iter().enumerate().skip(found.tokens / PAGE_POSITIONS) {
                    let end = text.len().min((place + 1) * PAGE_POSITIONS);
                    content.insert(*page, (salt, text[..end].to_vec()));
                }
                prefixes.insert(&mut cache, &name, &text, &mut sequence);
            }
            cache.release(sequence);
            prefixes.evict(&mut cache, usize::from(evicted));
            prop_assert_eq!(cache.idle_pages(), prefixes.pages());
            prop_assert_eq!(cache.free_pages() + cache.idle_pages(), pages);
        }
    }
}
