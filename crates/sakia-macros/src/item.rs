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
    /// Takes off the attributes that would do our work a second time, with one error for each.
    pub fn take_twins(&mut self, kind: Kind, errors: &mut Vec<Error>) {
        let text = match kind {
            Kind::Main => "a second attribute that starts a runtime: keep one of them",
            Kind::Test => "a second test attribute: `#[sakia::test]` makes the test already",
        };
        self.attrs.retain(|attr| {
            let twin = kind.is_twin(attr);
            if twin {
                errors.push(Error::new_spanned(attr, text));
            }
            !twin
        });
    }

    /// One error for each thing that neither a `main` nor a test can be.
    pub fn faults(&self, kind: Kind) -> Vec<Error> {
        let sig = &self.sig;
        let attribute = format!("`#[sakia::{}]`", kind.name());
        let mut faults = Vec::new();
        let mut fault = |place: &dyn ToTokens, text: String| {
            faults.push(Error::new_spanned(place.to_token_stream(), text));
        };
        if sig.asyncness.is_none() {
            let text = format!("{attribute} needs an `async fn`: put `async` before `fn`");
            fault(&sig.fn_token, text);
        }
        match sig.inputs.first() {
            None => {}
            Some(FnArg::Receiver(receiver)) => {
                let text = format!("{attribute} goes on a free function, not on a method");
                fault(receiver, text);
            }
            Some(FnArg::Typed(_)) => {
                let text = format!("a function under {attribute} takes no arguments");
                fault(&sig.inputs, text);
            }
        }
        if !sig.generics.params.is_empty() {
            let text = format!("a function under {attribute} has no generics");
            fault(&sig.generics, text);
        } else if let Some(clause) = &sig.generics.where_clause {
            let text = format!("a function under {attribute} has no where clause");
            fault(clause, text);
        }
        if let Some(word) = &sig.unsafety {
            fault(word, format!("a function under {attribute} is a safe one"));
        }
        if let Some(abi) = &sig.abi {
            let text = format!("a function under {attribute} has no ABI of its own");
            fault(abi, text);
        }
        if kind == Kind::Main && !self.is_main() {
            let text = format!(
                "{attribute} is for `main`: call `{}` from there, or run it by `Runtime::block_on`",
                sig.ident
            );
            fault(&sig.ident, text);
        }
        faults
    }

    /// Is this the function that the program starts with?
    pub fn is_main(&self) -> bool {
        self.sig.ident == "main"
    }

    /// The type it returns, as a place for the compiler's complaints.
    pub fn output_span(&self) -> Span {
        match &self.sig.output {
            ReturnType::Default => self.sig.ident.span(),
            ReturnType::Type(_, ty) => ty.span(),
        }
    }
}
