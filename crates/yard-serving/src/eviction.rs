//! Which versions leave memory so that another fits: a pure function of what is there.

/// What a version has to do with the room that another one needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Idle, and in memory only because a request named its number. These go first.
    OnDemand,
    /// Idle, and the next request to an alias would load it again.
    Aliased,
    /// It has work, or is being loaded, or somebody is about to move an alias to it: it may become idle.
    Busy,
    /// It stays.
    Kept,
}

/// One version that has memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resident {
    pub(crate) bytes: u64,
    /// When it was last used; only the order counts.
    pub(crate) used: u64,
    pub(crate) standing: Standing,
    /// Whether it counts for the number of versions: those that drain do not.
    pub(crate) in_service: bool,
}

/// What all versions may have together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) bytes: u64,
    pub(crate) versions: usize,
}

/// How to come to the room for one more version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Room {
    /// It is there.
    Free,
    /// These, by their places, have to go: enough, with what is leaving already, and none that could be spared.
    Evict(Vec<usize>),
    /// What leaves already, or what may become idle, will do.
    Later,
    /// Waiting does not help.
    Full(Full),
}

/// Why there will be no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// It would not fit if it were alone.
    TooLarge,
    /// The memory belongs to versions that stay.
    Memory,
    /// There are as many versions as may be, and none can go.
    Versions,
}

/// What idle versions have to make up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shortage {
    bytes: u64,
    versions: usize,
}

/// Finds room for a version of so many bytes.
///
/// `charged` counts all memory in use. What it exceeds the residents by is on its way out: versions that were sent away and
/// have nothing to do any more.
///
/// For both limits all idle versions may go; the number of versions is never waited for.
pub(crate) fn find_room(needs: u64, limits: Limits, charged: u64, residents: &[Resident]) -> Room {
    if needs > limits.bytes {
        return Room::Full(Full::TooLarge);
    }
    let in_service = residents.iter().filter(|resident| resident.in_service).count();
    let versions = (in_service + 1).saturating_sub(limits.versions);
    let free = limits.bytes.saturating_sub(charged);
    if versions == 0 && needs <= free {
        return Room::Free;
    }
    let leaving = charged.saturating_sub(total(residents.iter()));
    let bytes = needs.saturating_sub(free.saturating_add(leaving));
    let shortage = Shortage { bytes, versions };
    let may_free_a_place = residents.iter().filter(|resident| resident.frees_a_place()).count();
    if may_free_a_place < versions {
        return Room::Full(Full::Versions);
    }
    match choose(shortage, residents) {
        Some(chosen) if chosen.is_empty() => Room::Later,
        Some(chosen) => Room::Evict(chosen),
        None => {
            let may_go = residents.iter().filter(|resident| resident.standing != Standing::Kept);
            if total(may_go) >= bytes { Room::Later } else { Room::Full(Full::Memory) }
        }
    }
}

/// The fewest that will do of those that go first; `None` when all of them are not enough.
fn choose(shortage: Shortage, residents: &[Resident]) -> Option<Vec<usize>> {
    let mut idle: Vec<usize> = (0..residents.len()).filter(|place| residents[*place].is_idle()).collect();
    idle.sort_by_key(|place| (residents[*place].standing, residents[*place].used));
    let mut chosen = Vec::new();
    for place in idle {
        if shortage.is_met(&chosen, residents) {
            break;
        }
        chosen.push(place);
    }
    if !shortage.is_met(&chosen, residents) {
        return None;
    }
    // A large one that had to go makes small ones before it needless; what was used last is spared first.
    for place in chosen.clone().into_iter().rev() {
        let others: Vec<usize> = chosen.iter().copied().filter(|other| *other != place).collect();
        if shortage.is_met(&others, residents) {
            chosen = others;
        }
    }
    Some(chosen)
}

fn total<'a>(residents: impl Iterator<Item = &'a Resident>) -> u64 {
    residents.fold(0, |sum, resident| sum.saturating_add(resident.bytes))
}

impl Resident {
    const fn is_idle(&self) -> bool {
        matches!(self.standing, Standing::OnDemand | Standing::Aliased)
    }

    /// Whether it may go for the number of versions' sake.
    const fn frees_a_place(&self) -> bool {
        self.in_service && self.is_idle()
    }
}

impl Shortage {
    fn is_met(&self, chosen: &[usize], residents: &[Resident]) -> bool {
        let places = chosen.iter().filter(|place| residents[**place].frees_a_place()).count();
        places >= self.versions && total(chosen.iter().map(|place| &residents[*place])) >= self.bytes
    }
}

#[cfg(test)]
mod tests;
