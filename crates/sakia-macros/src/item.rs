//! The function under the attribute: its head is read and checked, its body is left as it is.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, TokenStreamExt};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Attribute, Error, FnArg, ReturnType, Signature, Visibility};

use crate::expand::Kind;

/// A function whose body is tokens: half-written code inside it is no business of ours.
pub struct Function {
    pub attrs: Vec<Attribute>,
    pub vis: Visibility,
    pub sig: Signature,
    pub body: TokenStream,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self, Error> {
        Ok(Self {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse()?,
            sig: input.parse()?,
            body: input.parse()?,
        })
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attrs);
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}

impl Function {
    /// Adds one error for each thing that neither a `main` nor a test can be.
    pub fn check(&self, kind: Kind, errors: &mut Vec<Error>) {
        let name = kind.name();
        let sig = &self.sig;
        let mut wrong = |span: Span, text: String| errors.push(Error::new(span, text));
        if sig.asyncness.is_none() {
            let text = format!("`#[sakia::{name}]` needs an `async fn`: put `async` before `fn`");
            wrong(sig.fn_token.span, text);
        }
        if let Some(first) = sig.inputs.first() {
            let text = match first {
                FnArg::Receiver(_) => {
                    format!("`#[sakia::{name}]` goes on a free function, not on a method")
                }
                FnArg::Typed(_) => {
                    format!("a function under `#[sakia::{name}]` takes no arguments")
                }
            };
            wrong(span_of(&sig.inputs, first.span()), text);
        }
        let where_clause = sig.generics.where_clause.as_ref();
        if !sig.generics.params.is_empty() {
            let text = format!("a function under `#[sakia::{name}]` has no generics");
            wrong(span_of(&sig.generics, sig.ident.span()), text);
        } else if let Some(clause) = where_clause {
            let text = format!("a function under `#[sakia::{name}]` has no where clause");
            wrong(clause.span(), text);
        }
        if let Some(word) = &sig.unsafety {
            let text = format!("a function under `#[sakia::{name}]` is not unsafe");
            wrong(word.span, text);
        }
        if let Some(abi) = &sig.abi {
            let text = format!("a function under `#[sakia::{name}]` has no ABI of its own");
            wrong(abi.span(), text);
        }
        if kind == Kind::Main && sig.ident != "main" {
            let text = format!(
                "`#[sakia::main]` is for `main`: call `{}` from there, or by `Runtime::block_on`",
                sig.ident
            );
            wrong(sig.ident.span(), text);
        }
        for attr in self.attrs.iter().filter(|attr| kind.is_twin(attr)) {
            let text = match kind {
                Kind::Main => "a second attribute that starts a runtime: keep one of them",
                Kind::Test => "a second test attribute: `#[sakia::test]` makes the test; keep one",
            };
            wrong(attr.span(), text.to_owned());
        }
    }

    /// The type it returns, as a place for the compiler's complaints.
    pub fn output_span(&self) -> Span {
        match &self.sig.output {
            ReturnType::Default => self.sig.ident.span(),
            ReturnType::Type(_, ty) => ty.span(),
        }
    }
}

/// The place of `tokens`, or `otherwise` if there are none.
fn span_of(tokens: &impl ToTokens, otherwise: Span) -> Span {
    if tokens.to_token_stream().is_empty() {
        otherwise
    } else {
        tokens.span()
    }
}
