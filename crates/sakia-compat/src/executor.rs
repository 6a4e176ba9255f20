//! hyper's background tasks on sakia's executor.

use std::future::Future;

/// Gives hyper sakia's tasks: [`hyper::rt::Executor`], for futures that need not be `Send`.
///
/// ```
/// use hyper::rt::Executor;
///
/// # sakia::Runtime::new()?.block_on(async {
/// let here = std::rc::Rc::new(());
/// let there = here.clone();
/// sakia_compat::SakiaExecutor.execute(async move { drop(there) });
/// sakia::yield_now().await;
/// assert_eq!(std::rc::Rc::strong_count(&here), 1);
/// # });
/// # std::io::Result::Ok(())
/// ```
///
/// # Panics
///
/// Outside a runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct SakiaExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for SakiaExecutor {
    fn execute(&self, future: F) {
        drop(sakia::spawn(future));
    }
}
