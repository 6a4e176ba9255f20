//! The Range header: which bytes a client wants (RFC 9110, section 14). What it gets is `service`'s.

/// What a Range header asks for, of a file of a known length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: there was nothing to understand, or more than one piece, which a server may answer so.
    Whole,
    /// `first` up to and including `last`, both within the file.
    Part { first: u64, last: u64 },
    /// Pieces that lie outside the file.
    Nothing,
}

/// Reads a Range header. What is not understood is ignored, as the RFC says.
pub(crate) fn parse(header: &str, len: u64) -> Wanted {
    let Some((unit, list)) = header.split_once('=') else {
        return Wanted::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let mut found = Wanted::Nothing;
    let mut any = false;
    for spec in list
        .split(',')
        .map(str::trim)
        .filter(|spec| !spec.is_empty())
    {
        any = true;
        match (one(spec, len), found) {
            (None | Some(Wanted::Whole), _) => return Wanted::Whole,
            (Some(Wanted::Nothing), _) => {}
            (Some(part), Wanted::Nothing) => found = part,
            // A second piece.
            (Some(_), _) => return Wanted::Whole,
        }
    }
    if any { found } else { Wanted::Whole }
}

/// One piece; `None` if it is none.
fn one(spec: &str, len: u64) -> Option<Wanted> {
    let (first, last) = spec.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let suffix = number(last)?;
        return Some(match (suffix, len) {
            (0, _) => Wanted::Nothing,
            // The last bytes of an empty file are all of it, and no Content-Range could say so.
            (_, 0) => Wanted::Whole,
            _ => Wanted::Part {
                first: len.saturating_sub(suffix),
                last: len - 1,
            },
        });
    }
    let first = number(first)?;
    let last = if last.is_empty() {
        u64::MAX
    } else {
        number(last)?
    };
    if last < first {
        return None;
    }
    Some(if first < len {
        Wanted::Part {
            first,
            last: last.min(len - 1),
        }
    } else {
        Wanted::Nothing
    })
}

/// Digits and nothing else; what is beyond any file is as good as the largest number.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(first: u64, last: u64) -> Wanted {
        Wanted::Part { first, last }
    }

    #[test]
    fn one_range_is_cut_to_the_file() {
        for (header, wanted) in [
            ("bytes=0-9", part(0, 9)),
            ("bytes=5-5", part(5, 5)),
            ("bytes=90-", part(90, 99)),
            ("bytes=0-", part(0, 99)),
            ("bytes=-10", part(90, 99)),
            ("bytes=-1000", part(0, 99)),
            ("bytes=95-1000", part(95, 99)),
            ("bytes=99-99999999999999999999999", part(99, 99)),
            ("BYTES=1-2", part(1, 2)),
            ("bytes = 1 - 2 ", part(1, 2)),
            ("bytes=, 1-2 ,", part(1, 2)),
        ] {
            assert_eq!(parse(header, 100), wanted, "{header}");
        }
    }

    #[test]
    fn what_lies_outside_is_told_so() {
        for header in [
            "bytes=100-",
            "bytes=100-200",
            "bytes=-0",
            "bytes=500-,600-700",
        ] {
            assert_eq!(parse(header, 100), Wanted::Nothing, "{header}");
        }
        assert_eq!(parse("bytes=0-", 0), Wanted::Nothing);
        assert_eq!(parse("bytes=0-0", 0), Wanted::Nothing);
        assert_eq!(parse("bytes=-5", 0), Wanted::Whole);
    }

    #[test]
    fn several_ranges_are_answered_whole_unless_one_is_left() {
        assert_eq!(parse("bytes=0-1,5-6", 100), Wanted::Whole);
        assert_eq!(parse("bytes=0-1,500-", 100), part(0, 1));
    }

    #[test]
    fn what_is_no_range_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1",
            "bytes=5-2",
            "bytes=1-2-3",
            "items=0-5",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes=1-2,x",
            "bytes=--5",
            "bytes=٣-٤",
        ] {
            assert_eq!(parse(header, 100), Wanted::Whole, "{header}");
        }
    }
}
