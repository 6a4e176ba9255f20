//! What several rounds of a measurement come to: the median, the least and the most.

/// The values of one system in one mode, a round each, in order of size.
#[derive(Clone, Debug, Default)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    pub fn add(&mut self, value: f64) {
        let at = self.0.partition_point(|other| *other < value);
        self.0.insert(at, value);
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The middle value, or the mean of both. None without a round.
    pub fn median(&self) -> Option<f64> {
        let middle = self.0.len() / 2;
        let high = *self.0.get(middle)?;
        match self.0.len() % 2 {
            0 => Some((self.0[middle - 1] + high) / 2.0),
            _ => Some(high),
        }
    }

    /// "median (least–most)".
    pub fn show(&self) -> String {
        match (self.0.first(), self.median(), self.0.last()) {
            (Some(least), Some(median), Some(most)) => {
                format!("{} ({}–{})", short(median), short(*least), short(*most))
            }
            _ => "–".to_owned(),
        }
    }
}

/// Three digits or more.
pub fn short(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        let mut rounds = Rounds::default();
        assert_eq!(rounds.median(), None);
        for value in [5.0, 1.0, 900.0] {
            rounds.add(value);
        }
        assert_eq!(rounds.median(), Some(5.0));
        rounds.add(7.0);
        assert_eq!(rounds.median(), Some(6.0));
        assert_eq!(rounds.show(), "6.00 (1.00–900)");
    }
}
