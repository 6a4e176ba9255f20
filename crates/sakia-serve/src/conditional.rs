//! What makes two states of a file the same, and what a request's conditions say to that (RFC 9110, section 13).

use std::cmp::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::header::{
    HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE,
};

/// The state of a file, as a client can name it.
#[derive(Clone, Debug)]
pub(crate) struct Validators {
    pub(crate) etag: String,
    /// In whole seconds, which is all that a header can say.
    pub(crate) modified: Option<SystemTime>,
    /// Whether the file may have changed again within the second that `modified` names.
    fresh: bool,
}

/// What the conditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Do what was asked.
    Go,
    /// 304: the client has it already.
    NotModified,
    /// 412: it is not what the client takes it for.
    Failed,
}

impl Validators {
    pub(crate) fn new(ino: u64, len: u64, modified: Option<SystemTime>, now: SystemTime) -> Self {
        let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let nanos = since.map_or(0, |since| since.as_nanos());
        // A date in the future must not be told; nor can one beyond the year 9999.
        let told = since.map(|since| UNIX_EPOCH + Duration::from_secs(since.as_secs()));
        let told = told.filter(|told| *told <= now);
        Self {
            etag: format!("\"{ino:x}-{len:x}-{nanos:x}\""),
            modified: told,
            fresh: told.is_none_or(|told| now < told + Duration::from_secs(1)),
        }
    }

    /// Weighs a request's conditions in the order of section 13.2.2.
    pub(crate) fn weigh(&self, headers: &HeaderMap) -> Verdict {
        let holds = if headers.contains_key(IF_MATCH) {
            // A weak tag never matches here.
            self.is_listed(headers, IF_MATCH, |tag| tag == self.etag)
        } else {
            self.compare(headers, IF_UNMODIFIED_SINCE)
                .is_none_or(Ordering::is_le)
        };
        if !holds {
            return Verdict::Failed;
        }
        let same = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag) == self.etag;
        let known = if headers.contains_key(IF_NONE_MATCH) {
            self.is_listed(headers, IF_NONE_MATCH, same)
        } else {
            self.compare(headers, IF_MODIFIED_SINCE)
                .is_some_and(Ordering::is_le)
        };
        if known {
            Verdict::NotModified
        } else {
            Verdict::Go
        }
    }

    /// Compares the file's date with that of a header; `None` where either is missing or makes no sense.
    fn compare(&self, headers: &HeaderMap, name: HeaderName) -> Option<Ordering> {
        Some(self.modified?.cmp(&date(headers, name)?))
    }

    /// Whether a range may be served: only of the very state that the client has the rest of.
    pub(crate) fn allow_range(&self, headers: &HeaderMap) -> bool {
        let Some(condition) = headers.get(IF_RANGE) else {
            return true;
        };
        let Ok(condition) = condition.to_str() else {
            return false;
        };
        if condition.trim_start().starts_with(['"', 'W']) && !condition.contains(',') {
            return condition.trim() == self.etag;
        }
        // A date is good for this only if the file cannot have changed since within the same second.
        !self.fresh && self.modified.is_some() && date(headers, IF_RANGE) == self.modified
    }

    fn is_listed(
        &self,
        headers: &HeaderMap,
        name: HeaderName,
        same: impl Fn(&str) -> bool,
    ) -> bool {
        let lines = headers
            .get_all(name)
            .iter()
            .filter_map(|line| line.to_str().ok());
        lines.flat_map(tags).any(|tag| tag == "*" || same(tag))
    }
}

/// The tags of a list, quotes and all. A comma within quotes separates nothing.
fn tags(line: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    line.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .map(str::trim)
}

/// A date, if the header has exactly one.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next().filter(|_| lines.next().is_none())?;
    httpdate::parse_http_date(line.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    const BEFORE: &str = "Wed, 21 Oct 2015 07:27:59 GMT";
    const THEN: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
    const AFTER: &str = "Wed, 21 Oct 2015 07:28:01 GMT";
    const TAG: &str = "\"7-64-14d1a5c4b2d2b3c0\"";

    /// Changed at THEN and a bit.
    fn file() -> Validators {
        let then = httpdate::parse_http_date(THEN).unwrap() + Duration::from_millis(700);
        let mut file = Validators::new(7, 100, Some(then), then + Duration::from_secs(60));
        file.etag = TAG.into();
        file
    }

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in list {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn conditions_are_weighed_one_by_one() {
        use Verdict::{Failed, Go, NotModified};
        let weak = format!("W/{TAG}");
        let list = format!("\"a,b\", {TAG} ,\"c\"");
        for (name, value, verdict) in [
            ("if-match", TAG, Go),
            ("if-match", "*", Go),
            ("if-match", &list, Go),
            ("if-match", &weak, Failed),
            ("if-match", "\"other\"", Failed),
            ("if-match", "", Failed),
            ("if-none-match", TAG, NotModified),
            ("if-none-match", "*", NotModified),
            ("if-none-match", &weak, NotModified),
            ("if-none-match", &list, NotModified),
            ("if-none-match", "\"other\"", Go),
            ("if-none-match", "", Go),
            ("if-none-match", "\"*\"", Go),
            ("if-modified-since", BEFORE, Go),
            ("if-modified-since", THEN, NotModified),
            ("if-modified-since", AFTER, NotModified),
            ("if-modified-since", "yesterday", Go),
            ("if-unmodified-since", BEFORE, Failed),
            ("if-unmodified-since", THEN, Go),
            ("if-unmodified-since", AFTER, Go),
            ("if-unmodified-since", "yesterday", Go),
        ] {
            assert_eq!(
                file().weigh(&headers(&[(name, value)])),
                verdict,
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn a_tag_outweighs_a_date_and_a_failed_match_outweighs_all() {
        use Verdict::{Failed, Go, NotModified};
        for (list, verdict) in [
            (vec![("if-match", TAG), ("if-unmodified-since", BEFORE)], Go),
            (
                vec![("if-none-match", "\"other\""), ("if-modified-since", AFTER)],
                Go,
            ),
            (
                vec![("if-none-match", TAG), ("if-modified-since", BEFORE)],
                NotModified,
            ),
            (
                vec![("if-match", "\"other\""), ("if-none-match", TAG)],
                Failed,
            ),
            (vec![("if-match", TAG), ("if-none-match", TAG)], NotModified),
            (
                vec![("if-unmodified-since", BEFORE), ("if-none-match", TAG)],
                Failed,
            ),
            (
                vec![("if-none-match", "\"a\""), ("if-none-match", TAG)],
                NotModified,
            ),
        ] {
            assert_eq!(file().weigh(&headers(&list)), verdict, "{list:?}");
        }
    }

    #[test]
    fn a_range_is_served_only_of_the_state_that_is_meant() {
        let weak = format!("W/{TAG}");
        for (value, allowed) in [
            (TAG, true),
            (THEN, true),
            (BEFORE, false),
            (AFTER, false),
            (&weak, false),
            ("\"other\"", false),
            ("yesterday", false),
            ("*", false),
        ] {
            assert_eq!(
                file().allow_range(&headers(&[("if-range", value)])),
                allowed,
                "{value}"
            );
        }
        assert!(file().allow_range(&HeaderMap::new()));
        let mut young = file();
        young.fresh = true;
        assert!(
            !young.allow_range(&headers(&[("if-range", THEN)])),
            "it may have changed since"
        );
        assert!(young.allow_range(&headers(&[("if-range", TAG)])));
    }

    #[test]
    fn the_tag_changes_with_each_of_its_parts_and_odd_dates_are_not_told() {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let past = now - Duration::from_nanos(5);
        let tag = |ino, len, time| Validators::new(ino, len, time, now).etag;
        let tags = [
            tag(1, 2, Some(past)),
            tag(2, 2, Some(past)),
            tag(1, 3, Some(past)),
            tag(1, 2, Some(past - Duration::from_nanos(1))),
        ];
        for (at, one) in tags.iter().enumerate() {
            assert!(tags[at + 1..].iter().all(|other| other != one));
        }
        let told = |time| Validators::new(1, 2, time, now).modified;
        assert_eq!(
            told(Some(past)),
            Some(UNIX_EPOCH + Duration::from_secs(999))
        );
        assert_eq!(told(Some(now + Duration::from_secs(9))), None);
        assert_eq!(told(Some(UNIX_EPOCH - Duration::from_secs(9))), None);
        assert_eq!(told(None), None);
        assert!(Validators::new(1, 2, Some(now), now).fresh);
        assert!(!Validators::new(1, 2, Some(past), now).fresh);
    }
}
