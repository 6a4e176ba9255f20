//! What several rounds of a measurement come to: the median, the least and the most.

/// The values of one system in one mode, a round each.
#[derive(Clone, Debug, Default)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    pub fn add(&mut self, value: f64) {
        let at = self.0.partition_point(|other| *other < value);
        self.0.insert(at, value);
    }

    /// The middle value, or the mean of both. 0 without a round.
    pub fn median(&self) -> f64 {
        let n = self.0.len();
        match (self.0.get(n.wrapping_sub(1) / 2), self.0.get(n / 2)) {
            (Some(low), Some(high)) => (low + high) / 2.0,
            _ => 0.0,
        }
    }

    /// "median (least–most)".
    pub fn show(&self) -> String {
        let bound = |value: Option<&f64>| value.map_or(0.0, |value| *value);
        format!(
            "{:.0} ({:.0}–{:.0})",
            self.median(),
            bound(self.0.first()),
            bound(self.0.last())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        let mut rounds = Rounds::default();
        assert_eq!(rounds.median(), 0.0);
        for value in [5.0, 1.0, 9.0] {
            rounds.add(value);
        }
        assert_eq!(rounds.median(), 5.0);
        rounds.add(7.0);
        assert_eq!(rounds.median(), 6.0);
        assert_eq!(rounds.show(), "6 (1–9)");
    }
}
