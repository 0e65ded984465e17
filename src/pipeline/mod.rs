//! What people wrote in their pipeline files: text in, an [`Estate`] or findings out. Opens no file.
//!
//! A text becomes a tree that knows its places (`parse`, `node`), the tree is held against the schema of the raw types (`shape`), serde makes those
//! types (`raw`), each part becomes what it means (`lower*`), and what stands side by side is checked (`join`, `conflict`). Every step goes on after
//! a mistake, so that all of them are reported at once.

mod at;
mod conflict;
mod defaults;
mod depends;
mod endpoint;
mod env_file;
mod estate;
mod finding;
mod follow;
mod forms;
mod hook;
mod join;
mod lower;
mod lower_data;
mod lower_deploy;
mod lower_hook;
mod lower_host;
mod lower_image;
mod lower_network;
mod lower_notify;
mod lower_schedule;
mod lower_service;
mod lower_watch;
mod lower_waves;
mod mounts;
mod near;
mod node;
mod notify;
mod parse;
mod ports;
mod raw;
mod raw_hook;
mod raw_notify;
mod raw_schedule;
mod raw_service;
mod raw_watch;
mod read;
mod refused;
mod registry;
mod schedule;
mod schema;
mod selector;
mod service;
mod shape;
mod update;
mod values;
mod vars;
mod volumes_from;

#[cfg(test)]
mod schedule_tests;
#[cfg(test)]
mod tests;

pub use conflict::another_writer;
pub use estate::{
    Base, BuildSecret, BuildSpec, Builder, Context, Endpoint, Estate, Host, Image, ImageTest, OnExceeded, Rebuild, RebuildPolicy, RunPolicy,
    SecretSource, Sources,
};
pub use finding::{Finding, Severity};
pub use follow::{Follow, TagOrder, TagPattern};
pub use hook::{Hook, HookAuth, HookFields, HookFormat};
pub use near::nearest;
pub use notify::{GivenValue, MailLogin, MailTarget, MailTls, NoticeFormat, NoticeKind, Notify, NotifyTo, WebTarget};
pub use read::{Draft, Fact, Facts, Given, PipelineText, Reading, Wanted, draft};
pub use registry::{Mirror, RegistryAccess};
pub use schedule::{CycleRefresh, Days, Freeze, FreezeAllow, Priority, Refresh, Trigger, Window};
pub use schema::schema;
pub use selector::{Selector, select_hosts};
pub use service::{Condition, DataPolicy, OnLoss, Service, ServiceImage, Snapshot};
pub use update::{Amount, FailureAction, Order, UpdateConfig, UpdateStrategy, Wave};
