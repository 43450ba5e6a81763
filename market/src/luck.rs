//! What a call's random draw decides.
//!
//! The market has no randomness of its own. Each call brings 64 bits; mixing them here
//! means that their quality in any one bit does not matter, and that one draw can settle
//! several questions independently.

/// The questions settled by one draw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Luck {
    /// Below the exploration share: explore. Uniform in 0 to 999,999.
    pub(crate) explore_ppm: u32,
    /// Below the share of a ramp: see the new. Uniform in 0 to 999,999.
    pub(crate) ramp_ppm: u32,
    mixed: u64,
}

impl Luck {
    pub(crate) fn new(draw: u64) -> Self {
        let mixed = mix(draw);
        let ppm =
            |bits: u64| u32::try_from(((bits & 0xFFFF_FFFF) * 1_000_000) >> 32).expect("invariant: below a million");
        Self { explore_ppm: ppm(mixed), ramp_ppm: ppm(mixed >> 32), mixed }
    }

    /// A ticket in 0 to `total - 1`, uniform but for `total` / 2^32; `total` is not zero.
    pub(crate) fn ticket(self, total: u32) -> u32 {
        u32::try_from(((mix(self.mixed) >> 32) * u64::from(total)) >> 32).expect("invariant: below the total")
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), a bijection.
fn mix(draw: u64) -> u64 {
    let mut bits = draw.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_draws_are_as_good_as_random_ones() {
        let (mut explored, mut ramped, mut both, mut tickets) = (0, 0, 0, [0; 4]);
        for draw in 0..100_000 {
            let luck = Luck::new(draw);
            let (explore, ramp) = (luck.explore_ppm < 100_000, luck.ramp_ppm < 500_000);
            explored += u32::from(explore);
            ramped += u32::from(ramp);
            both += u32::from(explore && ramp);
            tickets[luck.ticket(4) as usize] += 1;
        }
        assert!((9_700..10_300).contains(&explored), "{explored}");
        assert!((49_500..50_500).contains(&ramped), "{ramped}");
        assert!((4_800..5_200).contains(&both), "{both}");
        assert!(tickets.iter().all(|count| (24_500..25_500).contains(count)), "{tickets:?}");
    }
}
