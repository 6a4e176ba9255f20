//! One Rust file as the rules see it: its text, its tokens and its items. No rule lives here.

use proc_macro2::{TokenStream, TokenTree};

use super::Finding;

pub struct RustFile {
    pub path: String,
    pub text: String,
    /// All tokens, those inside macro calls too. Comments are gone; doc comments are string literals.
    pub tokens: TokenStream,
    pub items: syn::File,
}

impl RustFile {
    pub fn parse(path: &str, text: &str) -> Result<Self, Finding> {
        let fail = |line, why: String| Finding::new(path, line, format!("does not parse: {why}"));
        let tokens: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| {
            fail(error.span().start().line, error.to_string())
        })?;
        let items = syn::parse2(tokens.clone())
            .map_err(|error| fail(error.span().start().line, error.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            text: text.to_owned(),
            tokens,
            items,
        })
    }
}

/// Calls `see` with the tokens of `stream`, and with those of every group inside it.
pub fn each_level(stream: &TokenStream, see: &mut impl FnMut(&[TokenTree])) {
    let level: Vec<TokenTree> = stream.clone().into_iter().collect();
    see(&level);
    for token in &level {
        if let TokenTree::Group(group) = token {
            each_level(&group.stream(), see);
        }
    }
}

/// Is this token the identifier `word`?
pub fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == word)
}

/// Is this token the punctuation `mark`?
pub fn is_mark(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}
