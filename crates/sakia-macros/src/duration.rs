//! Durations as options write them: `"5s"`, `"250ms"`. No tokens here, only text and what is wrong with it.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads a whole number and a unit, without a space between them.
pub fn parse(text: &str) -> Result<Duration, String> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() || unit.starts_with(['.', ' ']) {
        return Err(format!(
            "`{text}` is no duration: write a whole number and a unit, as in \"5s\" or \"250ms\""
        ));
    }
    let micros = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "" => {
            return Err(format!(
                "`{text}` has no unit: write \"{text}s\" or \"{text}ms\""
            ));
        }
        _ => {
            return Err(format!(
                "`{unit}` is no unit of time here: use us, ms, s or m"
            ));
        }
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(micros))
        .map(Duration::from_micros)
        .filter(|duration| *duration <= DAY)
        .ok_or_else(|| format!("`{text}` is out of range: a day (\"1440m\") is the most"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        assert_eq!(parse("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("1m"), Ok(Duration::from_secs(60)));
        assert_eq!(parse("100us"), Ok(Duration::from_micros(100)));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
        assert_eq!(parse("1440m"), Ok(DAY));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_the_reason() {
        for bad in ["", "s", "-5s", "soon", "1.5s", "+1s", " 5s", "½s", "5 s"] {
            assert!(parse(bad).unwrap_err().contains("is no duration"), "{bad}");
        }
        assert_eq!(
            parse("5").unwrap_err(),
            "`5` has no unit: write \"5s\" or \"5ms\""
        );
        for bad in ["5h", "5sec", "1_000ms", "5ns", "5s5s"] {
            assert!(parse(bad).unwrap_err().contains("is no unit"), "{bad}");
        }
    }

    #[test]
    fn more_than_a_day_is_refused_even_if_it_overflows() {
        for bad in [
            "1441m",
            "86400001ms",
            "18446744073709551615m",
            "99999999999999999999s",
        ] {
            assert!(parse(bad).unwrap_err().contains("out of range"), "{bad}");
        }
    }
}
