//! The feature `tracing`: what a runtime has to tell, told to `tracing` as well. It hangs on the hooks that everybody has; the runtime knows nothing of it.

use std::panic::Location;

use sakia_executor::{Executor, TaskId, TaskPanic, Watch};
use tracing::Span;

use crate::{Builder, Event, ShutdownReport};

/// Puts our hooks before those of the user's.
pub(crate) fn attach(builder: Builder) -> Builder {
    let Builder {
        on_event,
        on_task_panic,
        on_shutdown,
        ..
    } = builder;
    Builder {
        on_event: Box::new(move |told| {
            event(told);
            on_event(told);
        }),
        on_task_panic: Some(Box::new(move |panic| {
            task_panic(panic);
            if let Some(tell) = &on_task_panic {
                tell(panic);
            }
        })),
        on_shutdown: Some(Box::new(move |report| {
            shutdown(report);
            if let Some(tell) = on_shutdown {
                tell(report);
            }
        })),
        ..builder
    }
}

/// Gives each task a span.
pub(crate) fn watch(executor: &Executor) {
    executor.set_watcher(Box::new(|task, origin| {
        let span = task_span(task, origin);
        (!span.is_disabled()).then(|| Box::new(TaskSpan(span)) as Box<dyn Watch>)
    }));
}

struct TaskSpan(Span);

impl Watch for TaskSpan {
    fn around(&self, code: &mut dyn FnMut()) {
        self.0.in_scope(code);
    }
}

fn task_span(task: TaskId, origin: Option<&'static Location<'static>>) -> Span {
    // Not the child of whoever spawns it: it may go on for longer, and an accept loop would be the parent of everything.
    tracing::debug_span!(
        target: "sakia::task",
        parent: None,
        "task",
        task.id = %task,
        task.origin = origin.map(tracing::field::display),
    )
}

fn task_panic(panic: &TaskPanic<'_>) {
    #[cfg(feature = "track-origin")]
    let origin = Some(tracing::field::display(panic.origin()));
    #[cfg(not(feature = "track-origin"))]
    let origin: Option<&str> = None;
    tracing::error!(
        target: "sakia::task",
        { task.id = %panic.id(), task.origin = origin, panic = panic.message() },
        "a task panicked"
    );
}

fn event(event: &Event<'_>) {
    match event {
        Event::FallbackKernel { reason } => tracing::warn!(
            target: "sakia::runtime",
            cause = reason.cause(),
            cure = reason.cure(),
            "io_uring is denied or not there: the runtime is on epoll and threads"
        ),
        Event::RingShrunk { asked, got } => tracing::warn!(
            target: "sakia::runtime",
            asked,
            got,
            "the ring is smaller than asked for: no more memory may be locked"
        ),
        // The event of its end has told it.
        Event::UncleanDrop(_) => {}
    }
}

fn shutdown(report: &ShutdownReport) {
    // The level of an event is a constant.
    macro_rules! told {
        ($level:ident, $($rest:tt)*) => {
            tracing::$level!(
                target: "sakia::runtime",
                took_us = u64::try_from(report.took().as_micros()).unwrap_or(u64::MAX),
                descriptors_closed = report.descriptors_closed(),
                still_held = report.still_held().len(),
                closes_in_doubt = report.closes_in_doubt().len(),
                ops_completed = report.ops_completed(),
                ops_cancelled = report.ops_cancelled(),
                ops_quarantined = report.ops_quarantined(),
                tasks_dropped = report.tasks_dropped(),
                tasks_panicked = report.tasks_panicked(),
                destructor_panics = report.destructor_panics(),
                $($rest)*
            )
        };
    }
    if report.is_clean() {
        told!(info, "the runtime has ended clean");
    } else {
        told!(
            warn,
            why = report.summary(),
            "the runtime has ended, and not clean"
        );
    }
}
