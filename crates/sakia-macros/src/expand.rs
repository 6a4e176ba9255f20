//! The code that takes the place of the function.
//!
//! The user's `async fn` stays whole, as an item inside a plain one of the same name: the compiler's messages, `return`,
//! `?` and `impl Trait` work as they were written, and no local name of ours can meet one of theirs. All paths are
//! absolute, and no name of the prelude is used.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Error, Ident};

use crate::item::Function;
use crate::options::Options;

/// Which of the two attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Main,
    Test,
}

impl Kind {
    /// The attribute's name, without the crate.
    pub fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Test => "test",
        }
    }

    /// Would this attribute do our work a second time? A plain `#[main]` may be anything.
    pub fn is_twin(self, attr: &Attribute) -> bool {
        let path = attr.path();
        let last = path.segments.last();
        let named = last.is_some_and(|last| last.ident == self.name());
        named && (self == Self::Test || path.segments.len() > 1)
    }
}

/// Expands `#[sakia::main(options)]` or `#[sakia::test(options)]` on `function`.
pub fn expand(kind: Kind, options: TokenStream, function: TokenStream) -> TokenStream {
    let mut errors = Vec::new();
    let options = Options::read(options, &mut errors);
    let code = match syn::parse2::<Function>(function.clone()) {
        Ok(mut parsed) => {
            parsed.take_twins(kind, &mut errors);
            let faults = parsed.faults(kind);
            // A wrong option alone does not keep the rest from being compiled.
            let code = match faults.is_empty() {
                true => run(kind, &options, &parsed),
                false => unrun(&parsed),
            };
            errors.extend(faults);
            code
        }
        Err(_) => {
            let text = format!("`#[sakia::{}]` goes on an `async fn`", kind.name());
            errors.push(Error::new_spanned(&function, text));
            function
        }
    };
    let errors = errors.iter().map(Error::to_compile_error);
    quote!(#(#errors)* #code)
}

/// The function for the compiler and the editor to look at, when it cannot be run.
fn unrun(function: &Function) -> TokenStream {
    if !function.is_main() || function.sig.asyncness.is_none() {
        return function.to_token_stream();
    }
    // An `async fn main` would bring an error of the compiler's own on top of ours: put it into a plain one.
    let Function {
        attrs,
        vis,
        sig,
        body,
    } = function;
    quote! {
        #(#attrs)*
        #vis fn main() {
            #[allow(dead_code)]
            #sig #body
        }
    }
}

/// The plain function that runs the async one.
fn run(kind: Kind, options: &Options, function: &Function) -> TokenStream {
    let Function {
        attrs,
        vis,
        sig,
        body,
    } = function;
    let name = &sig.ident;
    let output = &sig.output;
    let facade = match &options.facade {
        Some(path) => path.to_token_stream(),
        None => quote!(::sakia),
    };
    let local = Ident::new("__sakia_config", Span::mixed_site());
    let config = config(options, &facade, &local);
    // What is wrong with the returned type is shown at that type.
    let place = function.output_span().resolved_at(Span::mixed_site());
    let (test, output, runner) = match kind {
        Kind::Main => (None, quote!(-> ::std::process::ExitCode), quote!(run_main)),
        Kind::Test => (
            Some(quote!(#[::core::prelude::v1::test])),
            output.to_token_stream(),
            quote!(run_test),
        ),
    };
    let call = quote_spanned!(place=> #facade::__macro::#runner(#local, #name()));
    quote! {
        #test
        #(#attrs)*
        #vis fn #name() #output {
            #sig #body
            #config
            #call
        }
    }
}

/// `let local = …;` with what was asked for and nothing else.
fn config(options: &Options, facade: &TokenStream, local: &Ident) -> TokenStream {
    let Options {
        entries,
        shutdown,
        report,
        start_paused,
        facade: _,
    } = options;
    let mut set = TokenStream::new();
    if let Some(entries) = entries {
        set.extend(quote!(#local.entries = ::core::option::Option::Some(#entries);));
    }
    if let Some(shutdown) = shutdown {
        let (secs, nanos) = (shutdown.as_secs(), shutdown.subsec_nanos());
        set.extend(quote! {
            #local.shutdown =
                ::core::option::Option::Some(::core::time::Duration::new(#secs, #nanos));
        });
    }
    if *report {
        set.extend(quote!(#local.report = true;));
    }
    if *start_paused {
        set.extend(quote!(#local.start_paused = true;));
    }
    let mutable = (!set.is_empty()).then(|| quote!(mut));
    quote! {
        let #mutable #local = #facade::__macro::Config::new();
        #set
    }
}
