//! What the tests share.

mod gates;
mod live;
mod logging;
mod os_threads;
mod processes;
mod queues;
mod recorder;
mod results;
mod waiting;

pub(crate) use self::gates::*;
pub(crate) use self::live::*;
pub(crate) use self::logging::*;
pub(crate) use self::os_threads::*;
pub(crate) use self::processes::*;
pub(crate) use self::queues::*;
pub(crate) use self::recorder::*;
pub(crate) use self::results::*;
pub(crate) use self::waiting::*;
