//! The options of the two attributes: what stands between the parentheses.
//!
//! Every fault is collected, each at its own place, and the options without a fault are kept: the function is then
//! expanded all the same, and the compiler complains about nothing else.

use std::fmt::Display;
use std::time::Duration;

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Expr, ExprLit, Ident, Lit, Path, Token, token};

use crate::{duration, foreign};

/// The largest submission queue that the kernel makes (`IORING_MAX_ENTRIES`).
const MAX_ENTRIES: u32 = 32_768;

const KNOWN: &str = "`entries`, `shutdown`, `report`, `start_paused` and `crate`";

/// What the attribute asks for.
#[derive(Default)]
pub struct Options {
    pub entries: Option<u32>,
    pub shutdown: Option<Duration>,
    pub report: bool,
    pub start_paused: bool,
    /// The path to the facade.
    pub facade: Option<Path>,
}

/// `name`, `name = value` or `name(…)`.
struct Setting {
    name: Ident,
    value: Value,
}

enum Value {
    None,
    Expr(Expr),
    /// No option of ours looks like this.
    List,
}

impl Options {
    /// Reads what can be read, and adds one error for each fault.
    pub fn read(tokens: TokenStream, errors: &mut Vec<Error>) -> Self {
        let mut options = Self::default();
        let settings = match settings.parse2(tokens) {
            Ok(settings) => settings,
            Err(error) => {
                errors.push(error);
                return options;
            }
        };
        let mut seen = Vec::new();
        for setting in settings {
            let name = setting.name.to_string();
            if seen.contains(&name) {
                errors.push(Error::new(
                    setting.name.span(),
                    format!("`{name}` is given twice"),
                ));
                continue;
            }
            if let Err(error) = options.set(&name, &setting) {
                errors.push(error);
            }
            seen.push(name);
        }
        options
    }

    fn set(&mut self, name: &str, setting: &Setting) -> Result<(), Error> {
        match name {
            "entries" => self.entries = Some(entries(setting)?),
            "shutdown" => self.shutdown = Some(shutdown(setting)?),
            "report" => self.report = report(setting)?,
            "start_paused" => self.start_paused = start_paused(setting)?,
            "crate" => self.facade = Some(facade(setting)?),
            _ => {
                let text = match foreign::advice(name) {
                    Some(advice) => advice.to_owned(),
                    None => format!("unknown option `{name}`; there are {KNOWN}"),
                };
                return Err(Error::new(setting.name.span(), text));
            }
        }
        Ok(())
    }
}

fn settings(input: ParseStream<'_>) -> Result<Vec<Setting>, Error> {
    let settings = input.parse_terminated(setting, Token![,])?;
    Ok(settings.into_iter().collect())
}

fn setting(input: ParseStream<'_>) -> Result<Setting, Error> {
    // `crate` is a keyword, hence any identifier.
    let name = input.call(Ident::parse_any)?;
    let value = if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        Value::Expr(input.parse()?)
    } else if input.peek(token::Paren) {
        let content;
        syn::parenthesized!(content in input);
        content.parse::<TokenStream>()?;
        Value::List
    } else {
        Value::None
    };
    Ok(Setting { name, value })
}

fn entries(setting: &Setting) -> Result<u32, Error> {
    if let Some(Lit::Int(number)) = setting.literal()
        && let Ok(value @ 1..=MAX_ENTRIES) = number.base10_parse()
    {
        return Ok(value);
    }
    let text = format!("`entries` is a number from 1 to {MAX_ENTRIES}, as in `entries = 256`");
    Err(setting.error(text))
}

fn shutdown(setting: &Setting) -> Result<Duration, Error> {
    match setting.literal() {
        Some(Lit::Str(text)) => duration::parse(&text.value()).map_err(|why| setting.error(why)),
        _ => {
            let text = "`shutdown` is a duration in quotes, as in `shutdown = \"5s\"`";
            Err(setting.error(text))
        }
    }
}

fn report(setting: &Setting) -> Result<bool, Error> {
    match setting.literal() {
        Some(Lit::Str(place)) if place.value() == "stderr" => Ok(true),
        _ => Err(setting.error("the report goes to stderr: write `report = \"stderr\"`")),
    }
}

fn start_paused(setting: &Setting) -> Result<bool, Error> {
    match (&setting.value, setting.literal()) {
        (Value::None, _) => Ok(true),
        // As tokio writes it.
        (_, Some(Lit::Bool(value))) => Ok(value.value),
        _ => Err(setting.error("`start_paused` takes no value: write `start_paused`")),
    }
}

fn facade(setting: &Setting) -> Result<Path, Error> {
    if let Some(Lit::Str(path)) = setting.literal()
        && let Ok(path) = path.parse_with(Path::parse_mod_style)
    {
        return Ok(path);
    }
    let text = "`crate` is a path in quotes, as in `crate = \"::my_crate::sakia\"`";
    Err(setting.error(text))
}

impl Setting {
    /// The value if it is a literal; one that came through a `macro_rules!` fragment too.
    fn literal(&self) -> Option<&Lit> {
        let Value::Expr(expr) = &self.value else {
            return None;
        };
        let mut expr = expr;
        while let Expr::Group(group) = expr {
            expr = &group.expr;
        }
        match expr {
            Expr::Lit(ExprLit { attrs, lit }) if attrs.is_empty() => Some(lit),
            _ => None,
        }
    }

    /// An error at the value if there is one, or else at the name.
    fn error(&self, text: impl Display) -> Error {
        match &self.value {
            Value::Expr(expr) => Error::new_spanned(expr, text),
            Value::None | Value::List => Error::new(self.name.span(), text),
        }
    }
}
