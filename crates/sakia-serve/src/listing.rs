//! A directory as a page: names sorted, escaped for HTML, encoded for links.

use std::ffi::OsString;

use crate::path::encode;

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) name: OsString,
    pub(crate) is_dir: bool,
}

/// Writes the page of a directory; `title` is its path. The root has no way up.
pub(crate) fn page(title: &str, is_root: bool, mut lines: Vec<Line>) -> String {
    lines.sort();
    let title = escape(title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n</head>\n\
         <body>\n<h1>{title}</h1>\n<ul>\n"
    );
    if !is_root {
        page += "<li><a href=\"../\">../</a></li>\n";
    }
    for line in lines {
        let slash = if line.is_dir { "/" } else { "" };
        let (link, name) = (encode(&line.name), escape(&line.name.to_string_lossy()));
        page += &format!("<li><a href=\"{link}{slash}\">{name}{slash}</a></li>\n");
    }
    page + "</ul>\n</body>\n</html>\n"
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn line(name: impl Into<OsString>, is_dir: bool) -> Line {
        Line {
            name: name.into(),
            is_dir,
        }
    }

    #[test]
    fn names_are_sorted_and_directories_end_in_a_slash() {
        let page = page("/x/", false, vec![line("b", false), line("a", true)]);
        let (up, a, b) = (page.find("../"), page.find("\"a/\""), page.find("\"b\""));
        assert!(up.is_some() && up < a && a < b, "{page}");
    }

    #[test]
    fn no_name_breaks_out_of_its_place() {
        let hostile = "<script>alert('1')</script>\"&";
        let page = page(hostile, true, vec![line(hostile.replace('/', ":"), false)]);
        assert!(!page.contains("<script"), "{page}");
        assert!(
            page.contains("<h1>&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;</h1>")
        );
        assert!(page.contains("href=\"%3Cscript%3Ealert%28%271%27%29%3C%3Ascript%3E%22%26\""));
        assert!(!page.contains("../"), "the root has no way up");
    }

    #[test]
    fn a_name_that_is_no_utf_8_has_a_link_that_works() {
        let page = page(
            "/",
            true,
            vec![line(OsString::from_vec(b"a\xff:b".to_vec()), false)],
        );
        assert!(page.contains("href=\"a%FF%3Ab\""), "{page}");
    }
}
